"""What becomes of captions that are there when another captioner is asked and gives none: nothing is thrown away."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("openai")

from pipelines.caption import run_caption
from pipelines.curate import curate
from pipelines.recipe import recipes
from pipelines.recipe.plugins import captioner_named, with_captioner
from preprocess.io.settings import override
from tests import videos
from tests.answering_server import AnsweringServer, Reply, completion, describe, error

SMALL = ["rules.short_side.min=none", "rules.text_area.max=none"]
NUM_CLIPS = 6
LATE = completion("too late", seconds=3600)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bucket")
    for name in ("a", "b", "c"):
        videos.shots_video(folder / f"{name}.mp4", seconds=(4, 4.5 + ord(name) % 3), openings=("cut",) * 2)
    return folder


@pytest.fixture(scope="module")
def made(bucket: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made")
    curate(os.fspath(bucket), os.fspath(out), override(recipes.default(), SMALL), engine="in-process")
    return out


@pytest.fixture
def manifest(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "out"))


def caption(out: Path, server: AnsweringServer, *more: str) -> None:
    run_caption(os.fspath(out), captioner="openai_chat", assignments=settings(server, *more), engine="in-process")


def settings(server: AnsweringServer, *more: str) -> list[str]:
    fields = [f"base_url={server.url}", "short_prompt=none", "num_frames=1", "concurrency=1", *more]
    return [f"captioner.{field}" for field in fields]


def table(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "clips").set_index("clip_id")


@pytest.mark.parametrize(
    ("reply", "outcome", "words"),
    [
        (error(400, "no pictures, please"), "error", "HTTP 400: no pictures, please"),
        pytest.param(
            error(400, "against our policy", code="content_filter"),
            "refused",
            "HTTP 400: against our policy",
            marks=pytest.mark.attack,
        ),
        (completion("I'm sorry, but I can't help with that."), "refused", "I'm sorry, but I can't help with that."),
        pytest.param(completion("A man", "content_filter"), "refused", "", marks=pytest.mark.attack),
        pytest.param(completion("  "), "empty", "", marks=pytest.mark.attack),
        pytest.param(Reply(body=b"<html>"), "error", "no chat completion", marks=pytest.mark.attack),
        (LATE, "error", "no answer within"),
    ],
    ids=["400", "filtered", "refusal", "withheld", "empty", "html", "late"],
)
def test_a_server_that_describes_nothing_takes_no_caption_away(
    manifest: Path, reply: Reply, outcome: str, words: str
) -> None:
    before = table(manifest)
    impatient = ["attempts=1", *(["timeout_seconds=0.1"] if reply is LATE else [])]
    with AnsweringServer(answer=lambda _: reply) as server:
        with pytest.raises(ValueError, match=f"{NUM_CLIPS} {outcome}; {NUM_CLIPS} keep the caption.*{words}"):
            caption(manifest, server, *impatient)
        after = table(manifest)
        same = [name for name in before if name != "caption_issues"]
        pd.testing.assert_frame_equal(after[same], before[same])
        issues = after["caption_issues"].explode()
        assert issues.str.startswith("not_replaced: openai_chat detailed_v1@").all()
        assert issues.str.contains(f": {outcome}", regex=False).all()
        asked = len(server.requests)
        server.answer = describe
        caption(manifest, server, "timeout_seconds=120")  # the recipe still has the impatience of before
        # what could not be asked is asked again, and what was refused is an answer
        assert len(server.requests) - asked == (NUM_CLIPS if outcome == "error" else 0)
        assert set(table(manifest)["captioner"]) == {"openai_chat" if outcome == "error" else "attributes"}


def test_outcomes_are_counted_and_only_errors_are_asked_again(manifest: Path, caplog: pytest.LogCaptureFixture) -> None:
    script = [completion("A dog runs."), error(400, "too large"), completion("Sorry, I cannot describe this content.")]
    with AnsweringServer(script) as server, caplog.at_level(logging.INFO, "clipmill"):
        caption(manifest, server)
        assert "asked about 6 clips: 4 ok, 1 refused, 1 error; 2 keep the caption that they had" in caplog.text
        first = table(manifest)
        assert Counter(first["captioner"]) == {"openai_chat": 4, "attributes": 2}
        assert set(first["caption_outcome"]) == {"ok"}
        caption(manifest, server)
    assert len(server.requests) == NUM_CLIPS + 1
    assert Counter(table(manifest)["captioner"]) == {"openai_chat": 5, "attributes": 1}


def test_another_model_replaces_captions_by_captions_only(manifest: Path) -> None:
    with AnsweringServer() as server:
        caption(manifest, server)
        first = table(manifest)
        server.script = [completion("A cat sits.")]
        server.answer = lambda _: error(400, "out of order")
        caption(manifest, server, "model=other")
        second = table(manifest)
        changed = second["caption"] != first["caption"]
        assert second["caption"][changed].tolist() == ["A cat sits."]
        server.answer = describe
        asked = len(server.requests)
        caption(manifest, server, "model=other")
    assert len(server.requests) - asked == NUM_CLIPS - 1
    assert not table(manifest)["caption_issues"].explode().notna().any()


def test_failures_in_a_row_stop_the_run_and_what_was_described_is_kept(manifest: Path) -> None:
    before = table(manifest)
    with AnsweringServer([completion(f"Dog {n} runs.") for n in range(3)], lambda _: error(400, "closed")) as server:
        with pytest.raises(ValueError, match=r"2 clips in a row.*outcome error.*HTTP 400: closed"):
            caption(manifest, server, "failures_in_a_row=2")
        assert len(server.requests) == 5
        pd.testing.assert_frame_equal(table(manifest), before)
        server.answer = describe
        caption(manifest, server, "failures_in_a_row=2")
    assert len(server.requests) == 5 + NUM_CLIPS - 3
    after = table(manifest)["caption"]
    assert after.str.match(r"Dog \d runs\.").sum() == 3
    assert not list((manifest / "columns").iterdir())


def test_failures_in_a_row_stop_curate_and_nothing_is_asked_twice(bucket: Path, tmp_path: Path) -> None:
    with AnsweringServer([completion("A dog runs.")], lambda _: error(400, "closed")) as server:
        assignments = [*SMALL, *settings(server, "failures_in_a_row=2")]
        config = override(with_captioner(recipes.default(), captioner_named("openai_chat")), assignments)
        with pytest.raises(ValueError, match="2 clips in a row"):
            curate(os.fspath(bucket), os.fspath(tmp_path), config, engine="in-process")
        assert len(server.requests) == 3
        server.answer = describe
        curate(os.fspath(bucket), os.fspath(tmp_path), config, engine="in-process")
        assert len(server.requests) == 3 + NUM_CLIPS - 2
        caption(tmp_path, server)  # for the one that was settled as an error before
    assert len(server.requests) == 3 + NUM_CLIPS - 1
    captions = table(tmp_path)["caption"]
    assert (captions == "A dog runs.").sum() == 1
    assert captions.notna().all()


def test_a_caption_beside_the_video_that_is_gone_stays(bucket: Path, tmp_path: Path) -> None:
    films = Path(shutil.copytree(bucket, tmp_path / "films"))
    for film in list(films.iterdir()):
        film.with_suffix(".json").write_text(json.dumps({"caption": f"Film {film.stem}."}))
    config = override(with_captioner(recipes.default(), captioner_named("sidecar")), SMALL)
    curate(os.fspath(films), os.fspath(tmp_path / "out"), config, engine="in-process")
    (films / "a.json").unlink()
    run_caption(
        os.fspath(tmp_path / "out"), captioner="sidecar", assignments=["captioner.key=caption"], engine="in-process"
    )
    assert set(table(tmp_path / "out")["caption"]) == {"Film a.", "Film b.", "Film c."}
