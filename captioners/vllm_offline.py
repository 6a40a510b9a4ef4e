"""A vision-language model in vLLM, run in the worker itself: all clips given at once share its continuous batching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from typing import Any, ClassVar

from captioners.base import Caption, Captioner, ClipToDescribe
from captioners.chat_answer import Answer
from captioners.conversation import DETAIL_LIMIT, Conversation, NoAnswer, described, messages
from captioners.prompt import Prompt, load_prompt
from captioners.vlm_folder import vlm_folder
from preprocess.settings import OPERATIONAL


@dataclass(frozen=True, kw_only=True)
class VllmCaptioner(Captioner):
    """Greedy answers of any model that vLLM serves, on `tensor_parallel_size` GPUs.

    The follow-up question repeats the frames, which costs little: vLLM keeps what it computed of the same beginning.
    """

    name: ClassVar[str] = "vllm"

    weights: str = "Qwen/Qwen2.5-VL-7B-Instruct"
    """Folder or hub id."""
    prompt: str = "detailed_v1"
    short_prompt: str | None = "short_v1"
    """Asked after the detailed answer, about the same frames; None for no short caption."""
    num_frames: int = 8
    long_side: int = 448
    max_tokens: int = 512
    """Longest answer; one that is cut off there is marked `truncated`."""
    max_model_len: int = 8192
    """Tokens of the longest conversation, both answers included; 8 frames of 448 x 448 are 2048 for Qwen2.5-VL."""
    gpu_memory_utilization: float = field(default=0.9, metadata=OPERATIONAL)
    """Share of each GPU's memory that vLLM takes, for the model and for conversations in flight."""
    tensor_parallel_size: int = field(default=1, metadata=OPERATIONAL)
    """GPUs that share the model."""

    def __post_init__(self) -> None:
        for name in ("num_frames", "long_side", "max_tokens", "max_model_len", "tensor_parallel_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        if not 0 < self.gpu_memory_utilization <= 1:
            raise ValueError(f"gpu_memory_utilization is {self.gpu_memory_utilization}, must be in (0, 1]")

    @property
    def gpus(self) -> float:  # type: ignore[override]
        """Whole GPUs; vLLM finds out by itself that there is none, and stops."""
        return float(self.tensor_parallel_size)

    @property
    def prompt_id(self) -> str:
        """Names and content hashes of the prompts in use, in the order of their use."""
        return " ".join(prompt.id for prompt in self._prompts)

    def check(self) -> None:
        """See that vLLM, the prompts and all files of the model are there.

        Raises:
            MissingWeightsError: a file of the model is not.
            ValueError: vLLM is not installed, or there is no such prompt.
        """
        if find_spec("vllm") is None:
            raise ValueError(
                "captioner vllm needs vLLM, which is not installed: with a GPU, in an environment of its own "
                "(it holds torch to another version), `make setup` and `.venv/bin/python -m pip install vllm`. The "
                "captioners openai_chat, with a server anywhere, and transformers_vlm do without it"
            )
        _ = self._prompts
        vlm_folder(self.weights)

    def setup(self) -> None:
        """Load the model and let vLLM reserve its memory; takes minutes for a large model."""
        _ = self._engine

    def caption(self, clips: Sequence[ClipToDescribe]) -> list[Caption]:
        """Two rounds over all clips: the detailed captions, then the short ones."""
        texts = [prompt.text for prompt in self._prompts]
        return described(self._engine.ask, clips, texts[0], texts[1] if len(texts) > 1 else None)

    def close(self) -> None:
        """Drop the engine, whose own process ends with it."""
        self.__dict__.pop("_engine", None)

    @cached_property
    def _prompts(self) -> tuple[Prompt, ...]:
        """Read once and carried to other processes, which may not have the user's files."""
        return tuple(load_prompt(name) for name in (self.prompt, self.short_prompt) if name)

    @cached_property
    def _engine(self) -> _Engine:
        from vllm import LLM, SamplingParams

        llm = LLM(
            model=str(vlm_folder(self.weights)),
            trust_remote_code=False,
            max_model_len=self.max_model_len,
            gpu_memory_utilization=self.gpu_memory_utilization,
            tensor_parallel_size=self.tensor_parallel_size,
            limit_mm_per_prompt={"image": self.num_frames},
        )
        return _Engine(llm=llm, sampling=SamplingParams(temperature=0.0, max_tokens=self.max_tokens))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Engine:
    llm: Any
    """A `vllm.LLM`."""
    sampling: Any
    """Its `SamplingParams`."""

    def ask(self, conversations: Sequence[Conversation]) -> list[Answer | NoAnswer]:
        """An answer for each, in order. vLLM refuses all where it cannot take one, so halves find out which."""
        if not conversations:
            return []
        chats = [messages(conversation.clip.frames, conversation.turns) for conversation in conversations]
        try:
            outputs = self.llm.chat(chats, self.sampling, use_tqdm=False)
        except ValueError as error:  # a conversation that is longer than max_model_len, a picture it cannot read
            if len(conversations) == 1:
                return [NoAnswer(detail=str(error).strip()[:DETAIL_LIMIT])]
            middle = len(conversations) // 2
            return self.ask(conversations[:middle]) + self.ask(conversations[middle:])
        return [_answer(output.outputs[0]) for output in outputs]


def _answer(output: Any) -> Answer | NoAnswer:
    """From a `vllm.CompletionOutput`."""
    if output.finish_reason not in ("stop", "length"):
        return NoAnswer(detail=f"vLLM ended with {output.finish_reason!r}")
    return Answer(text=output.text, finish_reason=output.finish_reason)
