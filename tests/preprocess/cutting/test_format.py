"""How many frames a file has and how large it is, by arithmetic alone."""

from __future__ import annotations

from fractions import Fraction

import pytest

from preprocess.cutting.format import CutFormat
from preprocess.cutting.result import FILE_COLUMNS, CutFile


@pytest.mark.parametrize("fps", [8.0, 15.0, 16.0, 23.976, 24.0, 29.97, 60.0])
@pytest.mark.parametrize("step", [1, 4, 8])
def test_number_of_frames_follows_the_rule_and_fits(fps: float, step: int) -> None:
    form = CutFormat(fps=fps, frame_step=step, max_frames=121)
    for tenths in range(1, 120):
        count = form.num_frames(tenths / 10, 30.0)
        assert count is not None
        assert (count - 1) % step == 0
        assert count <= 121
        assert (count - 1) / fps < tenths / 10  # the last one begins within
        following = count + step
        assert following > 121 or (following - 1 / 2) / fps > tenths / 10 - 1e-9  # another would not fit


def test_too_short_clips_have_no_number() -> None:
    form = CutFormat(fps=16, frame_step=4, min_frames=49, max_frames=81)
    assert form.num_frames(3.0, 25.0) is None
    assert form.num_frames(3.1, 25.0) == 49
    assert form.num_frames(60.0, 25.0) == 81
    assert CutFormat(fps=1).num_frames(0.4, 25.0) is None


@pytest.mark.parametrize(
    ("said", "rate"),
    [(23.976, Fraction(24000, 1001)), (29.97, Fraction(30000, 1001)), (24, 24), (12.5, Fraction(25, 2)), (16, 16)],
)
def test_rates_of_television_are_exact(said: float, rate: Fraction) -> None:
    assert CutFormat(fps=said).rate == rate


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (853, 480), (640, 481), (4096, 1716)])
@pytest.mark.parametrize("multiple", [1, 16, 32])
def test_sides_are_multiples_within_the_area(size: tuple[int, int], multiple: int) -> None:
    made = CutFormat(side_multiple=multiple, max_area=480 * 832, short_side=480).size(*size)
    assert made.width % multiple == made.height % multiple == 0
    assert made.width % 2 == made.height % 2 == 0
    assert made.width * made.height <= 480 * 832
    assert min(made.width, made.height) <= 480
    assert 0 <= made.scaled_width - made.width < max(2, multiple)
    assert 0 <= made.scaled_height - made.height < max(2, multiple)
    assert abs(made.scaled_width / made.scaled_height - size[0] / size[1]) < 0.02


def test_small_pictures_are_not_enlarged() -> None:
    made = CutFormat(short_side=720).size(640, 360)
    assert (made.width, made.height) == (640, 360)
    with pytest.raises(ValueError, match="20x12 reduced to 20x12 is smaller than 16"):
        CutFormat(side_multiple=16).size(20, 12)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"fps": 0.0}, "fps is 0.0, must be above 0"),
        ({"codec": "h266"}, "allowed are h264, h265, av1, vp9, ffv1"),
        ({"min_frames": 9, "max_frames": 5}, "min_frames is 9, must be at most max_frames, 5"),
        ({"crf": 90}, "crf is 90"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CutFormat(**wrong)  # type: ignore[arg-type]


def test_a_file_goes_through_its_columns() -> None:
    file = CutFile(
        name="a.mp4",
        method="smart",
        width=16,
        height=8,
        fps=24.0,
        num_frames=3,
        duration_seconds=0.125,
        has_audio=True,
        size_bytes=9,
    )
    assert list(file.columns) == [column.name for column in FILE_COLUMNS]
    assert CutFile.of(file.columns) == file
    assert CutFile.of({column.name: None for column in FILE_COLUMNS}) is None
