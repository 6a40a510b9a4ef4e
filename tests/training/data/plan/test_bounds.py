"""Which clips a stage is trained on, by the manifest's columns."""

from __future__ import annotations

import pyarrow as pa
import pytest

from training.data.plan.bounds import bounds_of, within_bounds
from training.data.plan.config import SamplerConfig
from training.recipes_full import PAPER

CLIPS = pa.table(
    {
        "kind": ["video", "video", "video", "video", "picture"],
        "width": [1280, 1280, 640, 1280, 900],
        "height": [720, 720, 360, 720, 900],
        "motion": pa.array([3.0, 0.4, 3.0, None, None], pa.float64()),
        "aesthetic": pa.array([5.0, 5.0, 5.0, 5.0, 4.0], pa.float32()),
        "caption": ["a", "b", "c", "d", "e"],
    }
)


def fits(text: str) -> list[bool]:
    return within_bounds(CLIPS, bounds_of(text)).tolist()


def test_each_bound_takes_its_clips_away() -> None:
    assert fits("") == [True] * 5
    assert fits("motion>=0.5") == [True, False, True, False, True]  # not measured: of the picture alone
    assert fits("aesthetic >= 4.5 , motion<=3") == [True, True, True, False, False]
    assert fits("short_side>=720, motion>=0.5,") == [True, False, False, False, True]
    assert fits("motion>=3") == fits("motion>=3.0") == [True, False, True, False, True]


def test_what_is_no_bound_or_no_column_is_told() -> None:
    for text in ("motion>0.5", "motion", "motion>=fast", "motion>=nan", ">=1", "motion>=1;drop"):
        with pytest.raises(ValueError, match=r"expected such as motion>=0\.5"):
            SamplerConfig(bounds=text)
    with pytest.raises(ValueError, match="no column of numbers of the manifest: motion"):
        fits("motoin>=1")
    with pytest.raises(ValueError, match="bounds asks for caption"):
        fits("caption>=1")


def test_the_papers_stages_ask_for_more_and_more() -> None:
    columns = {"text_area": pa.array([0.0] * 5, pa.float64())}
    clips = CLIPS.append_column("text_area", columns["text_area"])
    counts = [int(within_bounds(clips, bounds_of(stage.bounds)).sum()) for stage in PAPER.values()]
    assert counts == [5, 3, 2, 1, 1]
    assert [stage.tokens for stage in PAPER.values()] == [3_328, 3_328, 13_312, 13_312, 53_248]
