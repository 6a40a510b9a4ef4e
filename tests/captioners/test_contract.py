"""Every captioner in the package, found by walking it, holds to the contract on ordinary and on meagre clips."""

import numpy as np
import pytest

from captioners.base import Caption, Captioner, ClipToDescribe
from pipelines.recipe.plugins import plug_ins
from preprocess.io.weights import MissingWeightsError
from tests.filters.views import texture, view_of

KINDS, BROKEN = plug_ins("captioners", Captioner)


@pytest.fixture(scope="module")
def views():
    return [view_of([texture(120, 200)] * 30), view_of([texture(8, 6)]), view_of([np.zeros((64, 64, 3), np.uint8)] * 9)]


def test_every_file_is_one_captioner_of_its_name():
    assert not BROKEN
    assert {name: kind.name for name, kind in KINDS.items()} == {name: name for name in KINDS}
    assert len(KINDS) >= 5


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_frames_are_small_files_and_as_many_as_asked_for(kind, views):
    captioner = kind()
    for view in views:
        frames = captioner.look(view).frames
        assert len(frames) == min(captioner.num_frames, len(view.samples))
        assert all(frame.startswith(b"\xff\xd8") for frame in frames)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_every_clip_gets_one_caption(kind, views, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    captioner = kind()
    try:
        captioner.check()
    except (MissingWeightsError, ValueError) as error:
        pytest.skip(f"needs what no test can have: {error}")
    captioner.setup()
    try:
        rows = [{"source_uri": str(tmp_path / "a.mp4")}, {"source_uri": str(tmp_path / "b.mp4"), "motion": None}]
        clips = [
            ClipToDescribe(row=row, frames=captioner.look(view).frames) for row, view in zip(rows, views, strict=False)
        ]
        captions = captioner.caption(clips)
        assert len(captions) == len(clips)
        assert all(isinstance(caption, Caption) for caption in captions)
        assert captioner.caption([]) == []
    finally:
        captioner.close()
