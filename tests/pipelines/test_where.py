"""Conditions over columns: what they mean, that null is neither, and that nothing else is run."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipelines.where import Where

TABLE = pa.table(
    {
        "motion": [0.5, 2.0, None, 7.5],
        "num_frames": [10, 20, 30, 40],
        "camera": ["static", "pan_left", None, "static"],
        "has_audio": [True, False, None, True],
        "dominant_colors": [["red", "blue"], [], None, ["blue"]],
    }
)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("motion > 2", [3]),
        ("motion >= 2 and camera == 'static'", [3]),
        ("motion < 1 or num_frames == 20", [0, 1]),
        ("not motion > 2", [0, 1]),
        ("1 < motion < 3", [1]),
        ("motion > -1.5", [0, 1, 3]),
        ("motion is null", [2]),
        ("camera is not None", [0, 1, 3]),
        ("camera != 'static'", [1]),
        ("camera in ['pan_left', 'roll_left']", [1]),
        ("camera not in ('pan_left',)", [0, 3]),
        ("'pan' in camera", [1]),
        ("'blue' in dominant_colors", [0, 3]),
        ("'red' not in dominant_colors", [1, 3]),
        ("has_audio", [0, 3]),
        ("not has_audio", [1]),
        ("has_audio == true", [0, 3]),
        ("num_frames > motion", [0, 1, 3]),
        ("(motion > 2 or motion is null) and num_frames >= 30", [2, 3]),
    ],
)
def test_rows_that_a_condition_means(text: str, rows: list[int]) -> None:
    assert [index for index, holds in enumerate(Where(text).holds(TABLE)) if holds] == rows


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("motoin > 2", "there is no column 'motoin'; did you mean motion?"),
        ("motion", "motion is a column of double, no condition"),
        ("motion > ", "is no condition"),
        ("motion = 2", "is no condition"),
        ("motion == null", "write `is null`"),
        ("motion > 'fast'", "motion > 'fast'"),
        ("2 > 1", "are both no columns"),
        ("__import__('os').system('true')", "is no condition; allowed are"),
        ("motion.__class__ == 1", "are both no columns"),
        ("camera == f'{motion}'", "is no number or text"),
        ("(lambda: 1)() == motion", "is no number or text"),
        ("motion > 10 ** 9", "is no number or text"),
        ("not " * 990 + "has_audio", "nested too deeply|is no condition"),
        ("not " * 2000 + "has_audio", "at most 4000"),
        ("camera is 'static'", "`is` compares with null alone"),
        ("camera in motion", "is no number or text"),
    ],
)
def test_what_is_no_condition_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("?", "\\?").replace("(", "\\(").replace("'", ".")):
        Where(text).check(TABLE.schema)
