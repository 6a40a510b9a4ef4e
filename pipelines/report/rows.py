"""The clips that the page holds, column by column: what each one's scores, words and pictures are."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.report.columns import (
    STRUCTURAL,
    durations,
    measured,
    numbers,
    reason_lists,
    shorten,
    statuses,
    texts,
    values,
)
from pipelines.report.packed import packed_numbers, packed_texts
from pipelines.report.thumbs import sheets
from pipelines.verdicts import NOTE, TAGS, VERDICT, VERDICT_COLUMNS
from preprocess.kinds import PICTURE

TEXT_CHARACTERS = 1200
"""A caption is at most a paragraph or two; a file name of the longest kind (255 bytes, in folders) fits whole."""
COLUMN_CHARACTERS = 2_000_000
"""Of one column of texts; where there are many clips, each one's is shorter."""
FACTS = ("codec", "has_audio", "damaged", "captioner", "caption_outcome", "caption_short", "caption_issues")
"""Of the structural columns, those that the page shows as they are."""
PREVIEW_BYTES = 64_000
"""A strip of three 160 px frames is 5-15 KB; what is far larger is not one, and would make the page heavy."""


def page_rows(
    shown: pa.Table,
    fair: int,
    scored: Iterable[str],
    previews: Callable[[list[str]], Mapping[str, bytes]],
    with_strip: Collection[str],
) -> dict[str, Any]:
    """The N rows in the types of JSON; the first `fair` of them stand for all clips, `scored` are columns of numbers.

    Of `previews`, those of the ids `with_strip` are in the page as they are, of others a small still.

    A score's `bits` say of which floats its column is: a bound is rounded to them before it is compared.
    """
    frame = shown.to_pandas(ignore_metadata=True)
    ids = [str(clip_id) for clip_id in values(frame, "clip_id")]
    scored = list(scored)
    own = {*STRUCTURAL, *(column.name for column in VERDICT_COLUMNS), *scored}
    names = [str(name) for name in frame.columns if name not in own]
    facts = {name: values(frame, name) for name in (*names, *FACTS)} | {"size": _sizes(frame)}
    strips, pictured = previews(ids), set(with_strip)
    limit = max(120, min(TEXT_CHARACTERS, COLUMN_CHARACTERS // max(1, len(frame))))
    pictures = np.array([kind == PICTURE for kind in texts(frame, "kind")], np.bool_)
    return {
        "count": len(frame),
        "fair": fair,
        "id": ids,
        "uri": packed_texts([shorten(uri, TEXT_CHARACTERS) for uri in texts(frame, "source_uri")]),
        "start": packed_numbers(np.where(pictures, np.nan, numbers(frame, "start_seconds"))),
        "seconds": packed_numbers(durations(frame)),
        "size": [packed_numbers(numbers(frame, name)) for name in ("width", "height")],
        "picture": packed_numbers(pictures.astype(np.float64)),
        "damaged": packed_numbers(_damaged(shown)),
        "status": packed_texts([str(status) for status in statuses(frame)]),
        "reasons": packed_texts(["\n".join(_line(reason) for reason in listed[:20]) for listed in reason_lists(frame)]),
        "caption": packed_texts([shorten(caption, limit) for caption in texts(frame, "caption")]),
        "verdict": packed_texts(texts(frame, VERDICT)),
        "tags": packed_texts([_fact(tags, limit) for tags in values(frame, TAGS)]),
        "note": packed_texts([shorten(note, TEXT_CHARACTERS) for note in texts(frame, NOTE)]),
        "scores": {
            name: packed_numbers(measured(shown, name)) | {"bits": _bits(shown.schema, name)} for name in scored
        },
        "facts": {name: packed_texts([_fact(value, limit) for value in column]) for name, column in facts.items()},
        "previews": {
            number: url for number, key in enumerate(ids) if key in pictured and (url := _data_url(strips.get(key)))
        },
        "stills": sheets(["" if key in pictured else key for key in ids], strips),
    }


def _line(reason: str) -> str:
    return " ".join(reason.split("\n"))


def _damaged(shown: pa.Table) -> npt.NDArray[np.float64]:
    """1 where a clip is dropped whatever the bounds are."""
    return np.nan_to_num(measured(shown, "damaged"), nan=0.0)


def _bits(schema: pa.Schema, name: str) -> int:
    place = schema.get_field_index(name)
    kind = schema.field(place).type if place >= 0 else pa.null()
    return int(kind.bit_width) if pa.types.is_floating(kind) else 64


def _sizes(frame: Any) -> list[str | None]:
    return [
        f"{width:.0f}x{height:.0f}" if width * height > 0 else None
        for width, height in zip(numbers(frame, "width"), numbers(frame, "height"), strict=True)
    ]


def _fact(value: object, limit: int) -> str | None:
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, str | int | float):
        return shorten(str(value), limit)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return None  # an embedding says nothing to a reader
    if isinstance(value, Iterable):
        return shorten(", ".join(str(item) for item in value), limit) or None
    return shorten(str(value), limit)


def _data_url(jpeg: bytes | None) -> str | None:
    if not jpeg or len(jpeg) > PREVIEW_BYTES:
        return None
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
