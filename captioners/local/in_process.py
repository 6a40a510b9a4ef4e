"""What captioners share that run a vision-language model in the worker itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from captioners.base import Caption, Captioner, CaptionServerError, ClipToDescribe
from captioners.chat.conversation import described
from captioners.local.folder import vlm_folder
from captioners.prompt import Prompt, load_prompt
from captioners.streak import Streak
from preprocess.io.bounds import at_least, check
from preprocess.io.settings import OPERATIONAL, OUTSIDE


@dataclass(frozen=True, kw_only=True)
class InProcessCaptioner(Captioner):
    """Asks for a detailed caption, then about the same frames for a short one."""

    weights: str = field(default="Qwen/Qwen2.5-VL-7B-Instruct", metadata=OUTSIDE)
    """Folder or hub id."""
    prompt: str = field(default="detailed_v1", metadata=OUTSIDE)
    short_prompt: str | None = field(default="short_v1", metadata=OUTSIDE)
    """Asked after the detailed answer, about the same frames; None for no short caption."""
    num_frames: int = field(default=8, metadata=at_least(1))
    long_side: int = field(default=448, metadata=at_least(1))
    max_tokens: int = field(default=512, metadata=at_least(1))
    """Longest answer; one that is cut off there is marked `truncated`."""
    failures_in_a_row: int = field(default=20, metadata=OPERATIONAL | at_least(1))
    """Clips in a row that get no caption, all with the same outcome, before the run stops."""

    def __post_init__(self) -> None:
        check(self)

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
        """Load the model; takes minutes for a large one."""
        _ = self._model

    def caption(self, clips: Sequence[ClipToDescribe]) -> list[Caption]:
        """Two rounds over all clips: the detailed captions, then the short ones.

        Raises:
            CaptionServerError: the model describes none of many clips in a row.
        """
        texts = [prompt.text for prompt in self._prompts]
        captions = described(self._model.ask, clips, texts[0], texts[1] if len(texts) > 1 else None)
        try:
            # what has no frames is no fault of the model
            return [
                self._streak.add(caption) if clip.frames else caption
                for clip, caption in zip(clips, captions, strict=True)
            ]
        except CaptionServerError as error:
            error.captions = captions
            raise

    def close(self) -> None:
        """Drop the model."""
        self.__dict__.pop("_model", None)

    @abstractmethod
    def load(self) -> Any:
        """The model, with a method `ask` as `captioners.chat.conversation.described` wants it."""

    @cached_property
    def _streak(self) -> Streak:
        return Streak(self.failures_in_a_row)

    @cached_property
    def _model(self) -> Any:
        return self.load()

    @cached_property
    def _prompts(self) -> tuple[Prompt, ...]:
        """Read once and carried to other processes, which may not have the user's files."""
        return tuple(load_prompt(name) for name in (self.prompt, self.short_prompt) if name)
