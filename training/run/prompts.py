"""What is sampled again and again while a run trains, so that one sees how it gets on."""

from __future__ import annotations

from dataclasses import dataclass, field

from preprocess.io.bounds import above, at_least, check
from preprocess.io.settings import OPERATIONAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """Fixed prompts, and how a video is made of each, every `trainer.sample_every` steps."""

    prompts: tuple[str, ...] = field(default=(), metadata=OPERATIONAL)
    """One video each; "" leaves it to the model."""
    images: tuple[str, ...] = field(default=(), metadata=OPERATIONAL | {"location": True})
    """Files of the pictures to begin with, one for each prompt, "" for none; empty for no pictures at all."""
    seed: int = field(default=0, metadata=OPERATIONAL)
    """Of the noise, the same each time: what changes is the model."""
    num_steps: int = field(default=20, metadata=OPERATIONAL | at_least(1))
    """Of sampling, from noise to a video."""
    guidance: float = field(default=4.0, metadata=OPERATIONAL)
    """See `GenerateConfig`; 1 is none, and half the work."""
    shape: tuple[int, ...] | None = field(default=None, metadata=OPERATIONAL)
    """Frames, height and width; None takes the largest that is trained on."""
    fps: float | None = field(default=None, metadata=OPERATIONAL | above(0))
    """Frames a second; None takes those that are trained on."""

    def __post_init__(self) -> None:
        check(self, "samples")
        if self.images and len(self.images) != len(self.prompts):
            raise ValueError(
                f"samples.images names {len(self.images)} pictures for {len(self.prompts)} prompts: as many, "
                '"" where a prompt has none'
            )
        if self.shape is not None and (len(self.shape) != 3 or min(self.shape) < 1):
            raise ValueError(f"samples.shape is {list(self.shape)}: frames, height and width, such as [9, 32, 32]")
