"""Words by hand: `keep` beats rules, `drop` beats all, and neither is lost or decided against by a later command."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from benchmarks.kills.placed import ANYWHERE, Steps
from filters.rules import Range
from pipelines.__main__ import main
from pipelines.clips.decisions import reasons_against
from pipelines.decide import decide, take_in_verdicts, undo
from pipelines.dedup.settle import with_columns
from pipelines.forget import forget
from pipelines.recipe import recipes
from pipelines.recipe.recorded import run_of
from pipelines.verdicts import FOLDER, VERDICT_COLUMNS, Waiting, Word, store
from pipelines.where import Where
from preprocess.io.hold import exclusive
from preprocess.manifest import Manifest
from preprocess.schema import SOURCE_SCHEMA, clip_schema
from tests.victims import ended

CONFIG = replace(recipes.default(), rules=(Range(column="motion", min=1.0),))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Six clips of two sources: motion 0 to 5, the third one damaged."""
    count = 6
    values = {
        "clip_id": [f"{number:032x}" for number in range(count)],
        "source_id": [f"{number // 3:032x}" for number in range(count)],
        "source_uri": [f"/nowhere/{number // 3}.mp4" for number in range(count)],
        "kind": ["video"] * count,
        "duration_seconds": np.full(count, 4.0),
        "start_seconds": np.arange(count) % 3 * 4.0,
        "end_seconds": np.arange(count) % 3 * 4.0 + 4,
        "motion": np.arange(count, dtype=float),
        "damaged": [number == 2 for number in range(count)],
    }
    schema = clip_schema(CONFIG.columns)
    arrays = [pa.array(values[f.name], f.type) if f.name in values else pa.nulls(count, f.type) for f in schema]
    made = Manifest(os.fspath(tmp_path / "out"))
    made.replace_clips(pa.Table.from_arrays(arrays, schema=schema), {})
    uris = ["/nowhere/0.mp4", "/nowhere/1.mp4"]
    told = {"uri": uris, "source_id": [f"{number:032x}" for number in range(2)], "status": ["ok", "ok"]}
    rows = [dict.fromkeys(SOURCE_SCHEMA.names) | {name: told[name][n] for name in told} for n in range(2)]
    made.replace_sources([row | {"size_bytes": 1, "modified_ns": 1} for row in rows], {})
    made.write_run(run_of(CONFIG))
    decide(made.location, recipe=None, assignments=[])
    return tmp_path / "out"


def say(out: Path, *numbers: int, **values: object) -> None:
    store(os.fspath(out), Word.of({"clips": [f"{number:032x}" for number in numbers], **values}))


def table(out: Path) -> pd.DataFrame:
    clips = pd.read_parquet(out / "clips").astype(object)
    return clips.where(clips.notna(), None)


def kept(out: Path) -> list[int]:
    return [int(clip_id, 16) for clip_id in table(out).query("status == 'kept'")["clip_id"]]


def reasons(out: Path, number: int) -> list[str]:
    return list(table(out)["reasons"][number])


def test_a_word_by_hand_lands_in_the_table_and_beats_the_rules(out: Path) -> None:
    assert kept(out) == [1, 3, 4, 5]
    say(out, 0, verdict="keep", tags=["sea", "night"], note=" the best one ")
    say(out, 4, verdict="drop")
    assert take_in_verdicts(os.fspath(out))
    assert kept(out) == [0, 1, 3, 5]
    assert reasons(out, 4) == ["verdict:drop"]
    assert table(out)["verdict"].tolist() == ["keep", None, None, None, "drop", None]
    assert list(table(out)["tags"][0]) == ["sea", "night"]
    assert table(out)["note"][0] == "the best one"
    assert table(out)["caption"][0] is not None
    assert list((out / FOLDER).iterdir()) == []
    assert not take_in_verdicts(os.fspath(out))


def test_later_bounds_do_not_move_what_was_said_and_undo_does_not_take_it_back(out: Path) -> None:
    say(out, 0, 3, verdict="keep")
    say(out, 5, verdict="drop")
    decide(os.fspath(out), recipe=None, assignments=["rules.motion.min=4"])
    assert kept(out) == [0, 3, 4]
    assert reasons(out, 5) == ["verdict:drop"]
    undo(os.fspath(out))
    assert kept(out) == [0, 1, 3, 4]
    say(out, 0, 5, verdict=None)
    decide(os.fspath(out), recipe=None, assignments=[])
    assert kept(out) == [1, 3, 4, 5]


def test_what_is_damaged_is_rejected_also_where_somebody_says_keep(out: Path) -> None:
    say(out, 2, verdict="keep")
    take_in_verdicts(os.fspath(out))
    assert reasons(out, 2) == ["damaged"]


def test_the_last_word_counts_and_changes_only_what_it_names(out: Path) -> None:
    say(out, 4, verdict="drop", tags=["dull"], note="no")
    say(out, 4, verdict="keep")
    say(out, 4, note=None)
    take_in_verdicts(os.fspath(out))
    row = table(out).iloc[4]
    assert (row["verdict"], list(row["tags"]), row["note"]) == ("keep", ["dull"], None)
    say(out, 4, tags=[])
    take_in_verdicts(os.fspath(out))
    assert table(out)["tags"][4] is None
    assert table(out)["verdict"][4] == "keep"


def test_a_dry_run_counts_words_that_wait(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(out, 0, verdict="keep")
    say(out, 1, verdict="drop")
    assert main(["decide", os.fspath(out), "--dry-run", "--json", "--set", "rules.motion.min=4"]) == 0
    told = json.loads(capsys.readouterr().out)["kept"]["after"]
    decide(os.fspath(out), recipe=None, assignments=["rules.motion.min=4"])
    assert told == {"clips": 3, "seconds": 12.0}
    assert kept(out) == [0, 4, 5]


def test_others_may_hold_the_manifest_while_something_is_said(out: Path) -> None:
    with exclusive(os.fspath(out)):
        say(out, 0, verdict="keep")
        with pytest.raises(ValueError, match="in use by another run"):
            take_in_verdicts(os.fspath(out))
    assert take_in_verdicts(os.fspath(out))
    assert 0 in kept(out)


def test_a_clip_kept_by_hand_is_no_duplicate_and_stays_in_the_stead_of_its_group(out: Path) -> None:
    manifest = Manifest(os.fspath(out))
    clips = with_columns(manifest.clips())
    place = clips.schema.get_field_index("duplicate_group")
    groups = pa.array([None, None, None, "a", "a", "a"], pa.string())
    manifest.replace_clips(clips.set_column(place, clips.schema.field(place), groups), {})
    decide(os.fspath(out), recipe=None, assignments=[])
    (elected,) = set(kept(out)) - {1}
    other = next(number for number in (3, 4, 5) if number != elected)
    say(out, other, verdict="keep")
    take_in_verdicts(os.fspath(out))
    assert kept(out) == [1, other]
    say(out, elected, verdict="keep")
    take_in_verdicts(os.fspath(out))
    assert set(kept(out)) == {1, other, elected}


def test_a_takedown_takes_what_was_said_too(out: Path) -> None:
    say(out, 0, note="secret")
    take_in_verdicts(os.fspath(out))
    say(out, 1, 4, note="more of it")
    forget(os.fspath(out), "/nowhere/0.mp4", say=lambda line: None)
    assert [list(waiting) for waiting in (Waiting.at(os.fspath(out)).values,)] == [[f"{4:032x}"]]
    take_in_verdicts(os.fspath(out))
    assert table(out)["note"].tolist() == [None, "more of it", None]


def test_show_diff_validate_and_conditions_know_of_it(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = out.parent / "before"
    say(out, 0, verdict="keep")
    main(["validate", os.fspath(out)])
    assert "1 words by hand are not in the table yet" in capsys.readouterr().out
    shutil.copytree(out, before)
    say(out, 0, verdict="keep", tags=["sea"], note="look\x1b[2J")
    take_in_verdicts(os.fspath(out))
    capsys.readouterr()
    assert main(["show", os.fspath(out), f"{0:032x}"]) == 0
    told = capsys.readouterr().out
    assert "by hand\n  verdict: keep\n  tags: sea\n  note: look\\x1b[2J\n" in told
    assert main(["diff", os.fspath(before), os.fspath(out)]) == 0
    assert "verdict nothing -> keep" in capsys.readouterr().out
    main(["validate", os.fspath(out)])
    assert "reasons" not in capsys.readouterr().out
    clips = Manifest(os.fspath(out)).clips()
    assert Where("verdict == 'keep' and 'sea' in tags").holds(clips).tolist() == [True] + [False] * 5


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ([], "expected"),
        ({"clips": [], "verdict": "keep"}, "1 to 1000 ids, not 0"),
        ({"clips": ["a"]}, "nothing is said"),
        ({"clips": ["a"], "verdict": "maybe"}, "'keep', 'drop' or null, not 'maybe'"),
        ({"clips": ["a"], "tags": ["x" * 65]}, "1 to 64 characters"),
        ({"clips": ["a"], "note": 7}, "a text of up to 2000"),
        ({"clips": ["a"], "status": "kept"}, "'status' cannot be said"),
    ],
)
def test_what_is_no_word_is_refused_with_what_is_allowed(said: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Word.of(said)


def test_a_column_of_another_making_is_not_written_over(out: Path) -> None:
    manifest = Manifest(os.fspath(out))
    clips = manifest.clips()
    manifest.replace_clips(clips.append_column("note", pa.array([1.5] * clips.num_rows)), {})
    say(out, 0, note="hello")
    with pytest.raises(ValueError, match="'note' is double, and not of our making"):
        take_in_verdicts(os.fspath(out))
    assert table(out)["note"].tolist() == [1.5] * 6


def test_words_of_a_column_that_holds_no_texts_decide_nothing() -> None:
    clips = pa.table({"damaged": [False], "motion": [5.0], "verdict": [3]})
    assert reasons_against(CONFIG, clips).to_pylist() == [[]]


def test_a_kill_at_any_step_loses_no_word_and_keeps_their_order(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.decide.offer_report", lambda _: None)
    say(out, 0, verdict="keep", note="first")
    say(out, 0, verdict="drop")
    say(out, 1, verdict="drop")
    for step in itertools.count(1, 2):
        tried = Path(shutil.copytree(out, out.parent / str(step)))
        code = ended(lambda tried=tried: take_in_verdicts(os.fspath(tried)), Steps(step, ANYWHERE).watch)
        say(tried, 1, verdict="keep")
        take_in_verdicts(os.fspath(tried))
        assert table(tried)["verdict"].tolist() == ["drop", "keep", None, None, None, None]
        assert table(tried)["note"][0] == "first"
        assert kept(tried) == [1, 3, 4, 5]
        assert list((tried / FOLDER).iterdir()) == []
        if code == 0:
            break
    assert step > 8


def test_a_kill_while_something_is_said_leaves_all_of_it_or_nothing(out: Path) -> None:
    for step in itertools.count(1):
        tried = Path(shutil.copytree(out, out.parent / str(step)))
        code = ended(lambda tried=tried: say(tried, 0, verdict="keep"), Steps(step, ANYWHERE).watch)
        decide(os.fspath(tried), recipe=None, assignments=[])
        assert kept(tried) in ([1, 3, 4, 5], [0, 1, 3, 4, 5])
        assert not (tried / FOLDER).exists() or list((tried / FOLDER).iterdir()) == []
        if code == 0:
            break
    assert kept(tried) == [0, 1, 3, 4, 5]
    assert step > 2


def test_the_documentation_lists_its_columns_so() -> None:
    documentation = (Path(__file__).parents[2] / "docs" / "manifest.md").read_text(encoding="utf-8")
    assert "\n".join(f"| `{column.name}` | | {column.meaning} |" for column in VERDICT_COLUMNS) in documentation
