"""The contract of a captioner: a caption for each clip, from its frames, from its row of the manifest, or from both."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import cv2

from captioners.judge.checks import issues
from captioners.sound import wav
from preprocess.frames import FrameView
from preprocess.measurement import ColumnType, Look, Measurement, Rows, Step
from preprocess.records import shapes_repr

OUTCOMES = ("ok", "truncated", "refused", "repetitive", "empty", "error")
"""What a reader may still judge (`truncated`, `repetitive`) keeps its text; those in `NO_TEXT` have none."""
NO_TEXT = ("refused", "empty", "error")
COLUMNS = (
    "caption",
    "caption_short",
    "caption_sound",
    "captioner",
    "caption_outcome",
    "prompt_id",
    "caption_issues",
)
"""What every captioner fills in the manifest; all null for a clip that nobody described."""
JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What a captioner made of a clip."""

    text: str | None
    """The detailed caption; None where there is none, which an empty text is."""
    short: str | None = None
    """One sentence; None where none was asked for or made."""
    sound: str | None = None
    """What is to be heard; None where there is no sound, or nobody was asked about it."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a captioner is shown of a clip."""

    frames: tuple[bytes, ...] = ()
    """JPEG files in time order; empty for captioners that read the row alone."""
    sound: bytes | None = None
    """A WAV file (`captioners.sound`); None for captioners that do not listen, and where nothing is to be heard."""

    __repr__ = shapes_repr


NOTHING = Shown()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipToDescribe:
    """One clip as a captioner sees it."""

    row: Mapping[str, Any]
    """The manifest's columns."""
    frames: tuple[bytes, ...] = ()
    """As in `Shown`."""
    sound: bytes | None = None

    __repr__ = shapes_repr


class CaptionServerError(ValueError):
    """The service that captions is gone, or refuses the key or everything: the run stops, to be resumed."""

    captions: Sequence[Caption | None] = ()
    """Of the clips that it was asked for, in order, what was there already."""
    described: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    """By clip id, the columns of those that have a text: they need not be asked for again."""


class Captioner(Measurement):
    """Describes clips. Subclasses are frozen dataclasses whose fields are their parameters."""

    name: ClassVar[str]
    """What `python -m pipelines caption --captioner NAME` and the `captioner` column call it."""
    columns: ClassVar[Mapping[str, ColumnType]] = {name: list if name == "caption_issues" else str for name in COLUMNS}
    needs_frames: ClassVar[bool] = True
    """False for captioners that read the row alone; their captions are made anew whenever the row changes."""

    reads_files: ClassVar[bool] = False
    """True for captioners that open files beside the clips' sources."""

    num_frames: int = 0
    """Frames it is shown of a clip, uniformly spaced."""
    long_side: int = 0
    """Their longer side in pixels, at most."""

    @property
    def prompt_id(self) -> str | None:
        """Name and content hash of the prompt; None for captioners without one."""
        return None

    @property
    def step(self) -> Step:
        """Last, of the clips that no rule speaks against."""
        return Step.CAPTIONED

    @property
    def cpus(self) -> float:
        """The row alone costs nothing, and a server costs others."""
        return 1.0 if self.gpus else 0.0

    def look(self, view: FrameView) -> Shown:
        """The frames and the sound to be shown. Runs where the video was decoded, before `setup`."""
        if not self.needs_frames:
            return NOTHING
        pictures = (sample.picture.bgr(self.long_side) for sample in view.uniform(self.num_frames))
        return Shown(
            frames=tuple(
                bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]) for bgr in pictures
            ),
            sound=wav(view.sound.heard) if self.listens and view.sound is not None else None,
        )

    def scores(self, looks: Sequence[Look], rows: Rows) -> Sequence[Mapping[str, Any]]:
        """The caption columns of clips, in order.

        Raises:
            CaptionServerError: no clip can be described now.
        """
        shown = [look or NOTHING for look in looks]
        clips = [
            ClipToDescribe(row=row, frames=each.frames, sound=each.sound) for each, row in zip(shown, rows, strict=True)
        ]
        try:
            captions = self.caption(clips)
        except CaptionServerError as error:
            error.described = {
                row["clip_id"]: self._columns(caption, row)
                for caption, row in zip(error.captions, rows, strict=False)
                if caption is not None and caption.text is not None
            }
            error.captions = ()
            raise
        return [self._columns(caption, row) for caption, row in zip(captions, rows, strict=True)]

    def nothing(self, reason: str) -> Mapping[str, Any]:
        """An error, which the next `caption` asks for again."""
        return self._columns(Caption(text=None, outcome="error", detail=reason), {})

    @abstractmethod
    def caption(self, clips: Sequence[ClipToDescribe]) -> list[Caption]:
        """Describe clips, in order: as many captions as clips. One clip's trouble is its outcome `error`.

        Raises:
            CaptionServerError: no clip can be described now.
        """

    def _columns(self, caption: Caption, row: Mapping[str, Any]) -> dict[str, Any]:
        """With what the clip's measurements say against the caption; without one, why there is none."""
        if caption.text is not None:
            against = issues(caption.text, row)
        else:
            against = [] if caption.detail is None else [caption.detail]
        said = (caption.text, caption.short, caption.sound)
        values = (*said, self.name, caption.outcome, self.prompt_id, against)
        return dict(zip(COLUMNS, values, strict=True))
