"""What fades and dissolves are found with: thumbnails of the latest frames, and how far a change reaches.

Both are a blend, `frame_t = (1 - a_t) * before + a_t * after`, which no pair of neighbouring frames shows; a fade's far
side is one solid colour. The search starts at a frame inside the blend (for fades here a solid or faint one, for
dissolves see `preprocess.shots.dissolves`) and walks outwards until the picture stops changing: there clean frames
begin.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]
Vector = npt.NDArray[np.float32]

THUMB_LONG_SIDE = 32
"""Long side of a thumbnail in pixels: blurred enough that moving things hardly count, sharp enough to tell pictures."""
SOLID_STD = 2.0
"""A frame is solid below this standard deviation of its thumbnail's luma and chroma (0-255 levels). An empty asphalt
lot, the plainest real shot at hand, has 10; black with heavy grain (sigma 5 a pixel) has 1."""
VALLEY_CONTRAST = 0.35
"""A short fade need not contain a solid frame; its faintest one keeps at most this part of the contrast beside it."""
MIN_VALLEY_CORRELATION = 0.8
"""Lowest correlation of such a fade's half faded frames with the clean ones."""

_SLOPE_FRAMES = 4  # rise is judged over this many frames, so content with doubled or tripled frames still rises
_FLAT = 0.25  # a walk has arrived once it rises slower than this part of its mean slope so far
_ARRIVED = 0.97  # ... and the clean frames begin where it has reached this part of what it reached
BLACK_LEVEL = 20.0
"""Luma up to which a thumbnail's pixel is taken for a bar; encoders leave bars at 0 to 5 and blur their edges."""
_FLOOR_RMS = 2.0  # levels of RMS that grain and compression alone move a still picture


class Track:
    """Thumbnails and contrasts of the latest frames, addressed by frame index."""

    def __init__(self) -> None:
        self.first = 0
        """Index of the oldest frame kept."""
        self._thumb_size = (0, 0)
        self._lumas: list[Plane] = []
        self._thumbs: Vector = np.zeros((0, 0), np.float32)  # rows beyond the last frame's are room to grow
        self._count = 0
        self._luma_std: list[float] = []
        self._chroma_std: list[float] = []

    @property
    def end(self) -> int:
        """One past the newest frame."""
        return self.first + self._count

    def append(self, frame_ycbcr: npt.NDArray[np.uint8]) -> None:
        """Take the next frame, uint8 (h, w, 3)."""
        height, width = frame_ycbcr.shape[:2]
        scale = min(1.0, THUMB_LONG_SIDE / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        thumb = cv2.resize(frame_ycbcr, size, interpolation=cv2.INTER_AREA).reshape(-1).astype(np.float32)
        self._thumb_size = size
        luma, cb, cr = cv2.meanStdDev(thumb.reshape(-1, 1, 3))[1][:, 0].tolist()
        self._lumas.append(cv2.extractChannel(frame_ycbcr, 0))
        if self._count == len(self._thumbs):  # one array, so that a range of frames is a view and no copy
            grown = np.zeros((max(512, 2 * self._count), len(thumb)), np.float32)
            grown[: self._count] = self._thumbs[: self._count, : len(thumb)] if self._count else 0
            self._thumbs = grown
        self._thumbs[self._count] = thumb
        self._count += 1
        self._luma_std.append(luma)
        self._chroma_std.append(max(cb, cr))

    def forget_before(self, index: int) -> None:
        """Drop frames before `index`, in batches: a deletion moves the whole list."""
        gone = index - self.first
        if gone > 64:
            del self._lumas[:gone]
            self._count -= gone
            self._thumbs[: self._count] = self._thumbs[gone : gone + self._count].copy()
            del self._luma_std[:gone]
            del self._chroma_std[:gone]
            self.first = index

    def luma(self, index: int) -> Plane:
        """The luma of one frame, uint8 (h, w)."""
        return self._lumas[index - self.first]

    def thumb(self, index: int) -> Vector:
        """The thumbnail of one frame, float32 (d,)."""
        thumb: Vector = self._thumbs[index - self.first]
        return thumb

    def thumbs_without_bars(self, first: int, second: int) -> tuple[Vector, Vector]:
        """Two thumbnails without the black rows and columns that both have at their edges: letterboxing is in every
        shot of a film, and would make all of them look alike."""
        width, height = self._thumb_size
        pair = np.stack([self.thumb(first), self.thumb(second)]).reshape(2, height, width, 3)
        lit = pair[..., 0].max(axis=0) > BLACK_LEVEL
        rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
        if rows.size and columns.size:
            pair = pair[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return pair[0].reshape(-1), pair[1].reshape(-1)

    def thumbs(self, start: int, end: int) -> Vector:
        """Thumbnails of the frames [start, end), float32 (n, d)."""
        return self._thumbs[start - self.first : min(self._count, end - self.first)]

    def contrast(self, index: int) -> float:
        """Standard deviation of a thumbnail's luma, in levels."""
        return self._luma_std[index - self.first]

    def contrasts(self, start: int, end: int) -> list[float]:
        """`contrast` of the frames [start, end) that are kept."""
        return self._luma_std[max(0, start - self.first) : max(0, end - self.first)]

    def is_solid(self, index: int) -> bool:
        """Whether a frame is one colour all over."""
        at = index - self.first
        return self._luma_std[at] < SOLID_STD and self._chroma_std[at] < SOLID_STD


def fade_start(track: Track, solid: int, reach: int) -> int:
    """First faded frame of a fade-out that arrives at the frame `solid`, at most `reach` frames before it."""
    start = max(track.first, solid - reach)
    return max(start, solid - _padded(plateau(_distances(track.thumbs(start, solid + 1)[::-1]))) + 1)


def fade_end(track: Track, solid: int, reach: int) -> int:
    """First clean frame after a fade-in that leaves the frame `solid`, at most `reach` frames after it."""
    end = min(track.end, solid + reach + 1)
    return min(end, solid + _padded(plateau(_distances(track.thumbs(solid, end)))))


def is_valley(track: Track, at: int, reach: int) -> bool:
    """Whether a frame that is not solid is the faintest of a fade: contrast falls towards it and rises after it."""
    here = track.contrast(at)
    before, after = track.contrasts(at - reach, at), track.contrasts(at + 1, at + 1 + reach)
    if len(before) < 2 or len(after) < 2 or here > VALLEY_CONTRAST * min(max(before), max(after)):
        return False
    if not (before[-1] > here < after[0] and before[-2] > here < after[1]):
        return False
    start, end = fade_start(track, at, reach), fade_end(track, at, reach)
    if not (2 <= at - start < reach and 2 < end - at < reach) or end >= track.end or start <= track.first:
        return False
    # Half way up each side stands the same picture as at its top, only fainter.
    sides = (((at + start - 1) // 2, start - 1), ((at + end) // 2, end))
    return all(correlation(track.thumb(half), track.thumb(top)) > MIN_VALLEY_CORRELATION for half, top in sides)


def passes_solid(track: Track, start: int, end: int) -> bool:
    """Whether the blend [start, end) is much fainter inside than on either side, as a fade is and a dissolve is not."""
    inside = track.contrasts(start, end)
    beside = track.contrasts(start - 1, start) + track.contrasts(end, end + 1)
    return bool(inside and beside) and min(inside) < VALLEY_CONTRAST * min(beside)


def plateau(rise: Vector, floor: float = _FLOOR_RMS) -> int:
    """How many steps a walk takes until it stops rising; the last step where it never does.

    `rise` is how far, in levels, each step has come from the walk's first; steps below `floor` have not begun to rise.
    """
    begin = 0
    while begin + 1 < len(rise) and rise[begin + 1] <= floor:
        begin += 1
    for step in range(begin + _SLOPE_FRAMES, len(rise)):
        gain = rise[step] - rise[step - _SLOPE_FRAMES]
        if gain < _FLAT * _SLOPE_FRAMES * (rise[step] - rise[begin]) / (step - begin) or rise[step] <= floor:
            top = float(rise[begin : step + 1].max())
            return int(np.argmax(rise >= _ARRIVED * top))
    return len(rise) - 1


def correlation(thumb: Vector, other_thumb: Vector) -> float:
    """Pearson correlation of two thumbnails with each channel centred; 1 is the same picture."""
    a, b = (vector.reshape(-1, 3) - vector.reshape(-1, 3).mean(axis=0) for vector in (thumb, other_thumb))
    return float((a * b).sum() / (np.sqrt((a * a).sum() * (b * b).sum()) + 1e-6))


def unexplained(earlier: Plane, later: Plane, *, match_light: bool) -> float:
    """The part of two frames' difference that is left once what moved is moved back by optical flow.

    With `match_light`, a brightening of the whole picture counts as explained too.
    """
    lit = earlier
    if match_light:
        (mean, std), (later_mean, later_std) = ((plane.mean(), plane.std()) for plane in (earlier, later))
        gain = later_std / max(1.0, std)
        lit = np.clip((earlier - mean) * gain + later_mean, 0, 255).astype(np.uint8)
    columns, rows = np.meshgrid(*(np.arange(size, dtype=np.float32) for size in earlier.shape[::-1]))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(later, lit, None)
    moved = cv2.remap(
        lit, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return float(cv2.norm(moved, later, cv2.NORM_L1) / max(1.0, cv2.norm(earlier, later, cv2.NORM_L1)))


def _padded(steps: int) -> int:
    """Steps after which a frame is clean for certain: eased ends and motion hide the last few shares of a blend."""
    return 1 if steps <= 1 else steps + 1 + steps // 8


def _distances(thumbs: Vector) -> Vector:
    """RMS distance of each thumbnail from the first, in levels."""
    distances: Vector = np.linalg.norm(thumbs - thumbs[0], axis=1) / np.float32(thumbs.shape[1] ** 0.5)
    return distances
