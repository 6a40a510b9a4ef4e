"""A reward for motion itself, through which gradients pass: things move, and steadily, and nothing flickers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch.nn import functional

from training.rewards.base import Reward, in_range

SHARPNESS = 60.0
"""Of the choice among shifts, in units of their mean cost: one that costs a tenth of it has e^6 times the weight of one
that costs a fifth."""
STRIDES = (1, 2)
"""Frames between a frame and those it is compared with: slow motion shows in the larger one. The better one counts."""


class SmoothMotionReward(Reward):
    """How much better a steady motion explains the frames before and after each frame than standing still does.

    Around each pixel, one shift and its opposite are sought by which the picture before and the one after come to lie
    on the present one (a soft choice, so that gradients pass). With `still` the squared difference without a shift and
    `missed` the one that is left with it, the reward is (still - missed) / (still + missed + `least`), in about [0, 1).

    A steady pan is explained and has nearly 1. What flickers, fades, jumps or shakes is explained by no such shift. A
    frozen film has nothing to explain: `still` is 0 and so is the reward, the least that a film without noise can have.
    """

    name: ClassVar[str] = "smooth_motion"

    def __init__(self, *, side: int = 64, reach: int = 3, window: int = 5, least: float = 1e-3) -> None:
        self.side = side
        """Pixels of the shorter side that pictures are brought to: parts of a pixel count in small ones."""
        self.reach = reach
        """Pixels of that size that are searched, either way."""
        self.window = window
        """Side of the square over which differences are compared."""
        self.least = least
        """Mean squared difference, of pixels in [-1, 1], that counts half."""

    def __call__(self, video: torch.Tensor, captions: Sequence[str]) -> torch.Tensor:
        """Captions are not read. Fewer than three frames show no steady motion: 0."""
        frames_BFCHW = self._resized(in_range(video)).transpose(1, 2)
        strides = [stride for stride in STRIDES if 2 * stride < frames_BFCHW.shape[1]]
        if not strides:
            return 0 * frames_BFCHW.flatten(1).mean(1)
        return torch.stack([self._explained(frames_BFCHW, stride) for stride in strides]).amax(0)

    def _explained(self, frames_BFCHW: torch.Tensor, stride: int) -> torch.Tensor:
        """(B,), of frames so far apart."""
        now = frames_BFCHW[:, stride:-stride].flatten(0, 1)
        ends = frames_BFCHW[:, : -2 * stride], frames_BFCHW[:, 2 * stride :]
        before, after = (self._shifted(part.flatten(0, 1)) for part in ends)
        # The shift of `after` is the opposite one: the list of shifts backwards.
        differences = (now[:, :, None] - before).square() + (now[:, :, None] - after.flip(2)).square()
        cost = differences.mean(1) / 2  # (N, shifts, h, w)
        near = functional.avg_pool2d(cost, self.window, 1, self.window // 2, count_include_pad=False)
        weights = (-SHARPNESS * near / (near.mean(1, keepdim=True) + 1e-6)).softmax(1)
        missed, still = (weights * cost).sum(1), cost[:, cost.shape[1] // 2]
        missed, still = (each.reshape(len(frames_BFCHW), -1).mean(1) for each in (missed, still))
        return (still - missed) / (still + missed + self.least)

    def _resized(self, video_BCFHW: torch.Tensor) -> torch.Tensor:
        frames, height, width = video_BCFHW.shape[2:]
        factor = self.side / min(height, width)
        size = (frames, round(height * factor), round(width * factor))
        if factor > 1:
            return functional.interpolate(video_BCFHW, size, mode="trilinear")
        return functional.interpolate(video_BCFHW, size, mode="area")

    def _shifted(self, frames_NCHW: torch.Tensor) -> torch.Tensor:
        """(N, C, shifts, H, W)."""
        reach, across = self.reach, 2 * self.reach + 1
        padded = functional.pad(frames_NCHW, (reach,) * 4, mode="replicate")
        height, width = frames_NCHW.shape[2:]
        places = [(row, column) for row in range(across) for column in range(across)]
        return torch.stack([padded[:, :, row : row + height, column : column + width] for row, column in places], dim=2)
