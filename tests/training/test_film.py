"""A film that is written shows the colours that it was given, in every player."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from preprocess.rgb import rgb_of
from training.film import write_film


@pytest.mark.parametrize("size", [(48, 64), (720, 1280)])
def test_colours_are_those_that_were_given_and_the_file_says_how(tmp_path: Path, size: tuple[int, int]) -> None:
    red = np.full((2, *size, 3), (220, 40, 40), np.uint8)
    write_film(tmp_path / "red.mp4", red, fps=8)
    with av.open(str(tmp_path / "red.mp4")) as film:
        for frame in film.decode(video=0):
            assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (1, 1, 1, 1)
            assert np.abs(rgb_of(frame).astype(int) - red[0]).max() <= 3
            frame.colorspace = 2  # as a player takes it that goes by the size of HD alone
            if size == (720, 1280):
                assert np.abs(rgb_of(frame).astype(int) - red[0]).max() <= 3
