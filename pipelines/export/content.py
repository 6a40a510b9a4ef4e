"""What an export holds, once its clips are files: the material that a trainer's profile writes from."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipelines.export.model import Model, Size
from preprocess.cutting.result import CutFile
from preprocess.kinds import PICTURE, VIDEO

TRAIN, VALIDATION = "train", "validation"
"""The folders of the clips that are trained on, and of those held out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A clip that is exported."""

    split: str
    file: CutFile
    caption: str
    """One line, with the trigger word."""
    row: Mapping[str, Any]
    """Its row in the manifest, licence and origin of its source included."""

    @property
    def clip_id(self) -> str:
        """Of the manifest."""
        return str(self.row["clip_id"])

    @property
    def is_picture(self) -> bool:
        """Whether it is one, and not a clip of a video."""
        return bool(self.row.get("kind") == PICTURE)

    @property
    def stem(self) -> str:
        """The file's name without its ending."""
        return posixpath.splitext(self.file.name)[0]

    @property
    def size(self) -> Size:
        """Of the file, in pixels."""
        return self.file.width, self.file.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """All of them, and what was asked for."""

    at: str
    """Where the trainer finds DEST: an absolute path, or a bucket's URI."""
    items: Sequence[Item]
    schema: pa.Schema
    """Of their rows."""
    model: Model | None
    frames: int | None
    """Of each clip's part that is trained on; None where clips are as they are."""
    size: Size | None
    """Of a landscape; clips of other shapes have as many pixels."""
    sound: bool
    repeats: int = 1
    """How often an epoch sees each clip."""
    media: str = ""
    """Of the trainer: the folder of the files within a split's."""

    def of(self, split: str) -> Iterator[Item]:
        """The clips of a split, in the manifest's order."""
        return (item for item in self.items if item.split == split)

    def kinds(self, split: str) -> frozenset[str]:
        """Of what there is in a split: `video`, `picture`."""
        return frozenset(PICTURE if item.is_picture else VIDEO for item in self.of(split))

    @property
    def held_out(self) -> bool:
        """Whether there are clips that are not trained on."""
        return any(item.split == VALIDATION for item in self.items)

    def place(self, *parts: str) -> str:
        """Where the trainer finds something in DEST."""
        return posixpath.join(self.at, *parts)

    def file(self, item: Item, beside: str = "") -> str:
        """The clip's file, seen from the folder `beside` of DEST."""
        return posixpath.relpath(posixpath.join(item.split, self.media, item.file.name), beside or ".")

    def fitted(self) -> tuple[Model, int, Size]:
        """The model, the frames and the size that the clips are for."""
        assert self.model is not None
        assert self.frames is not None
        assert self.size is not None
        return self.model, self.frames, self.size

    def shapes(self) -> list[Size]:
        """The sizes to train at: landscape, portrait and square, those of them that the clips have."""
        model, _, (width, height) = self.fitted()
        side = round((width * height) ** 0.5 / model.side_multiple) * model.side_multiple
        found = {min(((width, height), (height, width), (side, side)), key=_unlike(item.size)) for item in self.items}
        return sorted(found, reverse=True)


def _unlike(size: Size) -> Any:
    """How much another size's shape differs from this one's."""
    return lambda other: abs(size[0] * other[1] / (size[1] * other[0]) - 1)
