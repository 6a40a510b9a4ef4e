"""What fails in a test or goes to a log names the shapes of pixels, never the pixels."""

from __future__ import annotations

import numpy as np
import pytest

from captioners.base import ClipToDescribe
from preprocess.frames import Picture
from tests.filters.views import texture, view_of


def test_a_view_prints_the_shapes_of_its_frames() -> None:
    view = view_of([texture(90, 160)] * 96)
    picture = Picture(y=np.zeros((5, 8), np.uint8), cb=np.zeros((3, 4), np.uint8), cr=np.zeros((3, 4), np.uint8))
    assert repr(picture) == "Picture(y=uint8 (5, 8), cb=uint8 (3, 4), cr=uint8 (3, 4), matrix='bt601')"
    height, width = view.samples[0].luma.shape
    assert f"luma=uint8 ({height}, {width})" in repr(view)
    assert f"change=float64 ({view.clip.num_frames},)" in repr(view)
    assert f"{len(view.samples)} in all" in repr(view)
    assert len(repr(view)) < 1500


def test_a_clip_to_describe_prints_how_large_its_frames_are() -> None:
    clip = ClipToDescribe(row={"clip_id": "a"}, frames=(b"12345", b"123"), sound=b"1234567")
    assert repr(clip) == "ClipToDescribe(row={'clip_id': 'a'}, frames=[5 bytes, 3 bytes], sound=7 bytes)"


def test_a_batch_prints_the_shape_of_its_video() -> None:
    torch = pytest.importorskip("torch")
    from training.run.module import Batch

    batch = Batch(video=torch.zeros(2, 3, 9, 32, 32), captions=["", ""], clip_ids=["a", "b"], tokens=12)
    assert repr(batch).startswith(
        "Batch(video=torch.float32 (2, 3, 9, 32, 32), captions=['', ''], clip_ids=['a', 'b'],"
    )
