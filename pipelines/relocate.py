"""Write into a manifest where its videos are now, once it is seen that they are the same ones."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.decide import to_be_changed
from pipelines.report.write import offer_report
from preprocess.clip import Row, Source
from preprocess.errors import MediaError
from preprocess.io.hold import exclusive
from preprocess.io.locations import is_remote, local_path
from preprocess.io.roots import Roots
from preprocess.io.storage import entry
from preprocess.io.tables import with_moved
from preprocess.manifest import Manifest
from preprocess.probe import content_id, open_source
from preprocess.schema import FINGERPRINT

MOST_READ = 100
"""Files read to see that they are the same, spread evenly: 32 MiB each at most. Of the others the size tells."""
MOST_NAMED = 5
_DUPLICATE = "duplicate_of:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocated:
    """What came of it."""

    location: str
    num_moved: int
    num_read: int
    """Files whose bytes were read and are those of the manifest."""
    missing: tuple[str, ...]
    """What has moved by what was said, and is not there."""

    def told(self) -> str:
        """In a sentence."""
        line = f"{self.location}: {self.num_moved:,} files are below their new places now; {self.num_read:,} of them "
        line += "were read and are the same ones, of the others that are there the size is"
        return line if not self.missing else f"{line}. {_counted(self.missing, 'are not there')}"


def relocate(out: str, roots: Sequence[str], *, whole: bool = False) -> Relocated:
    """Write the moves `A=B` into both tables and what is on its way there, and into run.json for what comes next.

    Files that are there have to be the manifest's: all by their size, and some, or with `whole` all, by their content
    id. Files that are not there move as well. A file takes the modification time that it has now, so that `curate` of
    the new place knows it.

    Raises:
        ValueError: there is no manifest, nothing of it is below an A, no file is there, or some differ; then nothing is
            changed.
    """
    manifest, moves = Manifest(out), Roots.of(roots)
    with exclusive(manifest.location) as hold:
        run, _ = to_be_changed(manifest)
        table = manifest.sources()
        rows = [] if table is None else table.to_pylist()
        known = (*manifest.part_sources(), *rows)
        moving = {row["uri"]: row for row in known if moves.moved(row["uri"]) != row["uri"]}
        if not moving and not _any_clip(manifest, moves):
            raise ValueError(
                f"{manifest.location!r}: none of its files is below {', '.join(a for a, _ in moves.moves)}"
            )
        sizes = {uri: facts_at(moves.moved(uri)) for uri in moving}
        missing = [moves.moved(uri) for uri, facts in sizes.items() if facts is None]
        if moving and len(missing) == len(moving):
            raise ValueError(_counted(missing, "are not there, which is all of them; nothing is changed"))
        there = {uri: facts for uri, facts in sizes.items() if facts is not None}
        num_read = _refuse_others(moving, there, moves, whole=whole)
        hold.confirm()
        manifest.rewrite_parts(lambda span: _moved_span(span, moves, there))
        manifest.replace_sources(
            [_moved_row(row, moves, there) for row in rows], {FINGERPRINT: str(run["fingerprint"])}
        )
        run = run | {"source": moves.moved(str(run.get("source", "")))}
        manifest.rewrite_clips(lambda clips: with_moved(clips, "source_uri", moves), run)
        offer_report(manifest)
    return Relocated(
        location=manifest.location, num_moved=len(moving), num_read=num_read, missing=tuple(sorted(missing))
    )


def _any_clip(manifest: Manifest, moves: Roots) -> bool:
    """Whether a clip is still to be moved, as after a kill between the two tables."""
    batches = manifest.parted_clips().batches(["source_uri"])
    return any(moves.moved(uri) != uri for batch in batches for uri in batch["source_uri"].unique().to_pylist())


def facts_at(uri: str) -> tuple[int, int] | None:
    """Size and modification time in ns of a file; None where there is none."""
    if is_remote(uri):
        found = entry(uri)
        return None if found is None else (found.size_bytes, found.modified_ns)
    try:
        facts = os.stat(local_path(uri))  # noqa: PTH116 - names are bytes
    except (FileNotFoundError, NotADirectoryError):
        return None
    return facts.st_size, facts.st_mtime_ns


def _refuse_others(
    moving: Mapping[str, Row], there: Mapping[str, tuple[int, int]], moves: Roots, *, whole: bool
) -> int:
    """See that the files that are there are those of the manifest; how many were read.

    Raises:
        ValueError: some are others.
    """
    known = [uri for uri in there if moving[uri]["source_id"]]
    others = [moves.moved(uri) for uri in known if there[uri][0] != moving[uri]["size_bytes"]]
    step = 1 if whole else max(1, -(-len(known) // MOST_READ))
    read = [uri for uri in known[::step] if moves.moved(uri) not in others]
    others += [moves.moved(uri) for uri in read if content_id_at(moves.moved(uri)) != moving[uri]["source_id"]]
    if others:
        raise ValueError(_counted(others, "are not those that the manifest was made of; nothing is changed"))
    return len(read)


def content_id_at(uri: str) -> str | None:
    """That of a file now; None where it cannot be read."""
    try:
        with open_source(Source(uri=uri, size_bytes=0, modified_ns=0)) as file:
            return content_id(file)
    except MediaError:
        return None


def _moved_span(span: Row, moves: Roots, there: Mapping[str, tuple[int, int]]) -> Row:
    """A span of a file that is not in the tables yet."""
    clips = [clip | {"source_uri": moves.moved(clip["source_uri"])} for clip in span["clips"] or ()]
    return span | {"source": _moved_row(span["source"], moves, there), "clips": clips}


def _moved_row(row: Row, moves: Roots, there: Mapping[str, tuple[int, int]]) -> Row:
    changes: dict[str, Any] = {"uri": moves.moved(row["uri"])}
    if row["uri"] in there:
        changes["modified_ns"] = there[row["uri"]][1]
    if (row["reason"] or "").startswith(_DUPLICATE):
        changes["reason"] = _DUPLICATE + moves.moved(row["reason"].removeprefix(_DUPLICATE))
    return row | changes


def _counted(uris: Sequence[str], what: str) -> str:
    shown = ", ".join(repr(uri) for uri in sorted(uris)[:MOST_NAMED])
    return f"{len(uris):,} files {what}: {shown}{' and others' if len(uris) > MOST_NAMED else ''}"
