"""Why a span's packets cannot be copied: what is not proven is not done, and the clip is encoded in full instead."""

from __future__ import annotations


class CannotCopy(Exception):  # noqa: N818 - what it says; nothing has gone wrong
    """A span that has to be encoded from its first frame to its last one. `reason` is one line for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
