"""Convolutions that never look ahead, and what they must remember to go on where a chunk of frames ended.

The memory is a value that goes in and comes out: one model can decode several videos in turn, in threads, or with its
activations recomputed, since no module holds state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What the layers must know of the frames before a chunk, by layer.

    A layer reads `past` and writes `present`; writing twice, as recomputation does, changes nothing.
    """

    past: Mapping[nn.Module, torch.Tensor] = field(default_factory=dict)
    """Each convolution's last input frames; empty before the first chunk."""
    present: dict[nn.Module, torch.Tensor] = field(default_factory=dict)
    started: bool = False
    """Whether there were chunks before."""

    def following(self) -> Memory:
        """The memory for the next chunk."""
        return Memory(past=self.present, started=True)


def is_start(memory: Memory | None) -> bool:
    """Whether a chunk begins with the first frame of its video; without a memory there is one chunk only."""
    return memory is None or not memory.started


class VideoConv3d(nn.Conv3d):
    """What is beside a picture is zero; what is before and after a video, subclasses say."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int, int] = (3, 3, 3),
        *,
        stride: tuple[int, int, int] = (1, 1, 1),
    ) -> None:
        # With stride 2 the pixel that is missing is added below and to the right, as SD's VAE has it.
        self.pads_after = stride[1] > 1
        padding = (0, 0, 0) if self.pads_after else (0, kernel[1] // 2, kernel[2] // 2)
        super().__init__(inputs, outputs, kernel, stride=stride, padding=padding)


class CausalConv3d(VideoConv3d):
    """Frame t is made from frames t - kernel + 1 to t; before the first frame stand copies of it."""

    def forward(self, x_BCTHW: torch.Tensor, memory: Memory | None = None) -> torch.Tensor:
        """(B, inputs, T, H, W) to (B, outputs, T', H', W').

        T' = (T - 1) // stride + 1 at the start of a video, T // stride in later chunks, whose T is a multiple of it.
        """
        if self.pads_after:
            x_BCTHW = functional.pad(x_BCTHW, (0, 1, 0, 1))
        kernel, stride = self.kernel_size[0], self.stride[0]
        if kernel > 1:
            past = None if memory is None else memory.past.get(self)
            if past is None:
                past = self.before(x_BCTHW[:, :, :1]).expand(-1, -1, kernel - 1, -1, -1)
            x_BCTHW = torch.cat([past, x_BCTHW], dim=2)
            if memory is not None:
                # A copy: a view would keep all frames of the chunk alive.
                memory.present[self] = x_BCTHW[:, :, stride - kernel :].clone()
        return super().forward(x_BCTHW)

    def before(self, first_BC1HW: torch.Tensor) -> torch.Tensor:
        """What stands before the first frame."""
        return first_BC1HW


class PictureConv3d(CausalConv3d):
    """Before the first frame stands nothing, and at first no frame is made from others.

    So a picture teaches what a frame is made of by itself, at a third of the cost, and a film is at first as good as
    its frames are as pictures. What is learnt on copies would be divided among them, and show a film's frames mixed.
    """

    def zero_start(self) -> None:
        """The frame itself alone, as large as all together would be."""
        with torch.no_grad():
            self.weight[:, :, :-1] = 0.0
            self.weight[:, :, -1] *= self.kernel_size[0] ** 0.5

    def forward(self, x_BCTHW: torch.Tensor, memory: Memory | None = None) -> torch.Tensor:
        """See `CausalConv3d.forward`."""
        if memory is not None or x_BCTHW.shape[2] > 1:
            return super().forward(x_BCTHW, memory)
        if self.pads_after:
            x_BCTHW = functional.pad(x_BCTHW, (0, 1, 0, 1))
        own = self.weight[:, :, -1:]
        return functional.conv3d(x_BCTHW, own, self.bias, self.stride, self.padding)

    def before(self, first_BC1HW: torch.Tensor) -> torch.Tensor:
        """Zeros."""
        return torch.zeros_like(first_BC1HW)
