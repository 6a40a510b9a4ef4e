"""Weights are found in a folder, a mirror, the hub's cache or a hub that speaks its protocol; else a sentence says why.

The hub's library reads its variables when it is imported, so what concerns it runs in a process of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from preprocess.io.weights import MIRROR_VARIABLE, MissingWeightsError, find_file, find_folder
from tests.loopback import serving

ROOT = Path(__file__).parents[3]
COMMIT = "1234567890abcdef1234567890abcdef12345678"
NOWHERE = "http://127.0.0.1:9"
"""Nobody listens at the discard port."""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No relative path, mirror or cache of the machine's plays a part."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)


def model(folder: Path, content: bytes = b"weights") -> Path:
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(content)
    (folder / "config.json").write_text("{}")
    return folder


def test_a_path_is_itself(tmp_path: Path) -> None:
    folder = model(tmp_path / "clip")
    assert find_folder(str(folder), setting="s", files=["*.safetensors"]) == folder
    assert find_file(str(folder / "config.json"), setting="s") == folder / "config.json"


def test_the_mirror_is_laid_out_as_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = model(tmp_path / "mirror" / "owner" / "name")
    monkeypatch.setenv(MIRROR_VARIABLE, str(tmp_path / "mirror"))
    assert find_folder("owner/name", setting="s", files=["*.safetensors"]) == folder
    assert find_folder("owner/name@v1.0", setting="s", files=["*.safetensors"]) == folder
    assert find_file("owner/name:model.safetensors", setting="s") == folder / "model.safetensors"


@pytest.mark.parametrize(
    "weights",
    [
        "owner/..",
        "../owner",
        "owner/name/..",
        "owner/../../secret",
        "/etc",
        "owner/name@../..",
        "owner/name:../x/y",
        "",
    ],
)
def test_nothing_leads_out_of_the_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str) -> None:
    mirror = tmp_path / "a" / "mirror"
    mirror.mkdir(parents=True)
    for outside in (tmp_path / "a", tmp_path / "a" / "x"):
        outside.mkdir(exist_ok=True)
        (outside / "y").write_text("secret")
    monkeypatch.setenv(MIRROR_VARIABLE, str(mirror))
    with pytest.raises(MissingWeightsError, match="no hub id"):
        find_folder(weights, setting="s", files=["y"])
    with pytest.raises(MissingWeightsError, match="no hub id"):
        find_file(weights, setting="s")


@pytest.mark.parametrize("inside", ["../y", "/y", "./y", "x//y"])
def test_a_file_of_a_model_lies_inside_it(inside: str) -> None:
    with pytest.raises(MissingWeightsError, match="no hub id"):
        find_file(f"owner/name:{inside}", setting="s")


def test_the_message_says_what_where_and_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MIRROR_VARIABLE, "/models")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingWeightsError) as caught:
        find_file("owner/name:head.pth", setting="scorers.aesthetic.head")
    message = str(caught.value)
    for part in ("head.pth", "/models/owner/name/head.pth", "--set scorers.aesthetic.head=", MIRROR_VARIABLE):
        assert part in message
    assert "huggingface_hub is not installed" in message
    assert "\n" not in message
    assert str(pickle.loads(pickle.dumps(caught.value))) == message  # as it comes back from a worker


def test_a_folder_without_the_file_is_not_the_model(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingWeightsError, match="safetensors"):
        find_folder(str(tmp_path / "empty"), setting="s", files=["*.safetensors"])


def test_the_hubs_cache_needs_no_network(tmp_path: Path) -> None:
    cached = tmp_path / "cache" / "models--owner--name"
    folder = model(cached / "snapshots" / COMMIT)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(COMMIT)
    environment = {"HF_HUB_CACHE": str(tmp_path / "cache"), "HF_ENDPOINT": NOWHERE}
    assert asked("find_folder('owner/name', setting='s', files=['*.safetensors'])", environment) == str(folder)
    assert asked("find_file('owner/name:config.json', setting='s')", environment) == str(folder / "config.json")
    assert "no answer" in asked("find_file('owner/name:other.json', setting='s')", environment)


def test_a_hub_that_is_not_there_is_named(tmp_path: Path) -> None:
    environment = {"HF_HUB_CACHE": str(tmp_path), "HF_ENDPOINT": NOWHERE}
    message = asked("find_folder('owner/name', setting='towers.clip.weights', files=['*.safetensors'])", environment)
    assert f"no answer from {NOWHERE}" in message
    assert "towers.clip.weights" in message


def test_a_hub_that_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hub_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        environment = {"HF_HUB_CACHE": str(tmp_path), "HF_ENDPOINT": hub_url}
        call = "find_folder('owner/name', setting='s', files=['*.safetensors'])"
        assert f"no answer from {hub_url}" in asked(call, environment, before="weights.ANSWER_SECONDS = 0.2")


@dataclass
class Hub:
    """What a hub of one model, `owner/name`, holds and has been asked."""

    files: Mapping[str, bytes]
    refusal: str | None = None
    """Error code with which files are refused."""
    url: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def hub() -> Iterator[Hub]:
    served = Hub(files={"config.json": b"{}", "model.safetensors": b"weights", "sub/head.pth": b"head"})
    with serving(handler(served)) as served.url:
        yield served


def test_a_download_brings_what_is_wanted_and_stays(tmp_path: Path, hub: Hub) -> None:
    environment = {"HF_HUB_CACHE": str(tmp_path), "HF_ENDPOINT": hub.url}
    request = "find_folder('owner/name@main', setting='s', files=['*.safetensors', 'config.json'])"
    folder = Path(asked(request, environment))
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert not (folder / "sub").exists()
    head = asked("find_file('owner/name:sub/head.pth', setting='s')", environment)
    assert Path(head).read_bytes() == b"head"
    hub.asked.clear()
    assert asked(request, environment) == str(folder)
    assert hub.asked == []


def test_a_refusal_is_told_as_it_is(tmp_path: Path, hub: Hub) -> None:
    environment = {"HF_HUB_CACHE": str(tmp_path), "HF_ENDPOINT": hub.url}
    assert "has no such model" in asked("find_folder('owner/other', setting='s', files=['*'])", environment)
    assert "no such file" in asked("find_file('owner/name:nothing', setting='s')", environment)
    assert "no such revision" in asked("find_folder('owner/name@old', setting='s', files=['*'])", environment)
    hub.refusal = "GatedRepo"
    message = asked("find_folder('owner/name', setting='s', files=['*.safetensors'])", environment)
    assert "licence" in message
    assert "HF_TOKEN" in message


def asked(call: str, environment: Mapping[str, str], *, before: str = "") -> str:
    """The answer of a call to `preprocess.io.weights` in a new process: a path, or the message of its error."""
    code = f"""
from preprocess.io import weights
from preprocess.io.weights import MissingWeightsError, find_file, find_folder
{before}
try:
    print({call})
except MissingWeightsError as error:
    print(error)
"""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    told = kept | {"PYTHONPATH": str(ROOT), "HF_HUB_DISABLE_XET": "1"} | environment
    done = subprocess.run([sys.executable, "-c", code], env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    """The few answers of the hub's protocol that a download needs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.asked.append(self.path)
            path = urlsplit(self.path).path.removeprefix("/")
            about, file = "api/models/owner/name", path.removeprefix(f"owner/name/resolve/{COMMIT}/")
            if path in (about, f"{about}/revision/main", f"{about}/revision/{COMMIT}"):
                self.answer(200, json.dumps({"id": "owner/name", "sha": COMMIT, "siblings": []}).encode())
            elif path == f"{about}/tree/{COMMIT}":
                tree = [
                    {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                    for name, content in hub.files.items()
                ]
                self.answer(200, json.dumps(tree).encode())
            elif hub.refusal and file in hub.files:
                self.answer(403, b"", {"X-Error-Code": hub.refusal})
            elif file in hub.files:
                content = hub.files[file]
                etag = hashlib.sha1(content).hexdigest()
                self.answer(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})
            else:
                code = "RevisionNotFound" if path.startswith(about) else "RepoNotFound"
                self.answer(404, b"", {"X-Error-Code": code})

        do_HEAD = do_GET  # noqa: N815

        def answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *line: object) -> None:
            pass

    return Handler
