"""The contract of a captioner: one caption for a clip, from its frames, from its row of the manifest, or from both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from preprocess.frames import FrameView


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What a captioner made of a clip."""

    text: str | None
    """None where there is no caption; an empty text is none."""
    outcome: str
    """`ok`, or why there is no text or less than was asked for, such as `refused`: the `caption_outcome` column."""

    def __post_init__(self) -> None:
        if self.text is not None and not self.text.strip():
            raise ValueError(f"caption {self.text!r} is blank; without a caption, text is None")
        if self.text is None and self.outcome == "ok":
            raise ValueError("outcome is 'ok' without a text")


class Captioner(ABC):
    """Describes clips. Subclasses are frozen dataclasses whose fields are their parameters."""

    needs_frames: ClassVar[bool] = True
    """False for captioners that read the row alone; their captions are made anew whenever the row changes."""
    name: ClassVar[str]
    """What `python -m pipelines caption --captioner NAME` and the `captioner` column call it."""

    def setup(self) -> None:  # noqa: B027 - some captioners have nothing to load
        """Load what is needed, once in each worker process, before the first `caption`."""

    @abstractmethod
    def caption(self, view: FrameView | None, row: Mapping[str, object]) -> Caption:
        """Describe one clip. `row` has the manifest's columns; `view` is None where no frames are at hand."""

    def close(self) -> None:  # noqa: B027
        """Give back what `setup` took."""
