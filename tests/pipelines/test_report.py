import base64
import json
import random
import re
from collections import Counter

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from filters.rules import Range, reasons
from pipelines.report import data as report
from pipelines.report import page
from pipelines.report.data import MOST_REASONS
from pipelines.report.packed import packed_numbers, packed_texts
from pipelines.report.sources import MOST_SOURCES
from pipelines.report.tally import KEPT_CLIPS, REASON_CLIPS, REASONS_CLIPS, Tally
from pipelines.report.thumbs import sheets

RULES = [
    Range(column="duration_seconds", min=3.0, max=10.0),
    Range(column="motion", min=1.0, max=40.0),
    Range(column="text_area", max=0.02),
]
RUN = {
    "recipe": {
        "name": "default",
        "rules": [{"column": rule.column, "min": rule.min, "max": rule.max} for rule in RULES],
        "scorers": ["motion", "text_area"],
    },
    "fingerprint": "9f2c1ab0",
    "versions": {"python": "3.11"},
    "source": "/videos",
    "wall_seconds": 60.0,
}
HOSTILE = [
    "<img src=x onerror=window.harmed=1>.mp4",
    "</script><script>window.harmed=1</script>.mp4",
    "a" * 300 + ".mp4",
    "\u0641\u064a\u062f\u064a\u0648 \u0627\u0644\u0637\u0628\u064a\u0639\u0629.mp4",
    "two\nlines.mp4",
    "evil\u202e4pm.exe",
    "{{DATA}} {{POLICY}} <!-- \u2028.mp4",
]


def clips_table(count: int, names: list[str] | None = None) -> pd.DataFrame:
    draw = np.random.default_rng(7)
    seconds = draw.uniform(1, 10, count)
    names = names or [f"video {i}.mp4" for i in range(5)]
    start = draw.uniform(0, 100, count)
    clips = pd.DataFrame(
        {
            "clip_id": [f"{random.Random(i).getrandbits(128):032x}" for i in range(count)],
            "source_uri": [f"/videos/{names[i % len(names)]}" for i in range(count)],
            "start_seconds": start,
            "end_seconds": start + seconds,
            "duration_seconds": seconds,
            "motion": draw.lognormal(1, 1.2, count),
            "text_area": np.where(draw.random(count) < 0.8, 0.0, draw.exponential(0.03, count)),
            "contrast": draw.normal(50, 15, count),
            "caption": [names[i % len(names)] for i in range(count)],
        }
    )
    clips.loc[clips["duration_seconds"] < 2, "contrast"] = np.nan
    clips["reasons"] = reasons(RULES, pa.Table.from_pandas(clips)).to_pylist()
    clips["status"] = ["rejected" if listed else "kept" for listed in clips["reasons"]]
    return clips


def sources_table(names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "uri": [f"/videos/{name}" for name in names],
            "size_bytes": 1000,
            "status": ["ok" if i % 2 else "failed" for i in range(len(names))],
            "reason": [None if i % 2 else "<b>no video stream</b>" for i in range(len(names))],
            "codec": "h264",
            "duration_seconds": 200.0,
        }
    )


EMPTY = pd.DataFrame()


class Rows:
    """A frame as the manifest gives its table: a few rows at a time."""

    def __init__(self, frame: pd.DataFrame, size: int = 700) -> None:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        self.schema, self.num_rows = table.schema, table.num_rows
        self._table, self._size = table, size

    def batches(self, columns=None):
        table = self._table.select([name for name in columns if name in self._table.column_names])
        return (table.slice(start, self._size) for start in range(0, self.num_rows, self._size))


def report_data(clips: pd.DataFrame, sources: pd.DataFrame, previews, run, size: int = 700):
    return report.report_data(Rows(clips, size), Rows(sources), lambda ids: previews, run)


def render_report(clips: pd.DataFrame, sources: pd.DataFrame, previews, run) -> str:
    return page.render_report(Rows(clips), Rows(sources), lambda ids: previews, run)


def unpacked(packed) -> np.ndarray:
    """What a page reads in packed numbers."""
    arrays = {
        kind: np.frombuffer(base64.b64decode(text), "<" + kind.replace("of", "f8")) for kind, text in packed.items()
    }
    codes = next((arrays[kind] for kind in ("u1", "u2") if kind in arrays), None)
    return arrays["of"][codes] if codes is not None else arrays.get("f8", arrays.get("f4")).astype(np.float64)


def unpacked_texts(packed) -> list[str | None]:
    """What a page reads in packed texts."""
    codes = next(
        np.frombuffer(base64.b64decode(packed[kind]), f"<{kind}") for kind in ("u1", "u2", "u4") if kind in packed
    )
    return [packed["texts"][code - 1] if code else None for code in codes]


def gallery_clip_ids(clips: pd.DataFrame) -> list[str]:
    return Tally(Rows(clips), []).gallery_ids()


def test_first_reasons_take_every_clip_that_is_not_kept_once() -> None:
    clips = clips_table(2000)
    data = report_data(clips, EMPTY, {}, RUN)
    assert data["totals"]["clips"] - sum(step["first"] for step in data["reasons"]) == data["totals"]["kept"]
    lost_seconds = sum(step["first_seconds"] for step in data["reasons"])
    assert data["totals"]["clip_seconds"] - lost_seconds == pytest.approx(data["totals"]["kept_seconds"])
    in_all = Counter(reason for listed in clips["reasons"] for reason in listed)
    assert {step["reason"]: step["total"] for step in data["reasons"]} == in_all
    assert any(step["total"] > step["first"] for step in data["reasons"])


def test_waterfall_follows_the_order_of_the_rules() -> None:
    columns = [step["reason"].partition(":")[0] for step in report_data(clips_table(500), EMPTY, {}, RUN)["reasons"]]
    ruled = [rule.column for rule in RULES]
    assert columns == sorted(columns, key=ruled.index)


def test_clips_without_or_with_endless_reasons_are_accounted_for() -> None:
    messages = [f"decode: error {i}" for i in range(500)]
    clips = pd.DataFrame(
        {
            "clip_id": [f"{i:04}" for i in range(602)],
            "status": ["failed"] * 601 + ["kept"],
            "reasons": [[message, message] for message in messages] + [[]] * 50 + [None] * 51 + [["stale"]],
        }
    )
    data = report_data(clips, EMPTY, {}, {})
    assert len(data["reasons"]) <= MOST_REASONS + 1
    assert sum(step["first"] for step in data["reasons"]) == 601
    assert sum(step["total"] for step in data["reasons"]) == 601
    assert {step["reason"]: step["first"] for step in data["reasons"]}["no_reason_given"] == 101
    assert len(gallery_clip_ids(clips)) <= KEPT_CLIPS + REASONS_CLIPS


@pytest.mark.parametrize(
    "values",
    [
        [0.0] * 50 + [0.3, 0.1, 0.7],
        [1e-9, 2e-9, 5e-9],
        [5.0],
        [-3.0, 4.0, 1e12, float("inf"), float("-inf")],
        [1, 2, 2, 3, 3, 3, 40, 41],
        [None, 2.0, None, float("nan")],
        [None, None],
        [1e300, -1e300],
        [*[0.0] * 500, 0.9],
        [*[0.0] * 500, -1e9, float("inf")],
        [*[7.0] * 500, 7.5],
        [*[0.0] * 500, 5e-324],
    ],
)
def test_histogram_counts_every_measured_value_once(values: list[float | None]) -> None:
    clips = pd.DataFrame({"clip_id": [str(i) for i in range(len(values))], "score": values, "status": "kept"})
    clips.loc[clips.index % 2 == 0, "status"] = "rejected"
    run = {"recipe": {"rules": [{"column": "score", "min": 1.0, "max": 40.0}]}}
    (plot,) = report_data(clips, EMPTY, {}, run)["histograms"]
    measured = clips[clips["score"].notna()]
    assert sum(plot["kept"]) == (measured["status"] == "kept").sum()
    assert sum(plot["not_kept"]) == (measured["status"] != "kept").sum()
    assert plot["missing"] == len(clips) - len(measured)
    assert len(plot["kept"]) == len(plot["not_kept"]) <= 80


def test_bins_part_where_the_rule_parts() -> None:
    values = np.round(np.random.default_rng(0).uniform(0, 50, 5000), 1)
    clips = pd.DataFrame({"clip_id": [str(i) for i in range(5000)], "score": values, "reasons": None})
    clips["status"] = np.where((values >= 1.0) & (values <= 40.0), "kept", "rejected")
    run = {"recipe": {"rules": [{"column": "score", "min": 1.0, "max": 40.0}]}}
    (plot,) = report_data(clips, EMPTY, {}, run)["histograms"]
    for kept, not_kept in zip(plot["kept"], plot["not_kept"], strict=True):
        assert kept == 0 or not_kept == 0


def test_structure_is_no_score_unless_a_rule_says_so() -> None:
    clips = clips_table(20).assign(height=720, crop_left=0, has_audio=True, camera="static")
    plots = [plot["name"] for plot in report_data(clips, EMPTY, {}, RUN)["histograms"]]
    assert plots == ["duration_seconds", "motion", "text_area", "contrast"]
    run = {"recipe": {"rules": [{"column": "height", "min": 480, "max": None}]}}
    assert report_data(clips, EMPTY, {}, run)["histograms"][0]["name"] == "height"


def test_sample_is_bounded_and_does_not_depend_on_the_order_of_rows() -> None:
    clips = clips_table(5000)
    ids = gallery_clip_ids(clips)
    assert ids == gallery_clip_ids(clips.sample(frac=1, random_state=1))
    shown = clips[clips["clip_id"].isin(ids)]
    assert (shown["status"] == "kept").sum() == KEPT_CLIPS
    in_all = Counter(reason for listed in clips["reasons"] for reason in listed)
    in_sample = Counter(reason for listed in shown["reasons"] for reason in listed)
    assert all(in_sample[reason] >= min(count, REASON_CLIPS) for reason, count in in_all.items())


def test_rows_may_come_a_few_at_a_time() -> None:
    clips = clips_table(2000)
    clips.loc[::7, "reasons"] = None
    whole = report_data(clips, EMPTY, {}, RUN, size=2000)
    few = report_data(clips, EMPTY, {}, RUN, size=130)
    for figure in ("kept_seconds", "clip_seconds"):
        assert few["totals"].pop(figure) == pytest.approx(whole["totals"].pop(figure))
    for one, other in zip(few["reasons"], whole["reasons"], strict=True):
        assert one.pop("first_seconds") == pytest.approx(other.pop("first_seconds"))
    assert few == whole


def test_a_sample_of_rows_says_where_the_middle_is_and_every_row_is_counted(monkeypatch) -> None:
    clips = clips_table(5000)
    whole = report_data(clips, EMPTY, {}, RUN)
    monkeypatch.setattr("pipelines.report.tally.SAMPLE_ROWS", 1000)
    sampled = report_data(clips, EMPTY, {}, RUN)
    assert sampled["totals"]["kept_median_seconds"] == pytest.approx(whole["totals"]["kept_median_seconds"], rel=0.1)
    assert sampled["reasons"] == whole["reasons"]
    assert sampled["clips"] == whole["clips"]
    for one, other in zip(sampled["histograms"], whole["histograms"], strict=True):
        assert one["median"] == pytest.approx(other["median"], rel=0.1)
        assert sum(one["kept"]) == sum(other["kept"])
        assert sum(one["not_kept"]) == sum(other["not_kept"])


def test_previews_become_data_urls_of_the_sampled_clips() -> None:
    clips = clips_table(3)
    chosen = clips["clip_id"][1]
    shown = report_data(clips, EMPTY, {chosen: b"\xff\xd8\xff", "unknown": b"x"}, {})["clips"]
    assert shown["previews"] == {shown["id"].index(chosen): "data:image/jpeg;base64,/9j/"}


def test_sources_that_gave_nothing_are_listed_and_the_list_is_bounded() -> None:
    sources = sources_table([f"{i}.mp4" for i in range(4 * MOST_SOURCES)])
    data = report_data(EMPTY, sources, {}, {})
    assert len(data["sources"]) == MOST_SOURCES
    assert data["totals"]["sources_failed"] == data["totals"]["sources_ok"] == 2 * MOST_SOURCES
    assert data["totals"]["source_seconds"] == 2 * MOST_SOURCES * 200.0


@pytest.mark.parametrize("clips", [EMPTY, clips_table(0), clips_table(1)])
@pytest.mark.parametrize("sources", [EMPTY, sources_table([]), sources_table(["a.mp4"])])
def test_any_table_may_be_empty(clips: pd.DataFrame, sources: pd.DataFrame) -> None:
    data = report_data(clips, sources, {}, {})
    json.dumps(data, allow_nan=False)
    assert data["totals"]["clips"] == data["clips"]["count"] == data["clips"]["fair"] == len(clips)


def test_tables_as_parquet_gives_them_back(tmp_path) -> None:
    clips = clips_table(50)
    clips.to_parquet(tmp_path / "clips.parquet")
    read = pd.read_parquet(tmp_path / "clips.parquet")
    arrow = pd.read_parquet(tmp_path / "clips.parquet", dtype_backend="pyarrow")
    expected = report_data(clips, EMPTY, {}, RUN)
    assert report_data(read, EMPTY, {}, RUN) == report_data(arrow, EMPTY, {}, RUN) == expected


def test_hostile_names_survive_the_page_as_data() -> None:
    clips = clips_table(40, HOSTILE)
    # A folder name that is not UTF-8 reaches Python with lone surrogates.
    page = render_report(clips, sources_table(HOSTILE), {}, {**RUN, "source": "/vid\udcff"})
    page.encode("utf-8")
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.DOTALL)
    assert block is not None
    assert not re.search("[<>&\u2028\u2029\ud800-\udfff]", block[1])
    assert set(unpacked_texts(json.loads(block[1])["clips"]["caption"])) == set(HOSTILE)
    assert page.count("<script") == 2


def test_a_long_manifest_makes_a_page_of_a_few_megabytes() -> None:
    clips = clips_table(20_000)
    noise = np.random.default_rng(0).integers(0, 255, (90, 480, 3), dtype=np.uint8)
    jpeg = cv2.imencode(".jpg", cv2.GaussianBlur(noise, (5, 5), 0), [cv2.IMWRITE_JPEG_QUALITY, 70])[1].tobytes()
    page = render_report(clips, EMPTY, dict.fromkeys(gallery_clip_ids(clips), jpeg), RUN)
    assert len(page) < 6e6


@pytest.mark.parametrize("seed", range(20))
def test_packed_columns_are_what_they_were(seed: int) -> None:
    draw = np.random.default_rng(seed)
    special = [0.1, 1 / 3, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1e300, 2.0**53 + 2]
    count = int(draw.choice([0, 1, 300, 70_000]))
    for values in (
        draw.choice(special, count),
        draw.normal(size=count),
        draw.normal(size=count).astype(np.float32).astype(np.float64),
        np.arange(count, dtype=np.float64),
    ):
        assert np.array_equal(unpacked(packed_numbers(values)), values, equal_nan=True)
    texts = [None if draw.random() < 0.2 else str(draw.integers(1 << int(draw.integers(1, 18)))) for _ in range(count)]
    assert unpacked_texts(packed_texts(texts)) == texts


def test_few_values_take_a_byte_each() -> None:
    assert len(json.dumps(packed_numbers(np.tile([0.1, 0.7, np.nan], 1000)))) < 3000 * 4 / 3 + 100


def strip_of(colors: list[tuple[int, int, int]], size: tuple[int, int] = (160, 90)) -> bytes:
    frames = [np.full((size[1], size[0], 3), color, np.uint8) for color in colors]
    return cv2.imencode(".jpg", np.concatenate(frames, axis=1))[1].tobytes()


def test_a_still_is_the_middle_frame_and_knows_its_clip() -> None:
    colors = [(250, 20, 20), (20, 250, 20), (20, 20, 250)]
    strips = {
        str(i): strip_of([(0, 0, 0), colors[i % 3], (0, 0, 0)], (160, 90) if i % 2 else (50, 160)) for i in range(600)
    }
    del strips["7"]
    made = sheets([str(i) for i in range(600)], strips)
    width, height, across, down = made["size"]
    assert made["drawn"] == [i for i in range(600) if i != 7]
    assert len(made["sheets"]) == 2
    sheet = cv2.imdecode(
        np.frombuffer(base64.b64decode(made["sheets"][1].partition(",")[2]), np.uint8), cv2.IMREAD_COLOR
    )
    for place, number in enumerate(made["drawn"][across * down :]):
        y, x = place // across * height + height // 2, place % across * width + width // 2
        assert np.abs(sheet[y, x].astype(int) - colors[number % 3]).max() < 40


def test_what_is_no_strip_has_no_still_and_is_not_decoded(monkeypatch) -> None:
    vast = bytearray(strip_of([(0, 0, 0)] * 3))
    size = vast.index(b"\xff\xc0") + 5
    vast[size : size + 4] = b"\xff\xff\xff\xff"
    decoded = []
    real = cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda *given: decoded.append(1) or real(*given))
    for jpeg in (
        bytes(vast),
        b"",
        b"no picture",
        b"\xff\xd8" + b"\xff\xe0\x00\x00" * 10,
        strip_of([(0, 0, 0)])[:30],
        b"\x89PNG",
    ):
        assert sheets(["a"], {"a": jpeg})["drawn"] == []
    assert decoded == []
    assert sheets(["a"], {"a": strip_of([(0, 0, 0)] * 3)[:400]})["size"]
