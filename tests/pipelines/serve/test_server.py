"""A real server and real requests: who may ask, what a film's ranges give, and that nothing else can be had."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.decide import decide
from pipelines.serve.films import asked_span, media_type
from pipelines.serve.run import serving
from preprocess.io import storage
from preprocess.io.hold import exclusive
from preprocess.io.tables import write_table
from tests import videos
from tests.buckets import make_bucket, moto_server, use_server
from tests.pipelines.test_page import manifest


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict:
        assert self.status == 200, self.body
        return json.loads(self.body)


@dataclass
class Client:
    """Asks as a browser does; `host` is what its Host header says."""

    address: str
    host: str = ""
    token: str = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        self.port, self.token = parts.port, parts.path.strip("/")
        self.host = f"127.0.0.1:{self.port}"

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        """`path` is below the token."""
        return self.raw(f"/{self.token}/{path}", method, body, **headers)

    def raw(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {"Host": self.host} | {name.replace("_", "-"): text for name, text in headers.items()}
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        read = Answer(answer.status, {key.lower(): text for key, text in answer.getheaders()}, answer.read())
        connection.close()
        return read

    def say(self, **said: object) -> Answer:
        return self.ask("say", "POST", json.dumps(said).encode(), Content_Type="application/json")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "a & b #1?.mp4"
    videos.moving_texture(path, size=(160, 96), seconds=4)
    return path


@pytest.fixture
def out(tmp_path: Path, film: Path) -> Path:
    """Four clips of a film."""
    manifest(tmp_path / "out", 4, (film,))
    jpeg = b"\xff\xd8" + bytes(50)
    table = pa.table({"clip_id": ids(tmp_path / "out")[:1], "jpeg": pa.array([jpeg], pa.binary())})
    write_table(os.fspath(tmp_path / "out" / "previews" / "a.parquet"), table)
    return tmp_path / "out"


@pytest.fixture
def client(out: Path) -> Iterator[Client]:
    with served(out) as address:
        yield Client(address)


@contextmanager
def served(out: Path, **options: Any) -> Iterator[str]:
    """A server in a thread."""
    with serving(os.fspath(out), **options) as (server, address):
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield address
        finally:
            server.shutdown()
            thread.join()


def ids(out: Path) -> list[str]:
    return pd.read_parquet(out / "clips")["clip_id"].tolist()


def test_without_the_token_nothing_is_told(client: Client) -> None:
    assert client.ask("").status == 200
    for path in ("/", "", "/find", f"/{client.token}", f"/{client.token[:-1]}/", f"/{client.token}x/", "//", "/%2F/"):
        answer = client.raw(path or "/", "GET")
        assert answer.status == 403, path
        assert client.token.encode() not in answer.body
        assert b"token" in answer.body
    assert client.raw("/x/say", "POST", b"{}").status == 403
    assert len(client.token) >= 43


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "", "[::1", "0.0.0.0:{port}", "10.0.0.1"]
)
def test_another_host_is_refused_as_a_name_that_was_turned_to_us_would_be(client: Client, host: str) -> None:
    client.host = host.format(port=client.port)
    assert client.ask("").status == 421
    assert client.ask("say", "POST", b"{}", Content_Type="application/json").status == 421


@pytest.mark.parametrize(
    "host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST", "[::1]:{port}", "localhost:8000"]
)
def test_our_own_names_are_heard_also_through_a_tunnel(client: Client, host: str) -> None:
    client.host = host.format(port=client.port)
    assert client.ask("").status == 200


def test_two_hosts_or_none_are_refused(client: Client) -> None:
    for hosts in ("", f"Host: {client.host}\r\nHost: {client.host}\r\n"):
        with socket.create_connection(("127.0.0.1", client.port), timeout=60) as connection:
            connection.sendall(f"GET /{client.token}/ HTTP/1.1\r\n{hosts}\r\n".encode())
            assert b" 421 " in connection.recv(100)


def test_the_page_may_run_and_load_its_own_alone(client: Client) -> None:
    page = client.ask("")
    policy = page.body.partition(b'Content-Security-Policy" content="')[2].partition(b'"')[0].decode()
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "'unsafe" not in policy
    assert "file:" not in policy
    assert page.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in page.headers
    assert client.token.encode() not in page.body
    assert client.ask("find").headers["content-security-policy"].startswith("default-src 'none'")


def test_head_is_get_without_the_body(client: Client, out: Path) -> None:
    for path in ("", "find", f"film/{ids(out)[0]}", f"still/{ids(out)[0]}", "nothing"):
        full, head = client.ask(path), client.ask(path, "HEAD")
        assert (head.status, head.body) == (full.status, b"")
        assert head.headers["content-length"] == full.headers["content-length"] == str(len(full.body))
        assert head.headers["content-type"] == full.headers["content-type"]


def test_a_film_comes_whole_and_by_ranges(client: Client, out: Path, film: Path) -> None:
    data, place = film.read_bytes(), f"film/{ids(out)[1]}"
    whole = client.ask(place)
    assert (whole.status, whole.body) == (200, data)
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["accept-ranges"] == "bytes"
    size = len(data)
    for asked, span in (
        ("bytes=0-", (0, size)),
        ("bytes=10-19", (10, 20)),
        ("bytes=100-", (100, size)),
        ("bytes=-7", (size - 7, size)),
        (f"bytes=0-{size + 99}", (0, size)),
        (f"bytes={size - 1}-{size - 1}", (size - 1, size)),
        (f"bytes=-{size + 5}", (0, size)),
    ):
        part = client.ask(place, Range=asked)
        assert part.status == 206, asked
        assert part.body == data[slice(*span)], asked
        assert part.headers["content-range"] == f"bytes {span[0]}-{span[1] - 1}/{size}"
    for asked in (f"bytes={size}-", f"bytes={size + 1}-{size + 9}", "bytes=-0"):
        nothing = client.ask(place, Range=asked)
        assert nothing.status == 416, asked
        assert nothing.headers["content-range"] == f"bytes */{size}"
    for asked in ("bytes=0-1,5-6", "bytes=9-3", "lines=1-2", "bytes=", "bytes=-", "bytes=a-b"):
        assert client.ask(place, Range=asked).body == data, asked
    tag = whole.headers["etag"]
    assert client.ask(place, Range="bytes=1-2", If_Range=tag).body == data[1:3]
    assert client.ask(place, Range="bytes=1-2", If_Range='"other"').body == data


def test_ranges_of_an_empty_film() -> None:
    assert asked_span("bytes=0-", 0) is None
    assert asked_span("bytes=-5", 0) is None
    assert asked_span(None, 0) == (range(0), False)


@pytest.mark.parametrize("name", ["page.html", "a.svg", "a.js", "a.xhtml", "a", "a.pdf", "A.HTM"])
def test_no_film_is_of_a_type_that_a_browser_runs(name: str) -> None:
    assert media_type(f"/x/{name}") == "video/mp4"


def test_only_what_the_manifest_names_by_id_can_be_had(client: Client, out: Path, film: Path) -> None:
    secret = out.parent / "secret.mp4"
    secret.write_bytes(b"secret")
    places = [
        *(
            "../secret.mp4",
            "..%2Fsecret.mp4",
            "%2e%2e/secret.mp4",
            os.fspath(secret),
            quote(os.fspath(secret), safe=""),
        ),
        *(os.fspath(film), quote(os.fspath(film), safe=""), "film/../../secret.mp4", "", "None", "%00", "x" * 5000),
    ]
    for place in places:
        for kind in ("film/", "still/", ""):
            if kind + place == "":
                continue
            answer = client.ask(f"{kind}{place.replace(' ', '%20')}")
            assert answer.status == 404, (kind, place)
            assert b"secret" not in answer.body


def test_what_the_manifest_names_beside_regular_files_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    names = (Path("/dev/zero"), tmp_path / "pipe.mp4", tmp_path / "gone.mp4", tmp_path)
    manifest(tmp_path / "out", 4, names)
    with served(tmp_path / "out") as address:
        client = Client(address)
        for clip_id in ids(tmp_path / "out"):
            assert client.ask(f"film/{clip_id}").status == 404
        block = client.ask("find").json()["clips"]
        assert block["films"] == [False] * 4


def of_source(out: Path, uri: str) -> str:
    """A manifest of one clip of a source; the clip's id."""
    made = manifest(out, 1, (Path("x"),))
    clips = made.clips()
    place = clips.schema.get_field_index("source_uri")
    made.replace_clips(clips.set_column(place, clips.schema.field(place), pa.array([uri])), {})
    return ids(out)[0]


def test_a_strangers_manifest_leads_nowhere_else_unless_the_user_says_so(tmp_path: Path, film: Path) -> None:
    clip_id = of_source(tmp_path / "out", "https://host.example/films/a.mp4")
    with served(tmp_path / "out") as address:
        answer = Client(address).ask(f"film/{clip_id}")
        assert answer.status == 403
        assert b"elsewhere than" in answer.body
        assert Client(address).ask("find").json()["clips"]["films"] == [False]
    shutil.copy(film, tmp_path / "a.mp4")
    with served(tmp_path / "out", roots=[f"https://host.example/films={tmp_path}"]) as address:
        assert Client(address).ask(f"film/{clip_id}").body == film.read_bytes()


def test_films_of_a_bucket_come_by_ranges_too(tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = film.read_bytes()
    with moto_server() as endpoint:
        use_server(monkeypatch, endpoint)
        uri = f"{make_bucket('films')}/a film?.mp4"
        storage.write_atomic(uri, data)
        place = f"film/{of_source(tmp_path / 'out', uri)}"
        with served(tmp_path / "out") as address:
            client = Client(address)
            assert client.ask(place).body == data
            part = client.ask(place, Range="bytes=1000-1999")
            assert (part.status, part.body) == (206, data[1000:2000])
            assert client.ask("find").json()["clips"]["films"] == [True]
            storage.delete(uri)
            assert client.ask(place).status in (404, 502)


def test_a_picture_of_a_clip_is_there_or_not(client: Client, out: Path) -> None:
    with_one, without, *_ = ids(out)
    found = client.ask(f"still/{with_one}")
    assert (found.status, found.headers["content-type"], found.body[:2]) == (200, "image/jpeg", b"\xff\xd8")
    assert client.ask(f"still/{without}").status == 204
    assert client.ask("still/nobody").status == 404


def test_what_is_said_is_in_the_table_soon_and_survives(client: Client, out: Path) -> None:
    clip_id = ids(out)[2]
    answer = client.say(clips=[clip_id], verdict="drop", tags=["dull"], note="<script>")
    assert answer.json()["totals"]["drop"] == 1
    assert list((out / "verdicts").glob("*.json")) or "verdict" in pd.read_parquet(out / "clips")
    waited_for(lambda: "verdict" in pd.read_parquet(out / "clips"))
    row = pd.read_parquet(out / "clips").set_index("clip_id").loc[clip_id]
    assert (row["verdict"], list(row["tags"]), row["note"], row["status"]) == ("drop", ["dull"], "<script>", "rejected")
    assert row["reasons"][0] == "verdict:drop"
    assert client.ask("find?status=drop").json()["clips"]["id"] == [clip_id]
    assert client.ask("find?q=dull").json()["clips"]["id"] == [clip_id]
    assert client.ask("").body.count(b"verdict:drop") >= 1
    assert client.say(clips=[clip_id], verdict=None, tags=[], note="").json()["totals"]["said"] == 0


def waited_for(holds, seconds: float = 60) -> None:
    event = threading.Event()
    for _ in range(int(seconds / 0.1)):
        if holds():
            return
        event.wait(0.1)
    assert holds()


def test_where_another_run_has_the_manifest_what_is_said_waits_for_it(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.serve.landing.AGAIN_SECONDS", 0.5)
    landed: list[subprocess.CompletedProcess[bytes]] = []
    run = subprocess.run

    def noted(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        done = run(command, **options)
        landed.extend([done] if os.fspath(out) in command else [])
        return done

    monkeypatch.setattr("pipelines.serve.landing.subprocess.run", noted)
    with served(out) as address:
        with exclusive(os.fspath(out)):
            assert Client(address).say(clips=ids(out)[:1], verdict="drop").status == 200
            waited_for(lambda: landed)
            assert landed[0].returncode == 1
            assert "verdict" not in pd.read_parquet(out / "clips")
        waited_for(lambda: landed[-1].returncode == 0)
    assert pd.read_parquet(out / "clips")["verdict"][0] == "drop"


def test_what_cannot_be_said_is_refused_and_not_kept(client: Client, out: Path) -> None:
    body = json.dumps({"clips": [ids(out)[0]], "verdict": "drop"}).encode()
    plain = client.ask("say", "POST", body, Content_Type="text/plain")
    assert plain.status == 415
    foreign = client.ask("say", "POST", body, Content_Type="application/json", Origin="http://evil.example")
    assert foreign.status == 403
    assert client.ask("say", "POST", body, Content_Type="application/json", Origin="null").status == 403
    assert client.ask("say").status == 404
    assert client.ask("find", "POST", body, Content_Type="application/json").status == 404
    assert client.ask("say", "PUT", body).status == 501
    for said, told in (
        (b"[", b"Expecting"),
        (b"[" * 100_000, b""),
        (json.dumps({"clips": ["nobody"], "verdict": "drop"}).encode(), b"no such clip"),
        (json.dumps({"clips": [ids(out)[0]], "verdict": "maybe"}).encode(), b"'keep', 'drop' or null"),
    ):
        answer = client.ask("say", "POST", said, Content_Type="application/json")
        assert answer.status == 400
        assert told in answer.body
    assert client.ask("say", "POST", Content_Type="application/json", Content_Length=str((1 << 20) + 1)).status == 413
    own = client.ask("say", "POST", body, Content_Type="application/json", Origin=f"http://{client.host}")
    assert own.status == 200
    assert len(list((out / "verdicts").glob("*.json"))) <= 1


@pytest.mark.parametrize(
    "query",
    [
        "find?bound=motion",
        "find?bound=motion~x~",
        "find?bound=motion~nan~",
        "find?where=motion~1e999~",
        "find?status=odd",
        "find?from=-1",
        "find?from=1e3",
        "find?count=100000",
        "judge?end=2",
        "percentile?column=motion&share=x",
        "percentile?column=nothing&share=1",
        "find?" + "a=1&" * 600,
    ],
)
def test_what_is_no_question_is_refused_with_a_sentence(client: Client, query: str) -> None:
    answer = client.ask(query)
    assert answer.status == 400
    assert len(answer.body) > 10


def test_tables_that_others_change_are_read_again(client: Client, out: Path) -> None:
    assert b'"min":0.1' in client.ask("").body
    decide(os.fspath(out), recipe=None, assignments=["rules.motion.min=0.25"])
    assert b'"min":0.25' in client.ask("").body
    kept = (pd.read_parquet(out / "clips")["status"] == "kept").sum()
    assert client.ask("find?status=kept").json()["total"] == kept


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"host": "0.0.0.0"}, "every address of this machine"),
        ({"host": "::"}, "every address of this machine"),
        ({"host": "192.0.2.1"}, "192.0.2.1:0 cannot be listened at"),
        ({"port": 70_000}, "expected 0, for any that is free, to 65535"),
    ],
)
def test_addresses_that_cannot_be_kept_to_are_refused(out: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told), served(out, **options):
        pass


def test_two_pages_of_finds_are_one_list(tmp_path: Path) -> None:
    manifest(tmp_path / "out", 300)
    with served(tmp_path / "out") as address:
        client = Client(address)
        pages = [client.ask(f"find?from={start}&count=100").json() for start in range(0, 400, 100)]
    found = [clip_id for page in pages for clip_id in page["clips"]["id"]]
    assert found == sorted(ids(tmp_path / "out"))
    assert {page["total"] for page in pages} == {300}
    assert np.isclose(pages[0]["seconds"], pd.read_parquet(tmp_path / "out" / "clips").duration_seconds.sum())
