"""`dedup` over tables whose hashes are of synthetic films: what is found, what stays, whatever comes in between."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.kills.placed import Steps
from filters.phash import PhashScorer
from filters.rules import Range
from filters.visual_quality import VisualQualityScorer
from pipelines.__main__ import main
from pipelines.decide import decide, decided
from pipelines.dedup.likeness import ByEmbedding, ByPhash, Likeness
from pipelines.dedup.run import clear, dedup
from pipelines.recipe import recipes
from pipelines.recipe.recorded import run_of
from preprocess.io.tables import write_parts
from preprocess.manifest import Manifest
from preprocess.schema import SOURCE_SCHEMA, clip_schema
from tests.filters.prints.scenes import encoded, hash_of, street, title, walk
from tests.victims import ended

CONFIG = replace(
    recipes.default(),
    scorers=(VisualQualityScorer(), PhashScorer()),
    rules=(Range(column="visual_quality", min=0.25),),
)
Row = dict[str, Any]
WALKS = [hash_of(walk(seed)) for seed in range(3)]
COPIES = [hash_of(encoded(walk(seed))) for seed in range(3)]
MIRRORED = hash_of([frame[:, ::-1].copy() for frame in walk(0)])


def clip(name: str, film: bytes | None, **more: Any) -> Row:
    """A row of a clip of 5 s, 720 pixels high."""
    usual = {"short_side": 720, "visual_quality": 0.8, "duration_seconds": 5.0, "damaged": False, "kind": "video"}
    return {"clip_id": name, "source_id": name, "source_uri": f"/videos/{name}", "phash": film, **usual, **more}


def manifest_of(out: Path, rows: Sequence[Row], columns: Mapping[str, Any] | None = None) -> Path:
    """A manifest of such rows, decided."""
    schema = clip_schema({**CONFIG.columns, **(columns or {})})
    rows = [{"start_seconds": 0.0, "end_seconds": 5.0, **row} for row in rows]
    table = decided(CONFIG, pa.Table.from_pylist(rows, schema=schema), measured=True)
    manifest = Manifest(str(out))
    write_parts(str(out / "clips"), [table], schema)
    manifest.replace_sources(
        [
            dict.fromkeys(SOURCE_SCHEMA.names) | {"uri": row["source_uri"], "source_id": row["source_id"]}
            for row in rows
        ],
        {},
    )
    manifest.write_run(run_of(CONFIG) | {"source": "/videos"})
    return out


def found(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "clips").set_index("clip_id")


def reasons(out: Path) -> dict[str, list[str]]:
    return {name: list(each) for name, each in found(out)["reasons"].items()}


def by(likeness: Likeness, out: Path, against: Path | None = None) -> Path:
    dedup(str(out), likeness, against=None if against is None else str(against))
    return out


ROWS = [
    clip("small", COPIES[0], short_side=240),
    clip("large", WALKS[0]),
    clip("alone", WALKS[1]),
    clip("worse", COPIES[2], visual_quality=0.4),
    clip("better", WALKS[2]),
    clip("short", hash_of(walk(2, seconds=4)), duration_seconds=4.0),
    clip("black", b""),
    clip("unseen", None),
]


def test_the_best_of_each_group_is_kept_and_named(tmp_path: Path) -> None:
    out = by(ByPhash(), manifest_of(tmp_path / "out", ROWS))
    clips = found(out)
    assert clips["duplicate_of"].dropna().to_dict() == {"small": "large", "worse": "better", "short": "better"}
    assert clips[clips["duplicate_group"].notna()].groupby("duplicate_group").size().tolist() in ([2, 3], [3, 2])
    assert (clips["status"] == "rejected").to_dict() == clips["duplicate_of"].notna().to_dict()
    assert reasons(out)["small"] == ["duplicate_of:better_clip"]


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_rows_does_not_matter(tmp_path: Path, seed: int) -> None:
    rows = [ROWS[place] for place in np.random.default_rng(seed).permutation(len(ROWS))]
    first = found(by(ByPhash(), manifest_of(tmp_path / "first", ROWS)))
    second = found(by(ByPhash(), manifest_of(tmp_path / "second", rows)))
    pd.testing.assert_frame_equal(first, second.loc[first.index])


def test_moved_bounds_choose_another_one_of_the_group(tmp_path: Path) -> None:
    rows = [clip("first", WALKS[0], visual_quality=0.6), clip("second", COPIES[0], visual_quality=0.3, short_side=1080)]
    out = by(ByPhash(), manifest_of(tmp_path / "out", rows))
    assert reasons(out) == {"first": ["duplicate_of:better_clip"], "second": []}
    decide(str(out), recipe=None, assignments=["rules.visual_quality.min=0.5"])
    assert reasons(out) == {"first": [], "second": ["visual_quality:below_0.5"]}
    assert found(out)["duplicate_of"].dropna().to_dict() == {"second": "first"}
    decide(str(out), recipe=None, assignments=["rules.visual_quality.min=0.1"])
    assert reasons(out) == {"first": ["duplicate_of:better_clip"], "second": []}


def test_a_group_that_no_clip_of_passes_has_no_other_reason(tmp_path: Path) -> None:
    rows = [clip("one", WALKS[0], visual_quality=0.1), clip("two", COPIES[0], visual_quality=0.2)]
    out = by(ByPhash(), manifest_of(tmp_path / "out", rows))
    assert reasons(out) == {name: ["visual_quality:below_0.25"] for name in ("one", "two")}
    assert found(out)["duplicate_of"].isna().all()
    assert found(out)["duplicate_group"].notna().all()


def test_again_it_changes_nothing_and_cleared_it_leaves_nothing(tmp_path: Path) -> None:
    out = manifest_of(tmp_path / "out", ROWS)
    before = found(out)
    once = found(by(ByPhash(), out))
    pd.testing.assert_frame_equal(once, found(by(ByPhash(), out)))
    clear(str(out))
    pd.testing.assert_frame_equal(before, found(out))


def test_mirrored_copies_are_found_where_that_is_asked_for(tmp_path: Path) -> None:
    rows = [clip("film", WALKS[0]), clip("mirrored", MIRRORED, short_side=480)]
    out = manifest_of(tmp_path / "out", rows)
    assert found(by(ByPhash(), out))["duplicate_of"].isna().all()
    assert found(by(ByPhash(mirrored=True), out))["duplicate_of"].dropna().to_dict() == {"mirrored": "film"}
    assert found(by(ByPhash(), out))["duplicate_of"].isna().all()


def test_look_alikes_stay(tmp_path: Path) -> None:
    films = [street(seed) for seed in range(3)] + [title([word, "OF THE"]) for word in ("NIGHT", "RIVER", "STAR")]
    films += [walk(0), walk(0, start=3)]
    out = manifest_of(tmp_path / "out", [clip(str(number), hash_of(film)) for number, film in enumerate(films)])
    assert found(by(ByPhash(), out))["duplicate_group"].isna().all()


def test_a_copy_of_a_thousand_films_opening_is_found_in_each(tmp_path: Path) -> None:
    rows = [clip(f"{number:04}", COPIES[0], duration_seconds=5 + number / 1000) for number in range(150)]
    rows += [clip("best", WALKS[0], short_side=1080)]
    clips = found(by(ByPhash(), manifest_of(tmp_path / "out", rows)))
    assert (clips["duplicate_of"].drop("best") == "best").all()


def test_another_manifest_is_read_and_its_clips_are_marked(tmp_path: Path) -> None:
    out = manifest_of(tmp_path / "out", ROWS)
    other = manifest_of(tmp_path / "other", [clip("held out", COPIES[1], visual_quality=0.1), clip("new", b"")])
    before = {path: path.read_bytes() for path in other.rglob("*") if path.is_file()}
    by(ByPhash(), out)
    by(ByPhash(), out, other)
    assert {path: path.read_bytes() for path in other.rglob("*") if path.is_file()} == before
    clips = found(out)
    assert clips.loc["alone", ["duplicate_of", "duplicate_in"]].tolist() == ["held out", str(other)]
    assert reasons(out)["alone"] == ["duplicate_of:other_manifest"]
    assert reasons(out)["small"] == ["duplicate_of:better_clip"]
    decide(str(out), recipe=None, assignments=["rules.visual_quality.min=0.5"])
    assert reasons(out)["alone"] == ["duplicate_of:other_manifest"]
    by(ByPhash(), out)
    assert reasons(out)["alone"] == ["duplicate_of:other_manifest"]


def test_marks_against_one_manifest_follow_it_and_leave_those_of_another(tmp_path: Path) -> None:
    out = manifest_of(tmp_path / "out", ROWS)
    one = manifest_of(tmp_path / "one", [clip("a", COPIES[1])])
    two = manifest_of(tmp_path / "two", [clip("b", COPIES[1]), clip("c", COPIES[0])])
    by(ByPhash(), by(ByPhash(), out, one), two)
    assert found(out)["duplicate_of"].dropna().to_dict() == {"alone": "a", "small": "c", "large": "c"}
    manifest_of(two, [clip("d", b"")])
    by(ByPhash(), out, two)
    assert found(out)["duplicate_of"].dropna().to_dict() == {"alone": "a"}


def test_by_embedding(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    vectors = draw.standard_normal((3, 32))
    vectors = np.concatenate([vectors, vectors[:1] + 0.1 * draw.standard_normal(32)])
    rows: list[Any] = [vector.astype(np.float16) for vector in vectors]
    rows += [None, np.zeros(32, np.float16), rows[1][:16]]
    out = manifest_of(
        tmp_path / "out",
        [clip(str(number), None, embedding=vector, short_side=1080 - number) for number, vector in enumerate(rows)],
        {"embedding": list},
    )
    assert found(by(ByEmbedding(), out))["duplicate_of"].dropna().to_dict() == {"3": "0"}
    assert found(by(ByEmbedding(least_cosine=0.9999), out))["duplicate_of"].isna().all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dedup", "{old}"], "`python -m pipelines filter phash OUT` fills it"),
        (["dedup", "{out}", "--against", "{old}"], "no column 'phash'"),
        (["dedup", "{out}", "--against", "{out}"], "which is OUT"),
        (["dedup", "{out}", "--against", "{nothing}"], "no manifest there"),
        (["dedup", "{nothing}"], "no manifest there"),
        (["dedup", "{out}", "--by", "embedding"], "filter embedding OUT"),
        (["dedup", "{out}", "--by", "embedding", "--min-cosine", "2"], "at most 1"),
        (["dedup", "{out}", "--min-cosine", "0.9"], "--by embedding"),
        (["dedup", "{out}", "--mirrored", "--by", "embedding"], "cannot be mirrored"),
        (["dedup", "{strange}"], "which is not what our filter writes"),
        (["dedup", "{group}"], "dedup OUT --clear"),
        (["decide", "{group}"], "dedup OUT --clear"),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    places = {name: manifest_of(tmp_path / name, ROWS) for name in ("out", "old", "strange", "group")}
    places["nothing"] = tmp_path / "nothing"
    table = pq.read_table(tmp_path / "out" / "clips")
    write_parts(str(places["old"] / "clips"), [table.drop_columns(["phash"])], table.drop_columns(["phash"]).schema)
    for name, column in (("strange", "phash"), ("group", "duplicate_group")):
        spoilt = table.drop_columns(["phash"] if column == "phash" else [])
        spoilt = spoilt.append_column(column, pa.array(range(table.num_rows)))
        write_parts(str(places[name] / "clips"), [spoilt], spoilt.schema)
    assert main([each.format(**places) for each in arguments]) == 1
    assert said in capsys.readouterr().err


def test_columns_of_a_stranger_are_cleared(tmp_path: Path) -> None:
    out = manifest_of(tmp_path / "out", ROWS)
    table = pq.read_table(out / "clips")
    spoilt = table.append_column("duplicate_group", pa.array([[1.5]] * table.num_rows))
    write_parts(str(out / "clips"), [spoilt], spoilt.schema)
    assert main(["dedup", str(out), "--clear"]) == 0
    assert main(["dedup", str(out)]) == 0
    assert reasons(out)["small"] == ["duplicate_of:better_clip"]


def test_an_empty_manifest_has_no_duplicates(tmp_path: Path) -> None:
    out = by(ByPhash(), manifest_of(tmp_path / "out", []))
    assert found(by(ByPhash(), out, manifest_of(tmp_path / "other", ROWS))).empty
    assert not found(by(ByPhash(), manifest_of(tmp_path / "more", ROWS), out))["duplicate_in"].notna().any()


def test_a_kill_at_any_step_leaves_the_old_table_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in ("decide", "dedup.run"):
        monkeypatch.setattr(f"pipelines.{command}.offer_report", lambda _: None)
    begun = manifest_of(tmp_path / "begun", ROWS)
    undisturbed = by(ByPhash(), Path(shutil.copytree(begun, tmp_path / "undisturbed")))
    for step in itertools.count(1, 3):
        out = Path(shutil.copytree(begun, tmp_path / str(step)))
        code = ended(lambda out=out: by(ByPhash(), out), Steps(step, "Manifest.rewrite_clips").watch)
        decide(str(out), recipe=None, assignments=[])
        statuses = found(out)["status"]
        assert statuses.equals(found(begun)["status"]) or statuses.equals(found(undisturbed)["status"])
        by(ByPhash(), out)
        pd.testing.assert_frame_equal(found(out), found(undisturbed))
        assert not [path for path in out.rglob("*") if ".tmp" in path.name or "next" in path.name]
        if code == 0:
            break
    assert step > 4


def test_a_table_of_several_files_and_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preprocess.io.tables.GROUP_ROWS", 2)
    monkeypatch.setattr("preprocess.io.tables.PART_ROWS", 4)
    out = manifest_of(tmp_path / "out", ROWS)
    assert len(list((out / "clips").iterdir())) == 2
    one = by(ByPhash(), out)
    monkeypatch.undo()
    pd.testing.assert_frame_equal(found(one), found(by(ByPhash(), manifest_of(tmp_path / "whole", ROWS))))


def test_a_dry_run_knows_which_of_them_would_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    best, copy = clip("best", WALKS[0], visual_quality=0.5, short_side=1080), clip("copy", COPIES[0])
    out = manifest_of(tmp_path / "out", [best, copy, clip("other", WALKS[1])])
    assert main(["dedup", str(out)]) == 0
    command = ["decide", str(out), "--set", "rules.visual_quality.min=0.6"]
    capsys.readouterr()
    assert main([*command, "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {name: told[name]["clips"] for name in ("lost", "won")} == {"lost": 1, "won": 1}
    assert told["rules"]["duplicate_of"]["before"]["clips"] == 1
    assert told["rules"]["duplicate_of"]["after"]["clips"] == 0
    assert main(command) == 0
    rows = pd.read_parquet(out / "clips").set_index("clip_id")
    assert rows.status.to_dict() == {"best": "rejected", "copy": "kept", "other": "kept"}


def test_what_repeats_a_clip_that_is_forgotten_is_kept(tmp_path: Path) -> None:
    best, copy = clip("best", WALKS[0], short_side=1080), clip("copy", COPIES[0])
    out = manifest_of(tmp_path / "out", [best, copy])
    assert main(["dedup", str(out)]) == 0
    assert main(["forget", str(out), "/videos/best"]) == 0
    rows = pd.read_parquet(out / "clips").set_index("clip_id")
    assert rows.status.to_dict() == {"copy": "kept"}
    assert rows.duplicate_of.isna().all()
