"""The folder that an export is written into: whose it is, and what in it is of an older state of the same export."""

from __future__ import annotations

import json
from collections.abc import Mapping
from posixpath import splitext
from typing import Any

from pipelines.export.content import TRAIN, VALIDATION
from pipelines.export.planning import Plan
from pipelines.export.trainer import Trainer
from preprocess.cutting.still import STILL_SUFFIXES
from preprocess.io import storage
from preprocess.io.plain_json import read_object

RECORD = "export.json"
FINISHED = "finished"
_OURS = STILL_SUFFIXES | {".mp4", ".txt"}


class Destination:
    """DEST of `export`. The same command resumes; another one needs another folder."""

    def __init__(self, location: str, trainer: Trainer) -> None:
        self.location = storage.absolute(location)
        self._trainer = trainer

    def claim(self, order: Mapping[str, Any]) -> None:
        """Take the folder for an export of this kind.

        Raises:
            ValueError: there is something else in it, or an export of another kind.
        """
        data = storage.read_bytes(self._record)
        known = None if data is None else read_object(data, self._record)
        if known is None and any(storage.list_files(each, "") for each in (self.location, *self._media_folders())):
            raise ValueError(f"{self.location!r} holds files that are of no export; name another folder")
        if known is not None and known.get("order") != dict(order):
            raise ValueError(
                f"{self.location!r} holds another export, {_shown(known.get('order'))}, and this is {_shown(order)}: "
                "name another folder, or remove that one"
            )
        self._write(order, finished=False)

    def finish(self, order: Mapping[str, Any]) -> None:
        """Say that all is there."""
        self._write(order, finished=True)

    def clear(self, plan: Plan) -> None:
        """Remove clips and captions of an older state of the export: trainers take whatever lies there."""
        for split in (TRAIN, VALIDATION):
            kept = {str(each.row["clip_id"]) for each in plan.chosen if each.split == split}
            for folder in {self.media(split), self.captions(split)}:
                for name in storage.list_files(folder, ""):
                    stem, suffix = splitext(name)
                    if suffix in _OURS and stem not in kept:
                        storage.delete(storage.join(folder, name))

    def write(self, path: str, content: str | bytes) -> None:
        """A small file, whole or not at all."""
        data = content.encode("utf-8") if isinstance(content, str) else content
        storage.write_atomic(storage.join(self.location, *path.split("/")), data)

    def media(self, split: str) -> str:
        """Where the clips of a split are."""
        return _below(self.location, split, self._trainer.media)

    def captions(self, split: str) -> str:
        """Where their captions are."""
        return _below(self.location, split, self._trainer.captions or "")

    @property
    def _record(self) -> str:
        return storage.join(self.location, RECORD)

    def _media_folders(self) -> list[str]:
        return [self.media(split) for split in (TRAIN, VALIDATION)]

    def _write(self, order: Mapping[str, Any], *, finished: bool) -> None:
        self.write(RECORD, json.dumps({"order": dict(order), FINISHED: finished}, indent=2) + "\n")


def _below(location: str, *parts: str) -> str:
    return storage.join(location, *(part for part in parts if part))


def _shown(order: Any) -> str:
    if not isinstance(order, Mapping):
        return "of an unknown kind"
    return " ".join(f"{name}={order[name]}" for name in sorted(order) if order[name] is not None)
