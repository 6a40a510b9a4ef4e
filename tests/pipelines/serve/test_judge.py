"""What the server counts and finds is what the rules, numpy and the table itself say."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from filters.rules import Range
from pipelines.clips.decisions import reasons_against
from pipelines.decide import decide
from pipelines.dedup.settle import with_columns
from pipelines.dry_run import dry_run
from pipelines.percentiles import percentile
from pipelines.report.columns import bounds
from pipelines.serve.answers import Answers
from pipelines.serve.choice import Choice
from pipelines.serve.films import Films
from pipelines.serve.find import _holds
from pipelines.serve.held import Held
from pipelines.serve.judge import Judge
from pipelines.verdicts import Word, store
from preprocess.io.roots import Roots
from preprocess.manifest import Manifest
from tests.pipelines.test_page import CONFIG, manifest

COLUMNS = (
    "duration_seconds",
    "motion",
    "visual_quality",
    "one_shot",
    "text_area",
    "contrast",
    "has_audio",
    "short_side",
)
TIMED = frozenset(CONFIG.timed_columns)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """400 clips with scores of all kinds, some of which somebody has said something of."""
    made = manifest(tmp_path / "out")
    ids = made.clips(["clip_id"])["clip_id"].to_pylist()
    store(made.location, Word(clip_ids=ids[:40], values={"verdict": "keep"}))
    store(made.location, Word(clip_ids=ids[40:60], values={"verdict": "drop", "note": "Not the <SEA>"}))
    decide(made.location, recipe=None, assignments=[])
    return tmp_path / "out"


def answers_of(out: Path) -> Answers:
    made = Manifest(os.fspath(out))
    return Answers(made, made.parted_clips(), made.run() or {}, Films(made.location, (), Roots()))


def judge_of(out: Path) -> tuple[Judge, Held]:
    made = answers_of(out)
    return made._judge, made.held


def drawn_rules(clips: pa.Table, draw: np.random.Generator) -> list[Range]:
    rules = []
    for column in draw.choice(COLUMNS, draw.integers(1, 5), replace=False):
        values = np.sort(clips[column].cast(pa.float64(), safe=False).drop_null().to_numpy())
        low, high = np.sort(values[np.sort(draw.integers(0, len(values), 2))] + draw.choice([0, 0, 1e-9, -0.01]))
        low, high = (float(end) if np.isfinite(end) else None for end in (low, high))
        rules.append(Range(column=str(column), min=low, max=None if draw.random() < 0.5 else high))
    return rules


def test_any_bounds_keep_what_the_rules_do(out: Path) -> None:
    judge, held = judge_of(out)
    clips, draw = Manifest(os.fspath(out)).clips(), np.random.default_rng(5)
    seconds = np.nan_to_num(clips["duration_seconds"].to_numpy())
    seconds[(clips["kind"].to_numpy() == "picture")] = held.seconds[clips["kind"].to_numpy() == "picture"]
    some = 0
    for _ in range(100):
        rules = drawn_rules(clips, draw)
        expected = reasons_against(replace(CONFIG, rules=tuple(rules)), clips).value_lengths().to_numpy() == 0
        verdict = judge.verdict({rule.column: (rule.min, rule.max) for rule in rules})
        assert (verdict.kept == expected).all()
        told = judge.counted(verdict, [rules[0].column])
        assert told["kept"] == [expected.sum(), pytest.approx(seconds[expected].sum())]
        excused = held.kept_by_hand | (held.is_picture if rules[0].column in TIMED else False)
        mine = np.any([mask for _, mask in rules[0].broken(clips)], axis=0) & ~excused
        of = told["columns"][rules[0].column]
        assert of["alone"][0] == (~mine).sum()
        others = reasons_against(replace(CONFIG, rules=tuple(rules[1:])), clips).value_lengths().to_numpy() == 0
        assert of["only"][0] == (mine & others).sum()
        some += bool(expected.any())
    assert some > 20


def test_numbers_held_in_half_the_room_are_compared_as_they_were(tmp_path: Path) -> None:
    """Values of float64 that float32 holds exactly, and bounds beside them that it does not."""
    single = np.float32([0.1, 0.3, 1e-30, 7.0, np.inf, -0.0, 3e38]).astype(np.float64)
    edges = [*single, *np.nextafter(single, np.inf), *np.nextafter(single, -np.inf), 0.1, 0.3, 1e300, -1e300]
    made = manifest(tmp_path / "out", len(single))
    clips = made.clips()
    place = clips.schema.get_field_index("visual_quality")
    made.replace_clips(clips.set_column(place, clips.schema.field(place), pa.array(single)), {})
    judge, held = judge_of(tmp_path / "out")
    assert held.scores["visual_quality"].dtype == np.float32
    for edge in edges:
        if np.isfinite(edge):
            for low, high in ((edge, None), (None, edge)):
                expected = (single >= edge) if high is None else (single <= edge)
                verdict = judge.verdict({"visual_quality": (low, high)})
                assert (~verdict.rules["visual_quality"] == (expected | held.kept_by_hand)).all(), edge


def test_counts_of_bins_are_those_of_the_page(out: Path) -> None:
    """By the recipe's own bounds, kept and not kept in each bin are what the histograms have."""
    answers = answers_of(out)
    told = answers.judged()
    for plot in answers.data["histograms"]:
        kept, other, lost = told["columns"][plot["name"]]["bins"]
        assert kept == plot["kept"], plot["name"]
        assert [a + b for a, b in zip(other, lost, strict=True)] == plot["not_kept"], plot["name"]
    assert (
        told["kept"]
        == told["own"]
        == [answers.data["totals"]["kept"], pytest.approx(answers.data["totals"]["kept_seconds"])]
    )
    assert told["differs"][0] == 0


def test_the_clips_at_a_bound_are_the_nearest(out: Path) -> None:
    judge, held = judge_of(out)
    values = held.scores["visual_quality"]
    near = judge.nearest("visual_quality", 0.6, 0)
    assert values[near["kept"]].tolist() == sorted(values[values >= 0.6])[:4]
    assert values[near["dropped"]].tolist() == sorted(values[values < 0.6])[-1:-5:-1]
    near = judge.nearest("visual_quality", 0.6, 1)
    assert values[near["kept"]].tolist() == sorted(values[values <= 0.6])[-1:-5:-1]
    assert judge.nearest("visual_quality", None, 0)["dropped"] == []
    outermost = values[judge.nearest("contrast", None, 1)["kept"]]
    assert len(outermost) == 4
    assert not np.isnan(held.scores["contrast"][judge.nearest("contrast", 1e9, 0)["dropped"]]).any()


@pytest.mark.parametrize("share", ["0", "10", "33.3", "50", "99.9", "100"])
def test_percentiles_are_those_of_decide(out: Path, share: str) -> None:
    judge, held = judge_of(out)
    for column in ("motion", "contrast", "text_area"):
        values = held.scores[column].astype(float)
        finite = values[np.isfinite(values)]
        expected = percentile(lambda finite=finite: iter([finite]), Fraction(share) / 100)
        assert expected is not None
        assert judge.percentile(column, Fraction(share)) == expected[0]


def test_clips_are_found_by_words_status_reason_source_and_score(out: Path) -> None:
    answers = answers_of(out)
    table = pd.read_parquet(out / "clips")

    def found(query: str) -> set[str]:
        answer = answers.find(f"{query}&count=200")
        ids = list(answer["clips"]["id"])
        while len(ids) < answer["total"]:
            ids += answers.find(f"{query}&count=200&from={len(ids)}")["clips"]["id"]
        assert len(set(ids)) == len(ids) == answer["total"]
        return set(ids)

    def of(mask: pd.Series) -> set[str]:
        return set(table.clip_id[mask])

    assert found("") == set(table.clip_id)
    captions = table.caption.fillna("").str.lower()
    word = captions.str.split().explode().value_counts().index[-1]
    assert found(f"q={quote(word.upper())}") >= of(captions.str.contains(word, regex=False))
    assert found("q=film+7.mp4") == of(table.source_uri.str.endswith("7.mp4"))
    assert found("q=%3Csea%3E+the") == of(table.note.notna())
    assert found(f"q={table.clip_id[5][:12]}") >= {table.clip_id[5]}
    assert found("q=sea") == of(table.note.notna())
    assert found("status=keep") == of(table.verdict == "keep")
    assert found("status=said") == of(table.verdict.notna())
    reason = next(each for listed in table.reasons for each in listed if each.startswith("text_area:above"))
    assert found(f"reason={reason}") == of(table.reasons.map(lambda listed: reason in listed))
    assert found("q=text+area+above") == of(
        table.reasons.map(lambda each: any("text_area:above" in one for one in each))
    )
    assert found("source=/nowhere/film+3.mp4") == of(table.source_uri == "/nowhere/film 3.mp4")
    assert found("where=visual_quality~0.5~0.7&status=kept") == of(
        table.visual_quality.between(0.5, 0.7) & (table.status == "kept")
    )
    assert found("q=nothing-has-this") == set()


def test_clips_are_found_by_their_group(out: Path) -> None:
    assert answers_of(out).find("group=any")["total"] == 0
    repeating(out)
    answers, table = answers_of(out), pd.read_parquet(out / "clips")
    alike, stood_for = table.duplicate_group.notna(), table.duplicate_of.notna() | table.duplicate_in.notna()
    assert 0 < stood_for.sum() < (alike | stood_for).sum() < len(table)
    assert answers.find("group=any")["total"] == (alike | stood_for).sum()
    assert answers.find("group=repeats")["total"] == stood_for.sum()
    one = answers.find("group=g7&count=200")["clips"]["id"]
    assert set(one) == set(table.clip_id[table.duplicate_group == "g7"])
    assert answers.find("group=nobody")["total"] == 0


def test_they_come_in_the_order_that_was_asked_for(out: Path) -> None:
    answers = answers_of(out)
    table = pd.read_parquet(out / "clips").set_index("clip_id")
    for up in ("0", "1"):
        ids = [
            each
            for start in (0, 200)
            for each in answers.find(f"sort=contrast&up={up}&count=200&from={start}")["clips"]["id"]
        ]
        values = table.contrast[ids].to_numpy()
        known = values[~np.isnan(values)]
        assert np.isnan(values[len(known) :]).all()
        assert known.tolist() == sorted(known, reverse=up == "0")


def test_what_would_change_is_what_a_dry_run_says(out: Path) -> None:
    answers = answers_of(out)
    told = dry_run(os.fspath(out), recipe=None, assignments=["rules.motion.min=0.25", "rules.visual_quality.max=0.9"])
    judged = answers.judge("bound=motion~0.25~60&bound=visual_quality~0.25~0.9&column=motion&all=1")
    assert judged["kept"] == [told.kept.after.clips, pytest.approx(told.kept.after.seconds)]
    assert judged["differs"][0] == told.lost.clips + told.won.clips > 0
    assert judged["own"][0] == told.kept.before.clips
    assert (
        answers.find("status=changed&bound=motion~0.25~60&bound=visual_quality~0.25~0.9")["total"]
        == judged["differs"][0]
    )


def repeating(out: Path) -> Manifest:
    """With groups of clips that repeat one another, and clips that another manifest has."""
    made = Manifest(os.fspath(out))
    clips, draw = with_columns(made.clips()), np.random.default_rng(1)
    groups = pa.array([f"g{draw.integers(30)}" if draw.random() < 0.5 else None for _ in range(clips.num_rows)])
    elsewhere = pa.array(["other" if draw.random() < 0.05 else None for _ in range(clips.num_rows)], pa.string())
    for name, values in (("duplicate_group", groups), ("duplicate_in", elsewhere)):
        place = clips.schema.get_field_index(name)
        clips = clips.set_column(place, clips.schema.field(place), values)
    made.replace_clips(clips, {})
    decide(made.location, recipe=None, assignments=[])
    return made


def test_clips_that_repeat_others_are_counted_as_decide_counts_them(out: Path) -> None:
    made = repeating(out)
    answers = answers_of(out)
    assert answers.judged()["differs"][0] == 0
    assert any("duplicate_of" in step["reason"] for step in answers.data["reasons"])
    for low in (0.2, 0.25, 1.0):
        told = dry_run(made.location, recipe=None, assignments=[f"rules.motion.min={low}"])
        assert answers.judge(f"bound=motion~{low}~60&column=motion")["kept"][0] == told.kept.after.clips


def test_what_is_held_is_what_the_table_has(out: Path) -> None:
    made = Manifest(os.fspath(out))
    clips = made.parted_clips()
    held = Held(clips, list(bounds(made.run() or {})))
    held.load()
    rows = np.array([3, 399, 0, 17])
    got, expected = held.table(rows), made.clips().take(pa.array(rows))
    for name in (
        "clip_id",
        "source_uri",
        "motion",
        "contrast",
        "has_audio",
        "status",
        "reasons",
        "verdict",
        "note",
        "caption",
    ):
        values = pc.cast(got[name], expected[name].type) if name == "has_audio" else got[name]
        assert values.to_pylist() == expected[name].to_pylist(), name
    assert sum(batch.num_rows for batch in held.batches(["status"])) == held.num_rows == 400


def test_sources_come_by_name_with_their_clips_in_the_order_of_time(out: Path) -> None:
    answers = answers_of(out)
    table = pd.read_parquet(out / "clips")
    told = answers.sources("name=FILM+1&count=3")
    names = sorted(name for name in table.source_uri.unique() if "film 1" in name)
    assert told["total"] == len(names) == 11
    assert [each["uri"] for each in told["listed"]] == names[:3]
    for each in told["listed"]:
        of = table[table.source_uri == each["uri"]]
        assert (each["clips"], each["kept"]) == (len(of), (of.status == "kept").sum())
    assert len(told["clips"]["id"]) == sum(each["clips"] for each in told["listed"])
    one = answers.sources("uri=/nowhere/film+3.mp4")
    of = table[(table.source_uri == "/nowhere/film 3.mp4") & (table.kind == "video")].sort_values("start_seconds")
    assert [each for each in one["clips"]["id"] if each in set(of.clip_id)] == of.clip_id.tolist()
    assert one["sources"][0]["duration_seconds"] == 200


def test_a_word_changes_at_once_what_is_found_and_counted(out: Path) -> None:
    answers = answers_of(out)
    before = answers.judged()["kept"][0]
    clip_id = answers.find("status=kept&where=contrast~0~200")["clips"]["id"][0]
    answers.say(Word(clip_ids=[clip_id], values={"verdict": "drop", "tags": ["Zebra"]}))
    assert answers.judged()["kept"][0] == before - 1
    assert answers.judged()["differs"][0] == 0
    assert answers.find("q=zebra")["clips"]["id"] == [clip_id]
    assert clip_id in answers.find("status=drop&count=200")["clips"]["id"]
    answers.say(Word(clip_ids=[clip_id], values={"verdict": None, "tags": None}))
    assert answers.judged()["kept"][0] >= before - 1
    assert answers.find("q=zebra")["total"] == 0
    with pytest.raises(ValueError, match="no such clip"):
        answers.check(Word(clip_ids=["nobody"], values={"verdict": "drop"}))


def test_words_are_found_whatever_texts_stand_beside() -> None:
    draw = np.random.default_rng(0)
    texts = [
        "".join(draw.choice(list("abé"), draw.integers(0, 9))) if draw.random() < 0.9 else None for _ in range(4000)
    ]
    column = pa.chunked_array([pa.array(texts[:1500], pa.string()), pa.array(texts, pa.string()).slice(1500)])
    for word in ("aba", "bébé", "aaaa", "éé", "abéabéa", "a", "zzz"):
        assert _holds(column, word).tolist() == [text is not None and word in text for text in texts], word


def test_a_choice_is_read_as_the_page_writes_it() -> None:
    own = {"motion": (0.1, 60.0), "contrast": (None, 5.0)}
    choice = Choice.of("q=A+b&bound=motion~0.5~&bound=noise~~-1e-7&where=contrast~~2&sort=motion&up=1", own)
    assert choice.bounds == {"motion": (0.5, None), "contrast": (None, 5.0), "noise": (None, -1e-7)}
    assert choice.words == ("a", "b")
    assert choice.ranges == (("contrast", None, 2.0),)
    assert (choice.sort, choice.up, choice.status) == ("motion", True, "all")
