"""FrameViews of synthetic clips, sampled from full-size frames the way the decoding pass does it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt

from preprocess.clip import Clip
from preprocess.detail import Detail, chosen_tiles
from preprocess.frames import (
    ANALYSIS_LONG_SIDE,
    PAIR_SECONDS,
    PICTURE_LONG_SIDE,
    SAMPLES_PER_SECOND,
    FrameSignals,
    FrameView,
    Picture,
    Plane,
    Sample,
)

Frame = npt.NDArray[np.uint8]
"""uint8, gray (H, W) or BGR (H, W, 3)."""


def view_of(frames: Iterable[Frame], *, fps: Fraction | int = 24, start_frame: int = 0) -> FrameView:
    """The view of a clip whose n-th frame is shown at (start_frame + n) / fps; frames are taken one at a time."""
    rate = Fraction(fps)
    smalls: list[Picture] = []
    details: dict[int, Detail] = {}
    pictures: dict[int, Picture] = {}
    height, width = 0, 0
    for n, frame in enumerate(frames):
        height, width = frame.shape[:2]
        full = _picture(frame)
        smalls.append(_reduced(full, ANALYSIS_LONG_SIDE))
        if n == 0 or _slot(start_frame + n, rate) != _slot(start_frame + n - 1, rate):
            pictures[n] = _reduced(full, PICTURE_LONG_SIDE)
            tiles, sharpest = chosen_tiles(full.y)
            details[n] = Detail(tiles=tiles, sharpest=sharpest)
    if len(pictures) > 1 and _slot(start_frame, rate) == _slot(start_frame - 1, rate):
        del pictures[0]  # not on the grid; a clip without any grid point keeps its first frame
    clip = Clip(
        source_id="0" * 32,
        source_uri="synthetic.mp4",
        start_pts=start_frame,
        end_pts=start_frame + len(smalls),
        time_base=1 / rate,
        num_frames=len(smalls),
        fps=rate,
        width=width,
        height=height,
    )
    seconds = np.array([float((start_frame + n) / rate) for n in range(len(smalls))])
    signals = FrameSignals(
        seconds=seconds,
        luma_mean=np.array([small.y.mean() for small in smalls]),
        luma_std=np.array([small.y.std() for small in smalls]),
        change=np.array([np.nan, *(_change(a, b) for a, b in itertools.pairwise(smalls))]),
    )
    samples = tuple(_sample(n, picture, details[n], smalls, seconds) for n, picture in pictures.items())
    return FrameView(clip=clip, signals=signals, samples=samples)


def texture(height: int, width: int, *, seed: int = 0) -> Frame:
    """A gray picture with detail at every scale, as in nature (amplitude falls as 1/frequency), mean about 128."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width), np.float32)
    cells = 4
    while cells < max(height, width):
        shape = (max(2, cells * height // max(height, width)), max(2, cells * width // max(height, width)))
        octave = rng.standard_normal(shape).astype(np.float32)
        total += cv2.resize(octave, (width, height), interpolation=cv2.INTER_CUBIC) * (4 / cells) ** 0.7
        cells *= 2
    total -= total.mean()
    return np.clip(128 + total * (45 / total.std()), 0, 255).astype(np.uint8)


def moving(
    scene: Frame,
    size: tuple[int, int],
    placed: Callable[[float], tuple[float, float, float]],
    *,
    fps: Fraction | int = 24,
    seconds: float = 4.0,
    noise: float = 0.0,
) -> Iterator[Frame]:
    """Frames (height, width) = `size` of a camera over a still `scene`.

    `placed(t)` gives the camera's centre in the scene as x, y (pixels from the scene's centre) and its zoom (2 shows
    half of the scene's extent). The scene must be larger than what the camera sees, or its border repeats. `noise` is
    the standard deviation of sensor noise in grey levels.
    """
    rng = np.random.default_rng(1)
    height, width = size
    middle_y, middle_x = (scene.shape[0] - 1) / 2, (scene.shape[1] - 1) / 2
    for n in range(round(seconds * float(fps))):
        x, y, zoom = placed(float(n / Fraction(fps)))
        to_scene = np.array(
            [
                [1 / zoom, 0, middle_x + x - (width - 1) / 2 / zoom],
                [0, 1 / zoom, middle_y + y - (height - 1) / 2 / zoom],
            ]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        frame = cv2.warpAffine(scene, to_scene, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)
        if noise:
            noisy = frame + rng.normal(0, noise, frame.shape).astype(np.float32)
            frame = np.clip(noisy + 0.5, 0, 255).astype(np.uint8)
        yield frame.astype(np.uint8)


def _slot(frame: int, rate: Fraction) -> int:
    """How many grid points lie at or before this frame."""
    return int(frame * SAMPLES_PER_SECOND / rate // 1)


def _sample(
    n: int, picture: Picture, detail: Detail, smalls: list[Picture], seconds: npt.NDArray[np.float64]
) -> Sample:
    later = int(np.argmin(np.abs(seconds - seconds[n] - PAIR_SECONDS)))
    has_pair = later > n and seconds[-1] >= seconds[n] + PAIR_SECONDS - 1e-6
    return Sample(
        seconds=float(seconds[n]),
        luma=smalls[n].y,
        picture=picture,
        pair_luma=smalls[later].y if has_pair else None,
        pair_seconds=float(seconds[later] - seconds[n]) if has_pair else PAIR_SECONDS,
        detail=detail,
    )


def _picture(frame: Frame) -> Picture:
    """Full-range planes of a frame, chroma at half size."""
    bgr = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR) if frame.ndim == 2 else frame
    y, cr, cb = cv2.split(cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb))
    return Picture(y=y.astype(np.uint8), cb=_halved(cb.astype(np.uint8)), cr=_halved(cr.astype(np.uint8)))


def _halved(plane: Plane) -> Plane:
    height, width = plane.shape
    return cv2.resize(plane, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _reduced(picture: Picture, long_side: int) -> Picture:
    """Brought down to `long_side` by averaging areas; a smaller picture is left alone."""
    height, width = picture.y.shape
    scale = long_side / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    y = cv2.resize(picture.y, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    half = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    cb, cr = (cv2.resize(p, half, interpolation=cv2.INTER_AREA).astype(np.uint8) for p in (picture.cb, picture.cr))
    return Picture(y=y, cb=cb, cr=cr)


def _change(before: Picture, after: Picture) -> float:
    pairs = ((before.y, after.y), (before.cb, after.cb), (before.cr, after.cr))
    return float(np.mean([cv2.absdiff(a, b).mean() for a, b in pairs]))
