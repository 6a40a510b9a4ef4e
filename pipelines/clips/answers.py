"""Captions of a run that had to stop: kept beside the manifest, so that nobody is asked, and paid, for them twice."""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from captioners.base import OUTCOMES, Captioner, CaptionServerError
from preprocess.io import storage
from preprocess.io.settings import fingerprint
from preprocess.io.tables import read_table, write_table
from preprocess.manifest import Row
from preprocess.schema import CAPTION_FIELDS

_log = logging.getLogger("clipmill")
_SCHEMA = pa.schema([("clip_id", pa.string()), *CAPTION_FIELDS])


def answers_folder(out: str, captioner: Captioner) -> str:
    """Where those of a captioner with these settings and prompts are kept, in the manifest at `out`."""
    who = f"{captioner.name} {captioner.prompt_id} {fingerprint(captioner)}"
    return storage.join(out, "columns", f"answers-{hashlib.blake2b(who.encode(), digest_size=6).hexdigest()}")


def kept_answers(folder: str) -> dict[str, Row]:
    """The caption columns by clip id."""
    tables = [read_table(storage.join(folder, name)) for name in storage.list_files(folder, ".parquet")]
    return {row.pop("clip_id"): row for table in tables if table is not None for row in table.to_pylist()}


@contextmanager
def keeping_answers(folder: str) -> Iterator[None]:
    """Store what was described where the captioner stops the run within."""
    try:
        yield
    except CaptionServerError as error:
        if error.described:
            rows = [{"clip_id": clip_id, **columns} for clip_id, columns in error.described.items()]
            place = storage.join(folder, f"{uuid.uuid4().hex[:12]}.parquet")
            write_table(place, pa.Table.from_pylist(rows, schema=_SCHEMA))
            _log.info("%d captions from before the stop are kept; the same command goes on after them", len(rows))
        raise


def counted(outcomes: Iterable[str | None]) -> str:
    """Such as `312 ok, 4 refused, 2 error`."""
    counts = Counter(outcome for outcome in outcomes if outcome is not None)
    return ", ".join(f"{counts[name]:,} {name}" for name in OUTCOMES if name in counts) or "none"


def filled(row: Row, answers: Mapping[str, Mapping[str, Any]]) -> bool:
    """Give a clip's row its caption where there is one; whether there was."""
    there = answers.get(row["clip_id"])
    if there is not None:
        row |= there
    return there is not None
