"""What can be wrong with the media itself. Anything else that is raised is a machine's failure or our own bug."""

from __future__ import annotations

UNSETTLED = frozenset({"machine_failure", "not_readable", "not_found"})
"""Reasons that are facts about the machine, the network or the storage: they may be otherwise tomorrow, so a source
that failed for one of them is tried again by the next run."""
DETAIL_CHARACTERS = 300
INTERNAL_ERROR = "internal_error"
"""Reason of what our own code could not do with a source or a clip: settled, and to be reported to who wrote it."""


def one_line(text: str) -> str:
    """A text as a reason can hold it: in one line, short, and without lone surrogates, which no table takes."""
    return " ".join(text.encode("utf-8", "backslashreplace").decode().split())[:DETAIL_CHARACTERS]


def slug(reason: str | None) -> str:
    """The reason without its detail; "" where there is none."""
    return "" if reason is None else reason.partition(":")[0]


class MediaError(Exception):
    """A source that cannot be used, through no fault of the machine or the code.

    `reason` is a short slug that ends up in a manifest column (`empty_file`, `no_video_stream`, ...);
    `detail` is one printable line for people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[MediaError], tuple[str, str]]:
        return MediaError, (self.reason, self.detail)


class StorageError(OSError):
    """A storage that refuses or does not answer. The text is a sentence for people."""


class NotThere(StorageError, FileNotFoundError):  # noqa: N818 - what it says
    """There is no such file, or no such bucket."""


class NotAllowed(StorageError, PermissionError):  # noqa: N818
    """It is there, perhaps; it may not be read or written with the credentials at hand."""
