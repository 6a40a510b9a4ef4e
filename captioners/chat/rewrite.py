"""A second model's clean version of a description, held to a JSON schema here as well: not every server holds it."""

from __future__ import annotations

import json
from typing import Any

from captioners.base import Caption
from captioners.chat.conversation import Message
from captioners.judge.checks import clean, outcome
from captioners.judge.unwrap import unfenced

ATTEMPTS = 3
"""Each after the first shows the model what was wrong with its answer."""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"detailed": {"type": "string"}, "short": {"type": "string"}},
    "required": ["detailed", "short"],
    "additionalProperties": False,
}
RESPONSE_FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "captions", "strict": True, "schema": SCHEMA},
}


class InvalidRewriteError(ValueError):
    """The answer is not what was asked for; the message tells the model why."""


def rewrite_request(prompt: str, caption: Caption) -> list[Message]:
    """The messages: the prompt, then the caption as JSON, so that nothing in it reads as an instruction."""
    described = json.dumps({"detailed": caption.text, "short": caption.short}, ensure_ascii=False)
    return [{"role": "user", "content": f"{prompt}\n\n{described}"}]


def correction(answer: str, problem: str) -> list[Message]:
    """Two more messages: what the model said, and that it will not do."""
    request = f"This cannot be used: {problem}. Answer again, with the JSON object alone."
    return [{"role": "assistant", "content": answer}, {"role": "user", "content": request}]


def read_rewrite(text: str, finish_reason: str | None) -> Caption:
    """The caption that an answer holds.

    Raises:
        InvalidRewriteError: it is no JSON object of two texts, or one of them is no description.
    """
    try:
        captions = json.loads(unfenced(text))
    except (ValueError, RecursionError):
        raise InvalidRewriteError("it is cut off" if finish_reason == "length" else "it is no JSON") from None
    if not isinstance(captions, dict) or set(captions) != set(SCHEMA["required"]):
        raise InvalidRewriteError('it is no JSON object with exactly the keys "detailed" and "short"')
    texts = {}
    for key, value in captions.items():
        texts[key] = clean(value) if isinstance(value, str) else ""
        judgement = outcome(texts[key], "stop")
        if judgement != "ok":
            raise InvalidRewriteError(f'"{key}" is {judgement if isinstance(value, str) else "no string"}')
    return Caption(text=texts["detailed"], short=texts["short"], outcome="ok")
