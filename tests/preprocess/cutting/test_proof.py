"""A file whose pictures are not those of its source is found out, whatever its packets say."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from preprocess.cutting.proof import check_pictures
from preprocess.cutting.refusal import CannotCopy
from tests.videos import counter_video


def decoded(path: Path, start: int = 0) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number >= start:
                yield frame


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return counter_video(tmp_path / "film.mp4", num_frames=12)


def test_equal_pictures_pass(film: Path) -> None:
    check_pictures(film, 12, decoded(film), num_before=0)
    check_pictures(film, 12, decoded(film, 5), num_before=5)


@pytest.mark.parametrize(("num_frames", "start", "num_before"), [(13, 0, 0), (11, 0, 0), (12, 1, 0), (12, 0, 1)])
def test_one_too_many_or_few_or_another_does_not(film: Path, num_frames: int, start: int, num_before: int) -> None:
    with pytest.raises(CannotCopy, match="same pictures"):
        check_pictures(film, num_frames, decoded(film, start), num_before=num_before)


def test_a_bit_of_one_picture_is_seen(film: Path, tmp_path: Path) -> None:
    other = counter_video(tmp_path / "other.mp4", num_frames=12, fps=Fraction(24), options={"crf": "30"})
    with pytest.raises(CannotCopy, match="same pictures"):
        check_pictures(other, 12, decoded(film), num_before=0)
