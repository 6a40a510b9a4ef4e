"""What a transformer is told of a video beside its text, part by part: each has channels of its own in the condition.

EasyAnimate v5.1 has three models: what is known of the video (InP), a control video with a reference picture (Control),
and the rays of a camera with one. Here a model may be told any of them, in any order, and a part that a sample lacks is
zero, as in training it is by chance: so one model serves all tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from preprocess.records import shapes_repr
from training.models import rays
from training.models.grid import Shape

Part = Literal["known", "control", "reference", "rays"]
PARTS: tuple[Part, ...] = get_args(Part)
RELEASED: Sequence[tuple[Part, ...]] = (("known",), ("control", "reference"), ("rays", "reference"))
"""The conditions of EasyAnimate's models."""
_NAMES: Mapping[Part, str] = {
    "known": "part of a video",
    "control": "control video",
    "reference": "reference picture",
    "rays": "camera",
}


_TOLD = ("video", "known", "control", "reference", "cameras")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Told:
    """What is told of B samples beside their text. Pixels are -1 to 1; what is None is not told."""

    video: torch.Tensor | None = None
    """(B, 3, F, H, W), of which a part is known."""
    known: torch.Tensor | None = None
    """(B, 1, F, H, W): 1 where it is, 0 elsewhere; beside `video`."""
    control: torch.Tensor | None = None
    """(B, 3, F, H, W): poses, depths, edges, tracks, as a video."""
    reference: torch.Tensor | None = None
    """(B, 3, 1, H, W): what things look like."""
    cameras: torch.Tensor | None = None
    """(B, F, 16): see `training.models.rays.CAMERA_VALUES`."""

    __repr__ = shapes_repr

    def __post_init__(self) -> None:
        if (self.video is None) != (self.known is None):
            raise ValueError("a video of which a part is known and the mask that says which go together")

    @property
    def parts(self) -> list[Part]:
        """What is told."""
        each = {"known": self.known, "control": self.control, "reference": self.reference, "rays": self.cameras}
        return [part for part in PARTS if each[part] is not None]

    @property
    def count(self) -> int:
        """B."""
        return next((len(each) for each in self._tensors() if each is not None), 0)

    def to(self, device: torch.device) -> Told:
        """The same there."""
        here = {
            name: None if given is None else given.to(device)
            for name, given in zip(_TOLD, self._tensors(), strict=True)
        }
        return Told(**here)

    def check(self, shape: Shape) -> None:
        """See that all is of the frames and the pixels of a shape.

        Raises:
            ValueError: something is not.
        """
        pixels = (shape.frames, shape.height, shape.width)
        wanted: list[tuple[int, ...]] = [(3, *pixels), (1, *pixels), (3, *pixels)]
        wanted += [(3, 1, shape.height, shape.width), (shape.frames, rays.CAMERA_VALUES)]
        for name, given, size in zip(_TOLD, self._tensors(), wanted, strict=True):
            if given is not None and tuple(given.shape) != (self.count, *size):
                raise ValueError(f"{name} is {tuple(given.shape)}, must be {(self.count, *size)}")

    def _tensors(self) -> list[torch.Tensor | None]:
        return [getattr(self, name) for name in _TOLD]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionLayout:
    """Which channels of the condition are what."""

    parts: tuple[Part, ...]
    latent_channels: int

    @classmethod
    def of(cls, parts: Sequence[str], *, latent_channels: int, channels: int) -> ConditionLayout:
        """Of a model with so many channels for its condition; without parts, those of EasyAnimate's that fit.

        Raises:
            ValueError: there is no such part, or the parts make another number of channels.
        """
        if set(parts) - set(PARTS) or len(set(parts)) < len(parts):
            raise ValueError(f"told is {','.join(parts)!r}, allowed are {', '.join(PARTS)}, once each")
        if not channels and not parts:
            return cls(parts=(), latent_channels=latent_channels)
        chosen = tuple(PARTS[PARTS.index(part)] for part in parts if part in PARTS)
        layouts = [cls(parts=each, latent_channels=latent_channels) for each in ([chosen] if parts else RELEASED)]
        for layout in layouts:
            if layout.channels == channels:
                return layout
        counts = "; ".join(f"told={','.join(each.parts)} makes {each.channels}" for each in layouts)
        raise ValueError(
            f"the model has {channels} channels for its condition (model.in_channels less latent_channels): {counts}"
        )

    @property
    def channels(self) -> int:
        """Of all parts."""
        return sum(self.width(part) for part in self.parts)

    def width(self, part: Part) -> int:
        """Channels of one part."""
        return {"known": 1 + self.latent_channels, "rays": rays.CHANNELS}.get(part, self.latent_channels)

    def whole(self, given: Mapping[Part, torch.Tensor], like: torch.Tensor) -> torch.Tensor:
        """(B, channels, T, h, w) for latents `like` (B, C, T, h, w): what is given, and zeros.

        Raises:
            ValueError: something is given that the model has no channels for.
        """
        for part in given:
            self.require(part)
        batch, _, *size = like.shape
        parts = [
            given[part].to(like.dtype) if part in given else like.new_zeros(batch, self.width(part), *size)
            for part in self.parts
        ]
        return torch.cat(parts, dim=1)

    def require(self, part: Part) -> None:
        """See that the model is told of this.

        Raises:
            ValueError: it has no channels for it.
        """
        if part not in self.parts:
            has = ", ".join(self.parts) or "no condition"
            raise ValueError(f"the model takes no {_NAMES[part]}: it has channels for {has} (objective.told)")


def of_rows(rows_B: torch.Tensor, empty: torch.Tensor, made: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """`empty` (B, ...) where a mask is not set, and what `made` gives for the numbers of the rows where it is.

    Only those are made: the rest of a batch costs the autoencoder nothing.
    """
    numbers = rows_B.nonzero()[:, 0]
    return empty.index_copy(0, numbers, made(numbers).to(empty.dtype)) if len(numbers) else empty


def reference_condition(reference_BC1HW: torch.Tensor, num_latents: int) -> torch.Tensor:
    """(B, C, T, h, w): the latent of a picture (B, C, 1, h, w) in the first place, zeros after it."""
    batch, channels, _, height, width = reference_BC1HW.shape
    condition = reference_BC1HW.new_zeros(batch, channels, num_latents, height, width)
    condition[:, :, :1] = reference_BC1HW
    return condition
