"""Whether rows of sources are true to themselves, to the clips, and, where that is asked, to the files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pipelines.relocate import content_id_at, facts_at
from pipelines.validation.findings import Findings
from preprocess.clip import Row
from preprocess.io.roots import Roots

STATUSES = ("ok", "damaged", "failed", "duplicate")
DUPLICATE_OF = "duplicate_of:"
LONGER_SECONDS, LONGER = 2.0, 0.02
"""Clips may reach over the length of a file by so much, and by this part of it: headers round, and some guess."""


def with_clips(rows: Sequence[Row]) -> dict[str, Row]:
    """The files that clips are listed under, by source id."""
    return {
        row["source_id"]: row for row in rows if row["status"] in ("ok", "damaged") and row["source_id"] is not None
    }


def check_sources(found: Findings, rows: Sequence[Row]) -> None:
    """Each file once, each content once but for copies, and copies of what is there."""
    _say_twice(found, "files that are listed twice", Counter(row["uri"] for row in rows))
    owned = Counter(row["source_id"] for row in rows if row["status"] != "duplicate" and row["source_id"] is not None)
    _say_twice(found, "contents that two files own", owned)
    found.wrong("files with a status that there is not", [row["uri"] for row in rows if row["status"] not in STATUSES])
    failed = [row for row in rows if row["status"] in ("failed", "duplicate")]
    found.wrong("files that failed and do not say why", [row["uri"] for row in failed if not row["reason"]])
    found.wrong("files that failed, or are copies, and have clips", [row["uri"] for row in failed if row["num_clips"]])
    found.wrong(
        "files without an id that are no failure",
        [row["uri"] for row in rows if row["source_id"] is None and row["status"] != "failed"],
    )
    owners = {row["uri"]: row["source_id"] for row in rows if row["status"] != "duplicate"}
    copies = [row for row in rows if row["status"] == "duplicate"]
    strays = [
        row["uri"]
        for row in copies
        if owners.get((row["reason"] or "").removeprefix(DUPLICATE_OF), "") != row["source_id"]
    ]
    found.wrong("copies of a file that is not there, or has other bytes", strays)


def check_counts(
    found: Findings, owners: Mapping[str, Row], counts: Mapping[str, int], extents: Mapping[str, tuple[float, float]]
) -> None:
    """What sources say of their clips, once all clips were seen."""
    found.wrong(
        "files whose num_clips is not the number of their clips",
        [row["uri"] for source_id, row in owners.items() if (row["num_clips"] or 0) != counts.get(source_id, 0)],
    )
    found.wrong(
        "files whose clips reach over a longer time than they have",
        [owners[source_id]["uri"] for source_id, span in extents.items() if _is_longer(owners.get(source_id), *span)],
    )


def check_files(found: Findings, rows: Sequence[Row], roots: Roots, *, whole: bool) -> None:
    """Whether the files are there, of the size that was listed, and, with `whole`, with the same bytes."""
    for row in rows:
        uri = roots.moved(row["uri"])
        try:
            facts = facts_at(uri)
        except (OSError, ValueError):
            found.missing("files that storage gives no answer about", [uri])
            continue
        if facts is None:
            found.missing("files that are not there", [uri])
        elif row["source_id"] is not None and facts[0] != row["size_bytes"]:
            found.wrong("files that have another size than they had", [uri])
        elif whole and row["source_id"] is not None and content_id_at(uri) != row["source_id"]:
            found.wrong("files whose bytes are others than they were", [uri])


def _is_longer(source: Row | None, first: float, last: float) -> bool:
    """Of files that were read to their end; what a damaged one's header says need not be so."""
    if source is None or source["status"] != "ok" or source["duration_seconds"] is None:
        return False
    return bool(last - first > source["duration_seconds"] * (1 + LONGER) + LONGER_SECONDS)


def _say_twice(found: Findings, what: str, counts: Counter[str]) -> None:
    found.wrong(what, [name for name, count in counts.items() if count > 1])
