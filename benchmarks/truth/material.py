"""Finds takes, stretches of video without any join, in a folder of clips or of reels with truth files.

Frames are read as they are asked for; of each take only a few thumbnails are remembered.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from examples.demo_films.landscapes import Image, Size

_log = logging.getLogger(__name__)

SUFFIXES = frozenset({".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".ts"})
LEAST_SECONDS = 1.5
"""Shorter stretches are left out: a shot with a join at each end has no room in them."""
CLEARANCE_FRAMES = 2
"""Left out on both sides of whatever a reel's truth tells of."""
THUMBNAIL: Size = (32, 18)


@dataclass(frozen=True)
class Take:
    """A stretch [first, end) of frames of one video, in which nothing is cut."""

    path: Path
    scene: str
    """Takes of one scene show the same place."""
    first: int
    end: int
    fps: float
    size: Size

    @property
    def num_frames(self) -> int:
        """How many there are."""
        return self.end - self.first

    def frames(self, size: Size, *, start: int = 0, count: int | None = None, step: float = 1.0) -> Iterator[Image]:
        """BGR pictures (H, W, 3) that fill `size`; picture i is frame floor(start + i * step) of the take.

        Raises:
            ValueError: the take has fewer frames than that.
        """
        if count is None:
            count = int((self.num_frames - start - 1) // step) + 1
        given, last = 0, None
        for number, frame in _decoded(self.path, self.first + start, self.fps):
            last, picture = frame, None
            while given < count and self.first + int(start + given * step) <= number:
                picture = _filled(frame, size) if picture is None else picture
                yield picture.copy()
                given += 1
            if given >= count:
                return
        # Where times are uneven, the last frames may have a lower number than they should.
        if last is not None and count - given <= 2:
            yield from (_filled(last, size) for _ in range(count - given))
            return
        raise ValueError(f"{self.path}: {given} of {count} frames from {self.first + start} on by {step}")

    @cached_property
    def thumbnails(self) -> dict[int, Image]:
        """Small pictures by frame of the take, four a second."""
        step = max(1, round(self.fps / 4))
        return {number * step: picture for number, picture in enumerate(self.frames(THUMBNAIL, step=step))}


@dataclass(frozen=True)
class Material:
    """All takes of a folder, in order of name."""

    takes: Sequence[Take]
    _scenes: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_scenes", frozenset(take.scene for take in self.takes))

    @staticmethod
    def of(folder: Path) -> Material:
        """Takes of whatever lies in a folder: a video with a truth file beside it is a reel, any other is one take.

        What cannot be decoded is passed over with a warning.

        Raises:
            ValueError: no folder, or not a single take.
        """
        if not folder.is_dir():
            raise ValueError(f"{folder}: no folder")
        takes: list[Take] = []
        for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES):
            truth = path.with_suffix(".json")
            said = json.loads(truth.read_text()) if truth.exists() else None
            try:
                takes += _takes(path, said if isinstance(said, dict) and "cuts" in said else None)
            except (av.error.FFmpegError, IndexError, StopIteration) as error:
                _log.warning("%s is left out: %s", path, error)
        if not takes:
            raise ValueError(f"{folder}: no video of {LEAST_SECONDS} s and more without a cut")
        return Material(takes)

    def of_scenes(self, least: int) -> Material:
        """Itself.

        Raises:
            ValueError: it shows fewer scenes, so that no shot could follow another but in turns.
        """
        if len(self._scenes) < least:
            raise ValueError(f"takes of {sorted(self._scenes)}, needed are {least} scenes at least")
        return self

    def chosen(self, rng: np.random.Generator, count: int, least_seconds: float = LEAST_SECONDS) -> list[Take]:
        """Up to `count` takes of that length or more in random order, those of scenes not yet chosen first."""
        order = [self.takes[number] for number in rng.permutation(len(self.takes))]
        order = [take for take in order if take.num_frames >= least_seconds * take.fps]
        firsts = {take.scene: take for take in reversed(order)}
        fresh = [take for take in order if firsts[take.scene] is take]
        return (fresh + [take for take in order if firsts[take.scene] is not take])[:count]


def _takes(path: Path, truth: dict[str, Any] | None) -> list[Take]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate
        fps = float(rate) if rate else 25.0
        size = (stream.codec_context.width, stream.codec_context.height)
        num_frames = stream.frames or int(float(stream.duration or 0) * float(stream.time_base or 0) * fps)
    num_frames = num_frames or sum(1 for _ in _decoded(path, 0, fps))
    next(_decoded(path, 0, fps))
    if truth is None:
        spans = [(path.stem, 0, num_frames)]
    elif abs(truth["fps"] - fps) > 0.01:
        spans = []  # Its frames are not numbered as the truth numbers them.
    else:
        spans = list(_pure(path.stem, truth, num_frames))
    return [
        Take(path=path, scene=scene, first=first, end=end, fps=fps, size=size)
        for scene, first, end in spans
        if end - first >= LEAST_SECONDS * fps
    ]


def _pure(stem: str, truth: dict[str, Any], num_frames: int) -> Iterator[tuple[str, int, int]]:
    """(scene, first, end) of what lies in a reel between all joins and events."""
    edges = [0, *sorted(truth["cuts"]), num_frames]
    spans = [(f"{stem}-{number}", *edges[number : number + 2]) for number in range(len(edges) - 1)]
    if "shots" in truth:
        spans = [(str(shot["clip"]), shot["start"], shot["end"]) for shot in truth["shots"]]
    events = [(edge, edge) for edge in edges[1:-1]]
    events += [(start, end) for kind in ("fades", "dissolves", "wipes") for start, end in truth.get(kind, [])]
    events += [(one["start"], one["end"]) for kind in ("joins", "distractors") for one in truth.get(kind, [])]
    padded = sorted((start - CLEARANCE_FRAMES, end + CLEARANCE_FRAMES) for start, end in events)
    for scene, first, end in spans:
        inside = [(start, until) for start, until in padded if start < end and until > first]
        at = first
        for start, until in [*inside, (end, end)]:
            if start > at:
                yield scene, at, min(start, num_frames)
            at = max(at, until)


def _decoded(path: Path, first: int, fps: float) -> Iterator[tuple[int, av.VideoFrame]]:
    """Frames with their number, from `first` on; a frame without a time has the number after the last one's."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        base = stream.time_base
        assert base is not None
        begin = stream.start_time or 0
        if first > 0:
            container.seek(begin + int(max(0, first - 1) / fps / base), stream=stream)
        number = -1
        for frame in container.decode(stream):
            number = number + 1 if frame.pts is None else round(float((frame.pts - begin) * base) * fps)
            if number >= first:
                yield number, frame


def _filled(frame: av.VideoFrame, size: Size) -> Image:
    """The middle of a picture, scaled so that it fills `size`."""
    width, height = size
    scale = max(width / frame.width, height / frame.height)
    wide, high = max(width, round(frame.width * scale)), max(height, round(frame.height * scale))
    picture = frame.to_ndarray(format="bgr24")
    if (wide, high) != (frame.width, frame.height):
        picture = cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = (wide - width) // 2, (high - height) // 2
    filled: Image = np.ascontiguousarray(picture[top : top + height, left : left + width])
    return filled
