"""What a chat server sent back: an answer, or one of the kinds of failure, by whose fault it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto

from captioners.chat.wait import told_seconds

NO_COMPLETION = "the answer is no chat completion"
FILTERED = ("content_filter", "content_policy_violation", "data_inspection_failed")
"""Codes of errors by which services say that a filter of theirs would not have the pictures or the answer."""
DETAIL_LIMIT = 200
"""Characters of a server's or a model's own words that are kept for a log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model said."""

    text: str
    """Empty where it said nothing."""
    finish_reason: str | None


class Kind(Enum):
    """What a failure means for the next request."""

    BUSY = auto()
    """The key's limit is reached: none will be answered before a while."""
    GONE = auto()
    """Nobody is there; the server may be restarting."""
    FAILED = auto()
    """The same request may be answered if it is sent again."""
    WRONG_REQUEST = auto()
    """The same request will not be answered; others may."""
    WRONG_SETTING = auto()
    """None will be answered: the key, the address or the model is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no answer."""

    kind: Kind
    detail: str
    """For people, without the key."""
    told_seconds: float | None = None
    """How long the server asks to wait."""


def read_answer(body: str) -> Answer | Failure:
    """The first choice of a chat completion; servers and what stands before them send anything."""
    try:
        choice = json.loads(body)["choices"][0]
        text, refusal = choice["message"].get("content"), choice["message"].get("refusal")
        finish_reason = choice.get("finish_reason")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return Failure(kind=Kind.FAILED, detail=NO_COMPLETION)
    if not isinstance(text, str | None) or not isinstance(finish_reason, str | None):
        return Failure(kind=Kind.FAILED, detail=NO_COMPLETION)
    if refusal and not text:
        return Answer(text="", finish_reason="content_filter")
    return Answer(text=text or "", finish_reason=finish_reason)


def read_error(
    status: int, headers: Mapping[str, str], body: object, *, base_url: str, model: str, shown: Callable[[str], str]
) -> Answer | Failure:
    """What an HTTP status of 400 and more means; `shown` makes the server's words fit for a log.

    A content filter that strikes is an answer: this clip is refused.
    """
    error = body if isinstance(body, Mapping) else {}
    message = error.get("message") or error.get("detail")
    detail = f"HTTP {status}" + (f": {shown(message)}" if isinstance(message, str) else "")
    if error.get("code") in FILTERED:
        return Answer(text=detail, finish_reason="content_filter")
    if status in (401, 403):
        return Failure(kind=Kind.WRONG_SETTING, detail=refused_key(base_url, status))
    if status == 404:
        what = f"{base_url} knows no such path, or no model {model!r} ({detail})"
        where = "see `--set captioner.base_url=URL` and `--set captioner.model=NAME`"
        return Failure(kind=Kind.WRONG_SETTING, detail=f"{what}; {where}")
    if status == 402 or error.get("code") == "insufficient_quota":
        return Failure(kind=Kind.WRONG_SETTING, detail=f"{base_url}: the account is used up ({detail})")
    wait_seconds = told_seconds(headers, datetime.now(UTC))
    if status == 429:
        return Failure(kind=Kind.BUSY, detail=detail, told_seconds=wait_seconds)
    if status in (502, 503):  # what a proxy says while the server behind it restarts
        return Failure(kind=Kind.GONE, detail=detail, told_seconds=wait_seconds)
    if status in (408, 409) or status >= 500:
        return Failure(kind=Kind.FAILED, detail=detail, told_seconds=wait_seconds)
    return Failure(kind=Kind.WRONG_REQUEST, detail=detail)


def refused_key(base_url: str, status: int) -> str:
    """The message about a refused key, without the server's own words, which may hold the key."""
    return f"{base_url} refuses the key (HTTP {status}); `--set captioner.key_variable=NAME` says where it is read from"
