"""What scorers say of one film that is a single clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from filters.base import Score, Scorer
from preprocess.clip import Source
from preprocess.decode import Video
from preprocess.remembered import Remembered


def measured(path: Path, scorers: Sequence[Scorer]) -> dict[str, Score]:
    """Their columns, by name. No shots are looked for: the whole film is measured.

    Raises:
        MediaError: it cannot be decoded.
    """
    with Video(Source(uri=str(path), size_bytes=0, modified_ns=0)) as video:
        memory = Remembered(video)
        for frame in video.frames():
            memory.push(frame, inside=True)
        memory.settle()
        view = memory.observed(0, memory.end).view
    assert view is not None
    columns: dict[str, Score] = {}
    for scorer in scorers:
        said = scorer.score(view)
        columns |= said if isinstance(said, Mapping) else {scorer.name: said}
    return columns
