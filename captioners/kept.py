"""A caption outlives what could not replace it: what a clip's row says once it was asked about again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOT_REPLACED = "not_replaced"
"""Begins the issue of a caption that stayed: `not_replaced: CAPTIONER PROMPT_IDS: OUTCOME: why`."""


def after_asking(before: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of `answer` for a clip whose row was `before`.

    A caption takes the place of whatever was there, and the lack of one only that of none. A caption that stays says in
    its `caption_issues` who was asked in vain.
    """
    if answer["caption"] is not None or before.get("caption") is None:
        return dict(answer)
    stays = {name: before.get(name) for name in answer}
    if answer["caption_outcome"] is None:  # nobody was asked
        return stays
    words = [NOT_REPLACED, _asker(answer["captioner"], answer["prompt_id"]), answer["caption_outcome"]]
    issues = [issue for issue in before["caption_issues"] or () if not _is_mark(issue)]
    return stays | {"caption_issues": [*issues, ": ".join([*words, *answer["caption_issues"]])]}


def last_outcome(row: Mapping[str, Any], captioner: str, prompt_id: str | None) -> str | None:
    """What came of asking `captioner` about this clip; None where somebody else was asked last, or other prompts."""
    marks = [issue for issue in row["caption_issues"] or () if _is_mark(issue)]
    if not marks:
        return row["caption_outcome"] if (row["captioner"], row["prompt_id"]) == (captioner, prompt_id) else None
    own = f"{NOT_REPLACED}: {_asker(captioner, prompt_id)}: "
    return marks[-1].removeprefix(own).partition(":")[0] if marks[-1].startswith(own) else None


def _asker(captioner: str, prompt_id: str | None) -> str:
    return captioner if prompt_id is None else f"{captioner} {prompt_id}"


def _is_mark(issue: str) -> bool:
    return issue.startswith(f"{NOT_REPLACED}: ")
