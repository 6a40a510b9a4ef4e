"""What a chat model is asked about a clip: its frames and the prompt, then for one sentence about its own answer."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from captioners.base import NO_TEXT, Caption, ClipToDescribe
from captioners.chat.answer import DETAIL_LIMIT, Answer
from captioners.judge.checks import clean, outcome

DESCRIBED = ("ok", "truncated")
"""Outcomes worth a second question: one sentence about a text that goes round in circles would do the same."""
MARKER = re.compile(r"<[^<>\s]{1,40}>|\[/?[A-Z_]{3,}\]")
"""What chat templates set between turns and around pictures, such as `<|im_end|>`, `<image>` or `[IMG]`."""
Message = dict[str, Any]
"""One turn in the form of OpenAI's chat API, which vLLM takes as well."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conversation:
    """A clip and what was said about it: `turns` are the user's and the model's in turn, and end with a question."""

    clip: ClipToDescribe
    turns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """The model could not be asked."""

    detail: str


Ask = Callable[[Sequence[Conversation]], Sequence[Answer | NoAnswer]]
"""An answer for each conversation, in order."""


def described(ask: Ask, clips: Sequence[ClipToDescribe], prompt: str, short_prompt: str | None) -> list[Caption]:
    """Ask about all clips at once; then ask for the short caption of those that were described."""
    shown = [index for index, clip in enumerate(clips) if clip.frames]
    captions = [Caption(text=None, outcome="error", detail="no frames")] * len(clips)
    answers = ask([Conversation(clip=clips[index], turns=(prompt,)) for index in shown])
    for index, answer in zip(shown, answers, strict=True):
        captions[index] = detailed(answer)
    if short_prompt is None:
        return captions
    useful = [index for index in shown if captions[index].outcome in DESCRIBED]
    talks = [
        Conversation(clip=clips[index], turns=(prompt, captions[index].text or "", short_prompt)) for index in useful
    ]
    for index, answer in zip(useful, ask(talks), strict=True):
        captions[index] = with_more(captions[index], answer, "short")
    return captions


def detailed(answer: Answer | NoAnswer) -> Caption:
    """The caption in the answer to the first question."""
    if isinstance(answer, NoAnswer):
        return Caption(text=None, outcome="error", detail=answer.detail)
    text = clean(answer.text)
    judgement = outcome(text, answer.finish_reason)
    if judgement in NO_TEXT:
        return Caption(text=None, outcome=judgement, detail=text[:DETAIL_LIMIT] or None)
    return Caption(text=text, outcome=judgement)


def with_more(caption: Caption, answer: Answer | NoAnswer, what: Literal["short", "sound"]) -> Caption:
    """The caption with the answer to another question, where that is one."""
    if isinstance(answer, NoAnswer):
        return replace(caption, detail=f"no {what} caption: {answer.detail}")
    text = clean(answer.text)
    judgement = outcome(text, answer.finish_reason)
    if judgement != "ok":
        return replace(caption, detail=f"{what} is {judgement}")
    return replace(caption, short=text) if what == "short" else replace(caption, sound=text)


def messages(frames: Sequence[bytes], turns: Sequence[str]) -> list[Message]:
    """The conversation in OpenAI's form: the frames (JPEG files, in time order) as data URLs before the first text."""
    pictures = [{"type": "image_url", "image_url": {"url": _data_url(jpeg)}} for jpeg in frames]
    first = {"role": "user", "content": [*pictures, {"type": "text", "text": turns[0]}]}
    return [first, *({"role": role, "content": text} for role, text in with_roles(turns)[1:])]


def sound_question(wav: bytes, prompt: str) -> list[Message]:
    """One turn in OpenAI's form: a WAV file and what is asked about it. vLLM and SGLang take the same."""
    sound = {"type": "input_audio", "input_audio": {"data": base64.b64encode(wav).decode("ascii"), "format": "wav"}}
    return [{"role": "user", "content": [sound, {"type": "text", "text": prompt}]}]


def with_roles(turns: Sequence[str]) -> list[tuple[str, str]]:
    """Each turn with its role, `user` or `assistant`.

    A model's own are without `MARKER`s, which it may have read in the picture or let slip: as part of a prompt they
    would end a turn, or ask for a picture that is not there.
    """
    return [("assistant", MARKER.sub(" ", text)) if i % 2 else ("user", text) for i, text in enumerate(turns)]


def _data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
