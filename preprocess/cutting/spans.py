"""Frames of several clips of one video, clip by clip, in as few decodes as there have to be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction

from preprocess.clip import Clip
from preprocess.clocks import COUNTED
from preprocess.decode import Frame, Video

NEAR_SECONDS = 4
"""Clips that are not further apart are found by decoding on: to seek means to decode from a key frame, which may be as
far away."""


def runs(clips: Sequence[Clip]) -> list[list[Clip]]:
    """The clips of one source in order, those together that are decoded in one go: where times are counted, all."""
    found: list[list[Clip]] = []
    for clip in sorted(clips, key=lambda clip: clip.start_pts):
        last = found[-1][-1] if found else None
        near = last is not None and (clip.start_pts - last.end_pts) * clip.time_base <= NEAR_SECONDS
        if last is not None and (near or clip.clock == COUNTED):
            found[-1].append(clip)
        else:
            found.append([clip])
    return found


def frames_by_clip(video: Video, clips: Sequence[Clip]) -> Iterator[tuple[Clip, Iterator[Frame]]]:
    """Each clip of a run with its frames, which need not be taken to the end before the next clip is asked for."""
    begin = (clips[0].start_pts - Fraction(1, 2)) * clips[0].time_base
    frames = video.frames(float(begin))
    held: list[Frame] = []

    def of(clip: Clip) -> Iterator[Frame]:
        for frame in itertools.chain((held.pop(),) if held else (), frames):
            if frame.pts >= clip.end_pts:
                held.append(frame)
                return
            if frame.pts >= clip.start_pts:
                yield frame

    for clip in clips:
        yield clip, of(clip)
