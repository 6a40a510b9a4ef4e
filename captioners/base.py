"""The contract of a captioner: a caption for each clip, from its frames, from its row of the manifest, or from both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2

from captioners.judge.checks import issues
from preprocess.frames import FrameView
from preprocess.records import shapes_repr

OUTCOMES = ("ok", "truncated", "refused", "repetitive", "empty", "error")
"""What a reader may still judge (`truncated`, `repetitive`) keeps its text; those in `NO_TEXT` have none."""
NO_TEXT = ("refused", "empty", "error")
COLUMNS = ("caption", "caption_short", "captioner", "caption_outcome", "prompt_id", "caption_issues")
"""What every captioner fills in the manifest; all null for a clip that nobody described."""
JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What a captioner made of a clip."""

    text: str | None
    """The detailed caption; None where there is none, which an empty text is."""
    short: str | None = None
    """One sentence; None where none was asked for or made."""
    outcome: str
    """One of `OUTCOMES`: the `caption_outcome` column."""
    detail: str | None = None
    """What went wrong, in a few words, for a log; never a key or a header."""

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"outcome {self.outcome!r}, allowed are {', '.join(OUTCOMES)}")
        if self.text is not None and not self.text.strip():
            raise ValueError(f"caption {self.text!r} is blank; without a caption, text is None")
        if (self.text is None) != (self.outcome in NO_TEXT):
            raise ValueError(f"outcome {self.outcome!r} with text {self.text!r}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipToDescribe:
    """One clip as a captioner sees it."""

    row: Mapping[str, Any]
    """The manifest's columns."""
    frames: tuple[bytes, ...] = ()
    """JPEG files in time order; empty for captioners that read the row alone."""

    __repr__ = shapes_repr


class CaptionServerError(ValueError):
    """The service that captions is gone or refuses the key: no clip is to blame, so the run stops, to be resumed."""


class Captioner(ABC):
    """Describes clips. Subclasses are frozen dataclasses whose fields are their parameters."""

    name: ClassVar[str]
    """What `python -m pipelines caption --captioner NAME` and the `captioner` column call it."""
    needs_frames: ClassVar[bool] = True
    """False for captioners that read the row alone; their captions are made anew whenever the row changes."""
    waits: ClassVar[bool] = False
    """True for captioners that wait for a server: one worker, which takes no CPU, asks for several clips at a time."""
    gpus: float = 0.0
    """Share of a GPU that it asks for where there is one; without one it runs on the CPU."""

    libraries: ClassVar[tuple[str, ...]] = ()
    """Packages it imports that are not part of the core installation."""

    num_frames: int = 0
    """Frames it is shown of a clip, uniformly spaced."""
    long_side: int = 0
    """Their longer side in pixels, at most."""

    @property
    def prompt_id(self) -> str | None:
        """Name and content hash of the prompt; None for captioners without one."""
        return None

    def check(self) -> None:  # noqa: B027 - some have nothing that could be missing
        """See that what `setup` will need is there, before any video is opened. Imports no model library.

        Raises:
            MissingWeightsError: weights are not there.
            ValueError: a setting or an environment variable is missing.
        """

    def setup(self) -> None:  # noqa: B027 - some captioners have nothing to load
        """Load what is needed, once in each worker process, before the first `caption`."""

    def frames(self, view: FrameView) -> tuple[bytes, ...]:
        """The frames to be shown, as JPEG files. Runs where the video was decoded, before `setup`."""
        if not self.needs_frames:
            return ()
        pictures = (sample.picture.bgr(self.long_side) for sample in view.uniform(self.num_frames))
        return tuple(bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]) for bgr in pictures)

    def described(self, clips: Sequence[ClipToDescribe]) -> list[dict[str, Any]]:
        """The caption columns of clips, in order.

        Raises:
            CaptionServerError: no clip can be described now.
        """
        captions = zip(clips, self.caption(clips), strict=True)
        return [self.columns(caption, clip.row) for clip, caption in captions]

    def columns(self, caption: Caption, row: Mapping[str, Any]) -> dict[str, Any]:
        """A caption as `COLUMNS`, with what the clip's measurements say against it."""
        if caption.text is not None:
            against = issues(caption.text, row)
        else:
            against = [] if caption.detail is None else [caption.detail]
        values = (caption.text, caption.short, self.name, caption.outcome, self.prompt_id, against)
        return dict(zip(COLUMNS, values, strict=True))

    @abstractmethod
    def caption(self, clips: Sequence[ClipToDescribe]) -> list[Caption]:
        """Describe clips, in order: as many captions as clips. One clip's trouble is its outcome `error`.

        Raises:
            CaptionServerError: no clip can be described now.
        """

    def close(self) -> None:  # noqa: B027
        """Give back what `setup` took."""
