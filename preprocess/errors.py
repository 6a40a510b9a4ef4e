"""What can be wrong with the media itself. Anything else that is raised is a machine's failure or our own bug."""

from __future__ import annotations


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
