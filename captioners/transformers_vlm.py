"""A vision-language model of the transformers library, run in the worker itself, several clips at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from captioners.local.folder import vlm_folder
from captioners.local.in_process import InProcessCaptioner
from preprocess.io.bounds import at_least
from preprocess.io.settings import OPERATIONAL

if TYPE_CHECKING:
    from captioners.local.vlm import LocalVlm


@dataclass(frozen=True, kw_only=True)
class TransformersVlmCaptioner(InProcessCaptioner):
    """Greedy answers of a model that `AutoModelForImageTextToText` loads: bf16 on the GPU, float32 on a CPU.

    Neither sampling nor a penalty on repetition, whatever the model's own settings say: a caption is the same again,
    and does not depend on the clips that happen to share its batch.
    """

    name: ClassVar[str] = "transformers_vlm"
    libraries: ClassVar[tuple[str, ...]] = ("torch", "torchvision", "transformers")

    batch_size: int = field(default=8, metadata=OPERATIONAL | at_least(1))
    """Clips of a forward pass at most; halved, for good, where the GPU's memory does not hold them."""
    gpus: float = field(default=0.6, metadata=OPERATIONAL)
    """Share of a GPU that a worker books: more than half, so that there is one on each, and towers fit beside it."""

    def load(self) -> LocalVlm:
        """The model on the GPU, or on the CPU where there is none."""
        from captioners.local.vlm import LocalVlm

        return LocalVlm(vlm_folder(self.weights), max_tokens=self.max_tokens, batch_size=self.batch_size)
