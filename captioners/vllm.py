"""A vision-language model in vLLM, run in the worker itself: all clips given at once share its continuous batching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, ClassVar

from captioners.chat.answer import DETAIL_LIMIT, Answer
from captioners.chat.conversation import Conversation, NoAnswer, messages
from captioners.local.folder import vlm_folder
from captioners.local.in_process import InProcessCaptioner
from preprocess.io.bounds import at_least, within
from preprocess.io.settings import OPERATIONAL


@dataclass(frozen=True, kw_only=True)
class VllmCaptioner(InProcessCaptioner):
    """Greedy answers of any model that vLLM serves, on `tensor_parallel_size` GPUs.

    The follow-up question repeats the frames, which costs little: vLLM keeps what it computed of the same beginning.
    """

    name: ClassVar[str] = "vllm"

    max_model_len: int = field(default=8192, metadata=at_least(1))
    """Tokens of the longest conversation, both answers included; 8 frames of 448 x 448 are 2048 for Qwen2.5-VL."""
    gpu_memory_utilization: float = field(default=0.9, metadata=OPERATIONAL | within("(0, 1]"))
    """Share of each GPU's memory that vLLM takes, for the model and for conversations in flight."""
    tensor_parallel_size: int = field(default=1, metadata=OPERATIONAL | at_least(1))
    """GPUs that share the model."""

    @property
    def gpus(self) -> float:  # type: ignore[override]
        """Whole GPUs; vLLM finds out by itself that there is none, and stops."""
        return float(self.tensor_parallel_size)

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
        super().check()

    def load(self) -> _Engine:
        """The engine, which reserves its memory and ends with its own process."""
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
