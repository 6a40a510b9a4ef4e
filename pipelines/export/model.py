"""What a base model was made for: its clips' frame rate, length and size. A model is one file in `models/`."""

from __future__ import annotations

from dataclasses import dataclass

from preprocess.cutting.format import CutFormat

Size = tuple[int, int]
"""Width and height, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What its own code generates, which is what a clip to tune it on is to look like."""

    name: str
    """As `--model` takes it."""
    fps: float
    frame_step: int
    """k: it takes k*n+1 frames."""
    frames: int
    """What it is used with, unless `--frames` says otherwise."""
    max_frames: int | None = None
    """The longest that it was made for, where its makers say."""
    side_multiple: int
    sizes: tuple[Size, ...]
    """Its sizes as landscapes, the usual one first. Clips of other shapes get as many pixels."""
    sound: bool = False
    """Whether it learns sound along with pictures."""
    source: str
    """Where all this is said publicly."""

    def __post_init__(self) -> None:
        for count in {self.frames, self.max_frames or self.frames}:
            self.check_frames(count)
        for size in self.sizes:
            self.check_size(size)

    def check_frames(self, count: int) -> None:
        """See that it takes clips of so many frames.

        Raises:
            ValueError: it does not; the message says which it does.
        """
        most = self.max_frames or max(count, self.frame_step + 1)
        if (count - 1) % self.frame_step or not 1 < count <= most:
            near = min(max(round((count - 1) / self.frame_step), 1) * self.frame_step + 1, most)
            bound = f", up to {self.max_frames}" if self.max_frames else ""
            raise ValueError(f"{self.name} takes {self.frame_step}n+1 frames{bound}, not {count}; try {near}")

    def check_size(self, size: Size) -> None:
        """See that it takes pictures of this size.

        Raises:
            ValueError: a side is no multiple of what it must be.
        """
        if any(side < 1 or side % self.side_multiple for side in size):
            raise ValueError(f"{self.name} takes sides that are multiples of {self.side_multiple}, not {size}")

    def format(self, *, frames: int, size: Size, sound: bool) -> CutFormat:
        """The files of clips for it: all of exactly so many frames, and of at most so many pixels."""
        return CutFormat(
            fps=self.fps,
            frame_step=self.frame_step,
            min_frames=frames,
            max_frames=frames,
            side_multiple=self.side_multiple,
            max_area=size[0] * size[1],
            crop_bars=True,
            sound=sound and self.sound,
        )
