"""A vision-language model of the transformers library, run in the worker itself, several clips at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from captioners.base import Caption, Captioner, ClipToDescribe
from captioners.conversation import described
from captioners.prompt import Prompt, load_prompt
from captioners.vlm_folder import vlm_folder
from preprocess.settings import OPERATIONAL

if TYPE_CHECKING:
    from captioners.local_vlm import LocalVlm


@dataclass(frozen=True, kw_only=True)
class TransformersVlmCaptioner(Captioner):
    """Greedy answers of a model that `AutoModelForImageTextToText` loads: bf16 on the GPU, float32 on a CPU.

    Neither sampling nor a penalty on repetition, whatever the model's own settings say: a caption is the same again,
    and does not depend on the clips that happen to share its batch.
    """

    name: ClassVar[str] = "transformers_vlm"
    libraries: ClassVar[tuple[str, ...]] = ("torch", "torchvision", "transformers")

    weights: str = "Qwen/Qwen2.5-VL-7B-Instruct"
    """Folder or hub id."""
    prompt: str = "detailed_v1"
    short_prompt: str | None = "short_v1"
    """Asked after the detailed answer, about the same frames; None for no short caption."""
    num_frames: int = 8
    long_side: int = 448
    max_tokens: int = 512
    """Longest answer; one that is cut off there is marked `truncated`."""
    batch_size: int = field(default=8, metadata=OPERATIONAL)
    """Clips of a forward pass at most; halved, for good, where the GPU's memory does not hold them."""
    gpus: float = field(default=0.6, metadata=OPERATIONAL)
    """Share of a GPU that a worker books: more than half, so that there is one on each, and towers fit beside it."""

    def __post_init__(self) -> None:
        for name in ("num_frames", "long_side", "max_tokens", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")

    @property
    def prompt_id(self) -> str:
        """Names and content hashes of the prompts in use, in the order of their use."""
        return " ".join(prompt.id for prompt in self._prompts)

    def check(self) -> None:
        """See that the prompts and all files of the model are there.

        Raises:
            MissingWeightsError: a file of the model is not.
            ValueError: there is no such prompt.
        """
        _ = self._prompts
        vlm_folder(self.weights)

    def setup(self) -> None:
        """Load the model onto the GPU, or onto the CPU where there is none."""
        _ = self._model

    def caption(self, clips: Sequence[ClipToDescribe]) -> list[Caption]:
        """Two rounds over all clips: the detailed captions, then the short ones."""
        texts = [prompt.text for prompt in self._prompts]
        return described(self._model.ask, clips, texts[0], texts[1] if len(texts) > 1 else None)

    def close(self) -> None:
        """Drop the model."""
        self.__dict__.pop("_model", None)

    @cached_property
    def _prompts(self) -> tuple[Prompt, ...]:
        """Read once and carried to other processes, which may not have the user's files."""
        return tuple(load_prompt(name) for name in (self.prompt, self.short_prompt) if name)

    @cached_property
    def _model(self) -> LocalVlm:
        from captioners.local_vlm import LocalVlm

        return LocalVlm(vlm_folder(self.weights), max_tokens=self.max_tokens, batch_size=self.batch_size)
