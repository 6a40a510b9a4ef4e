"""Where headers of copied pictures were changed, the file is decoded once: its frames must be the source's to the bit.

Standards allow all that is changed; decoders have their own mind. FFmpeg 8 takes a picture for one that it has if both
have the same number, though a key frame stands between them, and drops it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import av.video
import numpy as np

from preprocess.cutting.refusal import CannotCopy


def check_pictures(dest: Path, num_frames: int, source: Iterable[av.VideoFrame], *, num_before: int) -> None:
    """See that a file has so many frames, and that those behind the first `num_before` begin with the source's.

    Raises:
        CannotCopy: there are others, or not as many.
    """
    with av.open(str(dest)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        count, wrong = 0, False
        expected = iter(source)
        try:
            for frame in container.decode(video=0):
                count += 1
                theirs = next(expected, None) if count > num_before else None
                wrong |= frame.is_corrupt or (theirs is not None and not _are_equal(frame, theirs))
                if wrong:
                    break
        except av.error.FFmpegError:
            wrong = True
    if wrong or count != num_frames or next(expected, None) is not None:
        raise CannotCopy("decoders do not see the same pictures in it")


def _are_equal(one: av.VideoFrame, other: av.VideoFrame) -> bool:
    if (one.width, one.height, one.format.name) != (other.width, other.height, other.format.name):
        return False
    sample = 2 if max(each.bits for each in one.format.components) > 8 else 1
    for ours, theirs in zip(one.planes, other.planes, strict=True):
        rows = [
            np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width * sample]
            for plane in (ours, theirs)
        ]
        if not np.array_equal(rows[0], rows[1]):
            return False
    return True
