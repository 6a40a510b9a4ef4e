"""Image and text towers: frames and captions become vectors, once for all scorers that read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from filters.towers.base import TowerModel
from filters.towers.batches import Batches, device
from filters.towers.models import layout, load_model
from filters.towers.pixels import FITS, RESAMPLINGS, Geometry
from preprocess.frames import FrameView
from preprocess.io.bounds import at_least, check, one_of
from preprocess.io.settings import OPERATIONAL, OUTSIDE
from preprocess.io.weights import MissingWeightsError, find_folder

if TYPE_CHECKING:
    import torch

Pixels = npt.NDArray[np.uint8]
"""(N, S, S, 3), RGB, as displayed."""
Embeddings = npt.NDArray[np.float32]
"""(N, D), each of length 1."""

FILES = ("*.safetensors", "*.json", "*.txt", "*.model")
"""Weights, configurations, and the files of all tokenizers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tower:
    """Which model embeds the frames. Scorers name it by `name`; two with one name share its forward pass.

    The frames are prepared where the video was decoded, which need not have the weights: so what the model wants of
    them stands here, and is checked against the model's own word when it is loaded.
    """

    libraries: ClassVar[tuple[str, ...]] = ("torch", "open_clip", "transformers")
    """Packages it imports that are not part of the core installation."""

    name: str
    weights: str = field(metadata=OUTSIDE)
    """Folder or hub id: an open_clip model (`open_clip_config.json`) or one of transformers (`config.json`)."""
    image_size: int = field(metadata=at_least(1))
    """Side in pixels of the square that the model sees."""
    fit: str = field(default="crop", metadata=one_of(*FITS))
    """"crop" takes the centre of the frame, as CLIP does; "squash" ignores its aspect, as SigLIP does."""
    resample: str = field(default="bicubic", metadata=one_of(*RESAMPLINGS))
    """"bicubic" or "bilinear"."""
    short_side: int | None = None
    """Pixels of a frame's shorter side before its centre is taken; `image_size` unless set (DINOv2: 256 for 224)."""
    num_frames: int = field(default=4, metadata=at_least(1))
    """Uniformly spaced frames of a clip; its first and last frame are embedded besides."""
    batch_size: int = field(default=64, metadata=OPERATIONAL | at_least(1))
    """Frames of a forward pass at most; halved, for good, where the GPU's memory does not hold them."""
    gpus: float = field(default=0.2, metadata=OPERATIONAL)
    """Share of a GPU that a worker books, where there is one."""

    def __post_init__(self) -> None:
        check(self, f"towers.{self.name}")
        if self.short_side is not None and self.short_side < self.image_size:
            raise ValueError(f"towers.{self.name}.short_side is {self.short_side}, less than {self.image_size}")

    @property
    def geometry(self) -> Geometry:
        """How frames become the model's squares."""
        short = self.short_side if self.fit == "crop" and self.short_side else self.image_size
        return Geometry(image_size=self.image_size, fit=self.fit, resample=self.resample, short_side=short)

    def check(self) -> None:
        """See that the weights are there, and of a kind that `load` reads.

        Raises:
            MissingWeightsError: they are not.
        """
        self.folder()

    def folder(self) -> Path:
        """The local folder of the weights.

        Raises:
            MissingWeightsError: it is nowhere, or holds no model of a known kind.
        """
        setting = f"towers.{self.name}.weights"
        found = find_folder(self.weights, setting=setting, files=FILES)
        try:
            layout(found)
        except ValueError as error:
            raise MissingWeightsError(f"{setting}: {error}") from error
        return found

    def frames(self, view: FrameView) -> tuple[Pixels, tuple[int, ...]]:
        """A clip's frames as the model wants them, in time order, and which of them are the uniformly spaced ones."""
        uniform = {id(sample) for sample in view.uniform(self.num_frames)}
        wanted = uniform | {id(view.samples[0]), id(view.samples[-1])}
        chosen = [sample for sample in view.samples if id(sample) in wanted]
        squares = [self.geometry.square(sample.picture.bgr()[..., ::-1]) for sample in chosen]
        return np.stack(squares), tuple(n for n, sample in enumerate(chosen) if id(sample) in uniform)

    def load(self) -> LoadedTower:
        """The model, on the GPU where there is one.

        Raises:
            MissingWeightsError: it is nowhere.
            ValueError: the folder is broken, or the model wants its pictures otherwise than this tower makes them.
        """
        folder = self.folder()
        model = load_model(folder)
        for one in fields(Geometry):
            ours, its = getattr(self.geometry, one.name), getattr(model.geometry, one.name)
            if ours != its:
                raise ValueError(
                    f"tower {self.name!r}: {one.name} is {ours}, the model in {folder} wants {its}; "
                    f"set towers.{self.name}.{one.name}={its}"
                )
        return LoadedTower(self.name, model, self.batch_size)


class LoadedTower:
    """A model in memory. One thread at a time gets through; the others wait."""

    def __init__(self, name: str, model: TowerModel, batch_size: int) -> None:
        import torch

        self.name = name
        self.model = model
        self._device = torch.device(device())
        model.module.to(self._device)
        scale = torch.tensor([model.mean, model.std], device=self._device)[:, None, :, None, None] * 255
        self._mean, self._std = scale[0], scale[1]
        self._batches = Batches(batch_size)
        self._lock = Lock()

    @property
    def batch_size(self) -> int:
        """Frames of a forward pass at most, as memory has shown so far."""
        return self._batches.size

    def embed_images(self, pixels: Pixels) -> Embeddings:
        """One forward pass over all frames, in batches.

        Raises:
            torch.OutOfMemoryError: a single frame is too much for the GPU.
        """
        with self._lock:
            return self._in_batches(pixels, self._images)

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """One vector a text. What goes beyond the model's context is left out.

        Raises:
            ValueError: the model reads no text.
        """
        if not self.model.reads_text:
            raise ValueError(f"tower {self.name!r} embeds images only; set the scorer's tower to one that reads text")
        with self._lock:
            return self._in_batches(texts, self.model.texts)

    def _images(self, pixels: Pixels) -> torch.Tensor:
        import torch

        # tensor() copies, which arrays from shared memory, being read-only, need
        values = torch.tensor(pixels).to(self._device).permute(0, 3, 1, 2).contiguous().to(torch.float32)
        return self.model.images(values.sub_(self._mean).div_(self._std))

    def _in_batches(self, items: Sequence[str] | Pixels, embed: Callable[..., torch.Tensor]) -> Embeddings:
        import torch

        try:
            vectors: list[Embeddings] = self._batches.run(lambda batch: self._embed(batch, embed), items)
        except torch.OutOfMemoryError as error:
            raise torch.OutOfMemoryError(f"tower {self.name!r}, at a batch of one: {error}") from error
        return np.stack(vectors) if vectors else np.empty((0, 0), np.float32)

    def _embed(self, batch: Sequence[str] | Pixels, embed: Callable[..., torch.Tensor]) -> Embeddings:
        """One batch, in half precision on a GPU and in float32 on a CPU."""
        import torch

        on_gpu = self._device.type == "cuda"
        half = torch.bfloat16 if on_gpu and torch.cuda.is_bf16_supported() else torch.float16
        with torch.inference_mode(), torch.autocast("cuda", dtype=half, enabled=on_gpu):
            embedded = embed(batch)
        found: Embeddings = torch.nn.functional.normalize(embedded.float(), dim=-1).cpu().numpy()
        return found


CLIP = Tower(name="clip", weights="timm/vit_large_patch14_clip_224.openai", image_size=224)
"""OpenAI's ViT-L/14 as open_clip has it (its `pretrained="openai"`): what LAION's aesthetic heads were trained on."""
SIGLIP = Tower(name="siglip", weights="google/siglip-so400m-patch14-384", image_size=384, fit="squash")
"""What the head of aesthetic-predictor v2.5 was trained on."""
DEFAULTS = {tower.name: tower for tower in (CLIP, SIGLIP)}
