"""A manifest of a stranger decides nothing that is opened or sent elsewhere; what the command line says does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("openai")

from captioners.openai_chat import OpenAIChatCaptioner
from filters.aesthetic import AestheticScorer
from filters.alignment import AlignmentScorer
from filters.embedding import EmbeddingColumnScorer
from filters.text_area_easyocr import EasyOcrTextAreaScorer
from filters.towers.tower import CLIP
from pipelines.__main__ import main
from pipelines.curate import curate
from pipelines.recipe import recipes
from pipelines.recipe.plugins import captioner_named, scorer_named, with_captioner, with_scorer
from pipelines.recipe.recorded import run_of
from preprocess.io.nodes import leaves
from preprocess.io.places import refuse_elsewhere
from preprocess.io.settings import override
from preprocess.manifest import Manifest
from tests import videos
from tests.answering_server import AnsweringServer
from tests.canary import Canary

SET = ["--set", "rules.short_side.min=none", "--set", "rules.text_area.max=none"]
PLAIN = override(recipes.default(), SET[1::2])
Run = dict[str, Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    (folder / "films").mkdir()
    videos.shots_video(folder / "films" / "a.mp4", seconds=(4, 5), openings=("cut",) * 2)
    curate(os.fspath(folder / "films"), os.fspath(folder / "out"), PLAIN, engine="in-process")
    return folder


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "out", tmp_path / "out"))


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Canary]:
    """It is every proxy and every hub, too, so that whatever asks the network asks it."""
    with Canary() as bird:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HF_ENDPOINT", "AWS_ENDPOINT_URL"):
            monkeypatch.setenv(name, bird.url)
            monkeypatch.setenv(name.upper(), bird.url)
        for name in ("no_proxy", "NO_PROXY", "CLIPMILL_MODELS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-the-user")
        constants = pytest.importorskip("huggingface_hub.constants")
        monkeypatch.setattr(constants, "ENDPOINT", bird.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield bird


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[int, str]]]:
    """Runs a command line in this process; gives its status and what it said."""
    before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]

    def run(*arguments: str) -> tuple[int, str]:
        capfd.readouterr()
        engine = ("--engine", "in-process") if arguments[0] in ("filter", "caption", "curate") else ()
        status = main([*arguments, *engine])
        return status, capfd.readouterr().err

    yield run
    for number, handler in before:
        signal.signal(number, handler)


_opened: list[str] | None = None


def _remember(event: str, arguments: tuple[Any, ...]) -> None:
    if _opened is not None and event == "open":
        _opened.append(str(arguments[0]))


sys.addaudithook(_remember)


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Files that Python opens meanwhile."""
    global _opened
    _opened = []
    yield _opened
    _opened = None


def rewrite_run(out: Path, change: Callable[[Run], Run]) -> None:
    path = out / "run.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def hostile_config(canary: Canary, secret: Path) -> Any:
    """Every setting that could lead outside leads to the canary, or to the user's file."""
    config = with_captioner(PLAIN, OpenAIChatCaptioner)
    for kind in (AestheticScorer, AlignmentScorer, EmbeddingColumnScorer, EasyOcrTextAreaScorer):
        config = with_scorer(config, kind)
    assert config.towers == (CLIP,)
    return override(
        config,
        [
            f"captioner.base_url={canary.url}/v1",
            "captioner.key_variable=AWS_SECRET_ACCESS_KEY",
            f"captioner.prompt={secret}",
            f"captioner.short_prompt={secret}",
            "captioner.model=theirs",
            "captioner.rewrite_model=theirs",
            f"captioner.rewrite_prompt={secret}",
            "captioner.sound_model=theirs",
            f"captioner.sound_prompt={secret}",
            "towers.clip.weights=stranger/tower",
            "scorers.aesthetic.head=stranger/head:head.pth",
            "scorers.text_area_easyocr.weights=stranger/ocr",
        ],
    )


def test_every_setting_that_names_something_outside_is_marked() -> None:
    """A text among the settings of a filter or captioner is one of a few words, or it is marked."""
    words = {"name", "tower", "fit", "resample", "languages", "key", "short_key", "sound_key"}
    for name in ("openai_chat", "transformers_vlm", "vllm", "sidecar", "attributes"):
        config = with_captioner(recipes.easyanimate_pretrain(), captioner_named(name))
        for scorer in ("aesthetic", "aesthetic_v2_5", "alignment", "embedding", "text_area_easyocr", "consistency"):
            config = with_scorer(config, scorer_named(scorer))
        for key, node in leaves(config):
            field = key.rpartition(".")[2]
            is_text = isinstance(node.value, str) or field in ("rewrite_model", "sound_model", "key_file")
            if is_text and key.startswith(("captioner.", "scorers.", "towers.")) and field not in words:
                assert node.metadata.get("outside"), key


def test_a_hostile_run_json_sends_nothing_and_opens_nothing(
    out: Path, made: Path, tmp_path: Path, canary: Canary, command: Any, opened: list[str]
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the user's own")
    added = ["aesthetic", "alignment", "embedding", "text_area_easyocr"]
    rewrite_run(out, lambda run: run | run_of(hostile_config(canary, secret)) | {"added": added})
    opened.clear()
    refused = "run.json alone says"
    for arguments in (
        ("caption", str(out)),
        ("caption", str(out), "--captioner", "openai_chat"),
        ("caption", str(out), "--captioner", "attributes"),  # its follower, alignment, reads the tower
        ("filter", "aesthetic", str(out)),
        ("filter", "embedding", str(out)),
        ("filter", "consistency", str(out)),
        ("filter", "text_area_easyocr", str(out)),
        ("curate", str(made / "films"), str(out), *SET),
    ):
        status, said = command(*arguments)
        assert (status, refused in said) == (1, True), (arguments, said)
    for arguments in (
        ("filter", "brightness", str(out)),
        ("decide", str(out)),
        ("report", str(out)),
        ("status", str(out)),
    ):
        assert command(*arguments)[0] == 0
    assert canary.heard == []
    assert os.fspath(secret) not in opened


def test_what_the_command_line_says_is_asked_and_opened(
    out: Path, tmp_path: Path, canary: Canary, command: Any, opened: list[str]
) -> None:
    """So the bird does sing."""
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("What is it?")
    asking = ["--set", f"captioner.base_url={canary.url}/v1", "--set", f"captioner.prompt={prompt}"]
    opened.clear()
    for arguments in (
        ("caption", str(out), "--captioner", "openai_chat", *asking),
        ("filter", "embedding", str(out), "--set", "towers.clip.weights=stranger/tower"),
    ):
        heard = len(canary.heard)
        assert command(*arguments)[0] == 1
        assert len(canary.heard) > heard
    assert os.fspath(prompt) in opened


def test_ones_own_manifest_goes_on_with_what_the_refusal_says(out: Path, made: Path, command: Any) -> None:
    with AnsweringServer() as server:
        first = ["--set", f"captioner.base_url={server.url}", "--set", "captioner.num_frames=1"]
        assert command("caption", str(out), "--captioner", "openai_chat", *first)[0] == 0
        status, said = command("caption", str(out))
        assert status == 1
        assert f"add: --captioner openai_chat --set captioner.base_url={server.url}" in said
        asked = len(server.requests)
        assert command("caption", str(out), "--captioner", "openai_chat", *first[:2])[0] == 0
        curated = ["curate", str(made / "films"), str(out), *SET, "--captioner", "openai_chat", *first]
        assert command(*curated)[0] == 0
        assert len(server.requests) == asked


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("{url}/a.mp4", "http://127.0.0.1"),
        ("s3://bucket/a.mp4?endpoint_override=127.0.0.1:{port}&scheme=http", "s3://bucket"),
        ("ftp://127.0.0.1:{port}/a.mp4", "ftp://127.0.0.1"),
        ("hdfs://127.0.0.1:{port}/a.mp4", "hdfs://127.0.0.1"),
    ],
)
@pytest.mark.parametrize("captioner", ["attributes", "sidecar"])
def test_sources_elsewhere_are_not_opened(
    out: Path, canary: Canary, command: Any, uri: str, place: str, captioner: str
) -> None:
    rename_source(out, uri.format(url=canary.url, port=canary.port), captioner)
    rewrite_run(out, lambda run: run | run_of(with_captioner(PLAIN, captioner_named(captioner))))
    commands = [("filter", "brightness", str(out)), ("caption", str(out), "--captioner", captioner)]
    commands += [("decide", str(out))] if captioner == "sidecar" else []
    for arguments in commands:
        status, said = command(*arguments)
        assert (status, f"--source {place}" in said) == (1, True), said
    assert command("report", str(out))[0] == 0
    assert canary.heard == []


def test_a_move_that_the_command_line_says_opens_files_there_alone(
    out: Path, made: Path, canary: Canary, command: Any
) -> None:
    rename_source(out, f"{canary.url}/a.mp4", "attributes")
    status, said = command("filter", "brightness", str(out), "--root", f"{canary.url}={made}/films")
    assert status == 0, said
    assert canary.heard == []
    rename_source(out, f"{canary.url}/../secret/a.mp4", "attributes")
    assert command("filter", "brightness", str(out), "--root", f"{canary.url}={made}/films")[0] == 1
    assert canary.heard == []


def rename_source(out: Path, uri: str, captioner: str) -> None:
    """All clips are of one file, and their captions to be made again."""
    for table, column in (("sources", "uri"), ("clips", "source_uri")):
        [path] = (out / table).glob("*.parquet")
        rows = pq.read_table(path)
        changed = {column: [uri] * len(rows)} | ({"captioner": [captioner] * len(rows)} if table == "clips" else {})
        changed |= {"caption_outcome": ["error"] * len(rows)} if table == "clips" else {}
        for name, values in changed.items():
            index = rows.schema.get_field_index(name)
            rows = rows.set_column(index, rows.schema.field(name), pa.array(values, pa.string()))
        pq.write_table(rows, path)


def test_places_that_are_named_and_those_at_home_are_open() -> None:
    local = ["/films/a.mp4", "file:///films/b%20.mp4"]
    refuse_elsewhere(local, home="/out")
    refuse_elsewhere(["s3://films/a.mp4", "gs://b/a.mp4"], home="s3://b/out")
    refuse_elsewhere(["https://host/x/a.mp4", *local], home="s3://b/out", named=["https://host/x", "/films/"])
    for uris, home, named in (
        (local, "s3://b/out", []),
        (["https://films/a.mp4"], "/out", []),
        (["abfs://films@account.example/a.mp4"], "s3://b/out", []),
        (["https://films/xy/a.mp4"], "/out", ["https://films/x"]),
        (["/films/../home/a.mp4"], "s3://b/out", ["/films"]),
        (["https://films/x/../other/a.mp4"], "/out", ["https://films/x"]),
        (["s3://b/a.mp4?endpoint_override=evil"], "s3://b/out", ["s3://b"]),
    ):
        with pytest.raises(ValueError, match="--source"):
            refuse_elsewhere(uris, home=home, named=named)


TREE = json.dumps(run_of(recipes.default()))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"a":' * 100_000,
        '{"config": ' + "[" * 900 + "]" * 900 + "}",
        "not JSON",
        '"text"',
        "[]",
        "null",
        '{"recipe": 5}',
        '{"fingerprint": NaN}',
        '{"fingerprint": "\\ud800"}',
        '{"fingerprint": 1' + "0" * 5000 + "}",
        "\xff\xfe",
        " " * (17 << 20) + "{}",
        "{}",
        '{"config": {}}',
        '{"config": {"type": "pipelines.recipe.config:CurateConfig"}}',
        '{"config": 1, "added": "embedding"}',
        TREE.replace('"adaptive"', "7"),
        TREE.replace("300.0", "-1e999"),
        TREE.replace('"default"', "{}"),
        TREE.replace("null", "[]"),
        TREE.replace('"filters.rules:Range"', '"filters.motion:MotionScorer"'),
        json.dumps({"recipe": {"name": ["default"]}, "settings": {"captioner": 3}, "fingerprint": "x"}),
        json.dumps({"recipe": {}, "settings": {}, "added": [[1], {"a": 2}], "fingerprint": "x"}),
    ],
    ids=lambda text: text[:30].replace("/", "") if len(text) < 1 << 16 else f"{len(text)} of {text[:3]!r}",
)
def test_a_run_json_of_any_kind_is_a_sentence(out: Path, made: Path, command: Any, text: str) -> None:
    (out / "run.json").write_bytes(text.encode("latin-1"))
    for arguments in (
        ("decide", str(out)),
        ("filter", "brightness", str(out)),
        ("caption", str(out)),
        ("curate", str(made / "films"), str(out), *SET),
    ):
        status, said = command(*arguments)
        assert status == 1
        assert 0 < len(said) < 3000
    for arguments in (("report", str(out)), ("status", str(out))):
        assert command(*arguments)[0] in (0, 1)
    place = Manifest(os.fspath(out))._next_run  # what a killed command is thought to have left
    Path(place).write_bytes((out / "run.json").read_bytes())
    shutil.copy(made / "out" / "run.json", out)
    assert command("decide", str(out))[0] in (0, 1)
    assert len(pd.read_parquet(out / "clips")) == 2
