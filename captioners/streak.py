"""Stop asking where nothing comes of it: a service that refuses one clip after the other is asked in vain, and paid."""

from __future__ import annotations

from captioners.base import NO_TEXT, Caption, CaptionServerError


class Streak:
    """Counts clips in a row that end without a caption and with one outcome."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._outcome = ""
        self._length = 0
        self._end = ""

    def go_on(self) -> None:
        """Before each clip.

        Raises:
            CaptionServerError: `add` has raised: clips that were waiting are not to be asked about.
        """
        if self._end:
            raise CaptionServerError(self._end)

    def add(self, caption: Caption) -> Caption:
        """Count it, and give it back.

        Raises:
            CaptionServerError: it is the last of `limit` failures that are alike.
        """
        if caption.outcome not in NO_TEXT:
            self._outcome, self._length = "", 0
            return caption
        self._length = self._length + 1 if caption.outcome == self._outcome else 1
        self._outcome = caption.outcome
        if self._length >= self._limit:
            self._end = (
                f"{self._length} clips in a row got no caption, each with the outcome {caption.outcome}, the last of "
                f"them because of: {caption.detail or 'an empty answer'}. Captions that are there stay. Run the same "
                "command again when the cause is gone, or go on in spite of it with "
                f"`--set captioner.failures_in_a_row={10 * self._limit}`"
            )
        self.go_on()
        return caption
