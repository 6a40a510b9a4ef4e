"""The seam of other people's models: what is particular about a family of them, in a record of its own.

A new family is one file with one class: the names of diffusers' classes, how latents are normed, how the transformer
is called. Everything else - data, noise, LoRA, caches, shards, checkpoints - is as for our own transformer.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from training.families.first_frames import Encoders, load_eyes
from training.families.folder import PipelineFolder
from training.families.library import diffusers_class
from training.families.paths import Path, StraightPath
from training.families.texts import PipelineTexts
from training.models.grid import TokenGrid
from training.models.text import Text
from training.objectives.flow import shifted
from training.objectives.text_to_video import first_frame_condition
from training.run.noise import SampleNoise


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """What a transformer is asked about."""

    latents: torch.Tensor
    """(B, C, T, h, w), noised."""
    told: torch.Tensor
    """(B,), how much noise there is, as `Path.told` says it."""
    text: Text
    condition: torch.Tensor | None
    """As `Family.condition` gives it; 0 where nothing is told."""
    grid: TokenGrid
    image_tokens: int = 0
    """How many vectors a vision tower has made of a first frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family(ABC):
    """Pipelines that are trained alike. Latents are (B, C, T, h, w), normed as the transformer wants them."""

    pipeline: ClassVar[str]
    """diffusers' class, which reads captions and takes LoRA."""
    transformer: ClassVar[str]
    vae: ClassVar[str]
    text_parts: ClassVar[tuple[str, ...]] = ("text_encoder", "tokenizer")
    """Sub-folders that decide a caption's vectors."""
    lora_targets: ClassVar[str]
    """The layers that a LoRA changes where nothing else is said; see `training.models.lora.add_lora`."""
    image_parts: ClassVar[tuple[str, ...]] = ("image_encoder", "image_processor")
    """Sub-folders of what looks at a first frame, where there is such a tower, and of what prepares pictures for it."""
    image_layer: ClassVar[int] = 0
    """Of the vision tower, counted from the last, whose vectors are taken."""

    shift: float = 1.0
    """Of the noise levels, in training and sampling; see `training.objectives.flow.shifted`."""

    @abstractmethod
    def grid(self, folder: PipelineFolder) -> TokenGrid:
        """How samples become tokens."""

    def latent_channels(self, folder: PipelineFolder) -> int:
        """C."""
        return int(folder.setting("vae", "latent_channels"))

    def encode(self, vae: Any, video: torch.Tensor) -> torch.Tensor:
        """Latents of videos (B, 3, F, H, W) in [-1, 1]: the posterior's mean, normed; by one scale for all channels."""
        mean: torch.Tensor = vae.encode(video).latent_dist.mode()
        scale: float = vae.config.scaling_factor
        return mean * scale

    def decode(self, vae: Any, latents: torch.Tensor) -> torch.Tensor:
        """Videos (B, 3, F, H, W) of normed latents."""
        video: torch.Tensor = vae.decode(latents / vae.config.scaling_factor).sample
        return video

    @abstractmethod
    def read(self, pipeline: Any, captions: list[str]) -> Text:
        """Vectors (B, L, D) and their mask (B, L), by a pipeline that has its text encoders alone."""

    def read_beside(self, pipeline: Any, captions: list[str], condition: torch.Tensor | None) -> Text:
        """The same of captions that are read along with what is told of first frames, where they are."""
        return self.read(pipeline, captions)

    @abstractmethod
    def text_width(self, transformer: Any) -> int:
        """D of what `read` gives, by the transformer's settings."""

    @abstractmethod
    def answer(self, transformer: Any, asked: Asked) -> torch.Tensor:
        """What the transformer makes of noised latents; of their shape."""

    def blocks(self, transformer: Any) -> list[nn.Module]:
        """What is sharded, and computed again, one by one."""
        return list(transformer.transformer_blocks)

    @property
    def part(self) -> str:
        """The sub-folder of the transformer that is trained."""
        return "transformer"

    @property
    def other_part(self) -> str:
        """The sub-folder of a second transformer, for levels out of the first one's range; "" for none."""
        return ""

    def range_of_levels(self, folder: PipelineFolder) -> tuple[float, float]:
        """Between which levels it is used."""
        return 0.0, 1.0

    def idle(self, transformer: Any) -> list[str]:
        """Parts, or weights, that have no say, such as what the last block makes of the text: they cannot learn."""
        return []

    def path(self, folder: PipelineFolder) -> Path:
        """From data to noise."""
        return StraightPath()

    def tells_first_frames(self, folder: PipelineFolder) -> bool:
        """Whether the transformer can be told how a video begins."""
        return self.sees_first_frames(folder)

    def sees_first_frames(self, folder: PipelineFolder) -> bool:
        """Whether it is told so beside the latents, by what `seen` makes of pixels; else by the first latent alone."""
        return False

    def reads_first_frames(self, folder: PipelineFolder) -> bool:
        """Whether a caption's vectors depend on the first frame: then no cache has them."""
        return False

    def needs_first_frames(self, folder: PipelineFolder) -> bool:
        """Whether the transformer knows no video of which the first frame is not told."""
        return False

    def tells_in_place(self, transformer: Any) -> bool:
        """Whether a first latent that is told stands, clean, in place of the noised one, and is no part of the loss.
        What `condition` gives then begins with a mask and that latent."""
        return False

    def image_tokens(self, folder: PipelineFolder) -> int:
        """How many vectors the vision tower makes of a picture; 0 where there is none."""
        return 0

    def seen(self, encoders: Encoders, first_B31HW: torch.Tensor, num_latents: int) -> list[torch.Tensor]:
        """What must be encoded of a first frame (1, 3, 1, H, W), in [-1, 1], beside the latents of its video."""
        return []

    def seen_shapes(self, transformer: Any, image_tokens: int, size: Sequence[int]) -> list[tuple[int, ...]]:
        """Of what `seen` gives for latents of a size (T, h, w), by the transformer's settings."""
        return []

    def condition(
        self, first_BC1HW: torch.Tensor, seen: torch.Tensor, known_B: torch.Tensor, num_latents: int
    ) -> torch.Tensor:
        """What tells the transformer first frames (B, ..., T, h, w), 0 where they are not known.

        Args:
            first_BC1HW: the first latent of each video.
            seen: channels (B, E, T, h, w) in which lies what `seen` gave.
            known_B: whether it is told.
            num_latents: T, as `fitted` has it.
        """
        return first_frame_condition(first_BC1HW, num_latents, known_B)

    def fitted(self, clean: torch.Tensor, transformer: Any) -> torch.Tensor:
        """Latents as many as the transformer takes."""
        return clean

    def levels(self, noise: SampleNoise, tokens: int, *, lowest: float = 0.0, highest: float = 1.0) -> torch.Tensor:
        """Noise levels (B,) for training, of samples of so many tokens: uniform in a thousand levels, then shifted,
        between two levels."""
        drawn = noise.integers(1, 1001).float() / 1000
        first, last = (unshifted(level, self.shift) for level in (lowest, highest))
        return shifted(first + (last - first) * drawn, self.shift)

    def learnt(self, clean: torch.Tensor, condition: torch.Tensor | None, transformer: Any) -> torch.Tensor:
        """1 at the latents that the loss counts, 0 at others; of a shape that expands to theirs."""
        if condition is None or not self.tells_in_place(transformer):
            return torch.ones_like(clean[:, :1])
        return 1 - condition[:, :1]

    @property
    def comfyui_name(self) -> Callable[[str], str] | None:
        """From a layer's name to that in ComfyUI, whose names are those of the model's first release; None: unknown."""
        return None

    def check(self, folder: PipelineFolder) -> None:
        """See that a folder holds such a pipeline.

        Raises:
            ValueError: it holds another one.
        """
        folder.require(self.part, self.transformer)
        folder.require("vae", self.vae)

    def stand_ins(self, folder: PipelineFolder) -> dict[str, Any]:
        """Parts that the pipeline cannot be made without, but need not work, for captions to be read."""
        return {}

    def load_vae(self, folder: PipelineFolder) -> nn.Module:
        """The autoencoder, in float32."""
        return folder.loaded("vae", self.vae, torch.float32)

    def load_encoders(self, folder: PipelineFolder) -> Encoders:
        """The autoencoder and the vision tower, if there is one."""
        eyes = None
        if self.image_tokens(folder):
            tower, prepares = self.image_parts
            eyes = load_eyes(folder, tower, prepares, self.image_layer)
        return Encoders(self.load_vae(folder), eyes, see_first_frames=self.sees_first_frames(folder))

    def load_texts(self, folder: PipelineFolder) -> PipelineTexts:
        """The text encoders, in bfloat16 where there is a GPU."""
        kind = diffusers_class(self.pipeline)
        takes = inspect.signature(kind.__init__).parameters  # one for first frames has parts that this one has not
        others = [name for name, part in folder.index().items() if isinstance(part, list) and name in takes]
        pipeline = kind.from_pretrained(
            folder.path,
            **{name: None for name in others if name not in self.text_parts} | self.stand_ins(folder),
            dtype=torch.bfloat16 if torch.cuda.is_available() else torch.float32,
            use_safetensors=True,
            local_files_only=True,
        )
        return PipelineTexts(pipeline, self.text_parts, self.read_beside)


def unshifted(level: float, shift: float) -> float:
    """The level that `shifted` makes this one of."""
    return level / (shift + (1 - shift) * level)


def channels_first(values: Any, like: torch.Tensor) -> torch.Tensor:
    """A value for each channel, as (1, C, 1, 1, 1) beside latents."""
    return torch.as_tensor(values, dtype=like.dtype, device=like.device).view(1, -1, 1, 1, 1)
