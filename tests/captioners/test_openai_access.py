"""Where the captioner asks, and by which key: neither is said to anyone else."""

import logging
import socket

import pytest

pytest.importorskip("openai")

from captioners.base import CaptionServerError
from captioners.openai_chat import OpenAIChatCaptioner
from tests.answering_server import AnsweringServer, completion, error
from tests.captioners.chat import clip

KEY = "sk-not-for-anyone-1234567890"


def test_the_key_goes_to_the_server_and_nowhere_else(captioner_of, monkeypatch, caplog, capfd):
    monkeypatch.setenv("OPENAI_API_KEY", KEY + "\n")
    caplog.set_level(logging.DEBUG)
    shown = []
    with AnsweringServer([error(400, f"bad key {KEY}"), completion(f"A sign reads {KEY}.")]) as server:
        captioner = captioner_of(server, short_prompt=None, concurrency=1)
        captioner.check()
        shown += captioner.caption([clip(1), clip(2)])
        shown += [captioner, captioner.prompt_id, vars(captioner)]
        server.answer = lambda _: error(401, f"Incorrect API key provided: {KEY}")
        with pytest.raises(CaptionServerError) as caught:
            captioner.caption([clip(1)])
        server.models = error(401, KEY)
        with pytest.raises(CaptionServerError) as checked:
            captioner.check()
    assert server.keys == {f"Bearer {KEY}"}
    for problem in (caught.value, checked.value):
        while problem is not None:
            shown += [repr(problem), vars(problem)]
            problem = problem.__cause__ or problem.__context__
    assert KEY not in repr(shown) + caplog.text + "".join(capfd.readouterr())
    assert not [record for record in caplog.records if record.name.startswith(("httpx", "httpcore", "openai"))]


def test_without_a_key_none_is_sent(captioner_of, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with AnsweringServer() as server:
        captioner_of(server).caption([clip(1)])
    assert server.keys == {"Bearer none"}


def test_a_key_in_a_file_goes_before_the_variable(captioner_of, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    (tmp_path / "key").write_text(f"  {KEY}\n")
    with AnsweringServer() as server:
        captioner_of(server, key_file=str(tmp_path / "key")).caption([clip(1)])
    assert server.keys == {f"Bearer {KEY}"}


@pytest.mark.parametrize("content", [None, b"", b" \n", b"k" * 5000, b"\xff\xfe", b"sk-secret\nsecond"])
def test_a_file_without_a_key_is_refused_unseen(captioner_of, tmp_path, content):
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with AnsweringServer() as server, pytest.raises(ValueError, match=str(path)) as caught:
        captioner_of(server, key_file=str(path)).check()
    assert "secret" not in str(caught.value)
    assert server.keys == set()


def test_a_key_that_fits_no_header_is_refused_unseen(captioner_of, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret\nsecond line")
    with AnsweringServer() as server, pytest.raises(ValueError, match="OPENAI_API_KEY") as caught:
        captioner_of(server).check()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://user:hunter2@host/v1", "http://user:hun/ter2@host", "user:hunter2@host/v1", "http://h/v1?key=hunter2"],
)
def test_a_password_in_the_address_is_refused_unseen(url):
    with pytest.raises(ValueError, match="password or a query") as caught:
        OpenAIChatCaptioner(base_url=url)
    assert "ter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://host/v1", "localhost:8000/v1", "http://", ""])
def test_an_address_is_http(url):
    with pytest.raises(ValueError, match="base_url"):
        OpenAIChatCaptioner(base_url=url)


def test_a_key_is_no_setting():
    with pytest.raises(ValueError, match="key_variable") as caught:
        OpenAIChatCaptioner(key_variable=KEY)
    assert KEY not in str(caught.value)


def test_check_names_the_server_that_is_not_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(CaptionServerError, match=r"captioner\.base_url") as caught:
            OpenAIChatCaptioner(base_url=url).check()
    assert url in str(caught.value)


def test_check_names_what_is_missing(captioner_of):
    with AnsweringServer(models=error(404)) as server:
        captioner_of(server, model="some").check()
        with pytest.raises(ValueError, match=r"captioner\.model"):
            captioner_of(server, model="").check()
        with pytest.raises(ValueError, match="detailed_v1"):
            captioner_of(server, model="some", prompt="detialed_v1").check()


@pytest.mark.parametrize("end", ["", "/"])
@pytest.mark.parametrize("models", [("tiny-vlm",), error(401)])
def test_an_address_without_v1_is_recognised(end, models):
    with AnsweringServer(models=models) as server:
        short = server.url.removesuffix("/v1") + end
        for model in ("", "tiny-vlm"):
            with pytest.raises(CaptionServerError, match=rf"did you mean `--set captioner.base_url={server.url}`"):
                OpenAIChatCaptioner(base_url=short, model=model).check()
