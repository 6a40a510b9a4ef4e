"""`export`: the kept clips as files, with captions and config, as one trainer reads them. The same command resumes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

import pyarrow as pa

from pipelines.cut import Work, cut_rows
from pipelines.export import said
from pipelines.export.content import TRAIN, VALIDATION, Export, Item
from pipelines.export.destination import Destination
from pipelines.export.facts import parquet_of, table_of
from pipelines.export.order import Order
from pipelines.export.planning import Chosen, Plan, Wish, plan_export
from pipelines.export.rows import KeptClips
from pipelines.outcomes import Finished
from preprocess.cutting.result import CutFile
from preprocess.io import storage
from preprocess.io.hold import exclusive
from preprocess.io.roots import Roots


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What is in DEST now."""

    export: Export
    left_out: Mapping[str, int]
    """Clips by the reason why they are not."""
    runs: Sequence[Finished]
    """How making the files went, a run a split."""


def run_export(
    out: str, dest: str, order: Order, wish: Wish, work: Work, *, where: str | None = None, at: str | None = None
) -> Exported:
    """Write the kept clips of the manifest at `out` into the folder or bucket `dest`, and say how its trainer starts.

    Args:
        out: a manifest.
        dest: new, or an export of the same kind.
        order: for whom and what.
        wish: which captions, and what is held out.
        work: how the clips' files are made.
        where: a condition on columns, of the clips that are taken.
        at: where the trainer will find `dest`, if elsewhere: config files name that.

    Raises:
        ValueError: there is no manifest, nothing that could be exported, or something else in `dest`.
    """
    _check_library(order)
    clips = KeptClips(out, where)
    plan = plan_export(
        clips.rows(),
        wish,
        order.cut,
        needs_sound=order.needs_sound,
        pictures=order.takes_pictures,
        spare=order.spare,
    )
    for line in said.before(plan, wish, order):
        print(line, flush=True)
    if not plan.chosen:
        raise ValueError(f"none of the kept clips of {out!r} can be exported: the lines above say why")
    destination = Destination(dest, order.trainer)
    _check_place(order, destination.location, at)
    files = _Files(out, clips, order, work)
    with exclusive(destination.location):
        destination.claim(order.facts)
        destination.clear(plan)
        items = list(_items(plan, files, destination))
        export = _export(order, wish, items, clips.schema, at or destination.location)
        _write(destination, order, export)
    missing = Counter(not_cut=len(plan.chosen) - len(items))
    for line in (*said.left_out(+missing, order), *said.after(export, order.trainer)):
        print(line, flush=True)
    return Exported(export=export, left_out={**plan.left_out, **+missing}, runs=files.runs)


def _check_library(order: Order) -> None:
    library = order.trainer.library
    if library is not None and find_spec(library) is None:
        raise ValueError(f"{order.trainer.name} needs the package {library}: pip install -e '.[export]'")


def _check_place(order: Order, location: str, at: str | None) -> None:
    if not storage.is_remote(location):
        return
    if order.trainer.pack is not None:
        raise ValueError(f"{order.trainer.name} is written to a folder on a disk, not to {location!r}")
    if order.trainer.models and at is None:
        raise ValueError(f"{order.trainer.name} reads from disks: say with --at where {location!r} will be there")
    storage.check(location)


@dataclass(frozen=True, slots=True)
class _Files:
    """Makes clips of one manifest into files."""

    out: str
    clips: KeptClips
    order: Order
    work: Work
    runs: list[Finished] = field(default_factory=list)

    def __call__(self, chosen: Sequence[Chosen], place: str) -> Mapping[str, CutFile]:
        """Those in a folder, by clip id, from their rows as the manifest has them."""
        roots = Roots.of(self.work.roots)
        rows = [self.clips.own(each.row) for each in chosen]
        moved = [row | {"source_uri": roots.moved(row["source_uri"])} for row in rows]
        files, finished = cut_rows(self.out, moved, self.order.cut, place, work=self.work)
        self.runs.append(finished)
        return files


def _items(plan: Plan, files_of: _Files, destination: Destination) -> Iterator[Item]:
    """The clips that are files now, in the manifest's order."""
    files: dict[str, CutFile] = {}
    for split in (TRAIN, VALIDATION):
        chosen = [each for each in plan.chosen if each.split == split]
        if chosen:
            files |= files_of(chosen, destination.media(split))
    for each in plan.chosen:
        file = files.get(str(each.row["clip_id"]))
        if file is not None:
            yield Item(split=each.split, file=file, caption=each.caption, row=each.row)


def _export(order: Order, wish: Wish, items: Sequence[Item], schema: pa.Schema, at: str) -> Export:
    if not any(item.split == TRAIN for item in items):
        raise ValueError(f"all {len(items)} clips are held out, and none is left to train on; lower --held-out")
    return Export(
        at=at,
        items=items,
        schema=schema,
        model=order.model,
        frames=order.frames,
        size=order.size,
        sound=order.sound,
        repeats=wish.repeats,
        media=order.trainer.media,
    )


def _write(destination: Destination, order: Order, export: Export) -> None:
    """Captions and tables first; export.json says last that all is there."""
    trainer = order.trainer
    if trainer.captions is not None:
        for item in export.items:
            storage.write_atomic(
                storage.join(destination.captions(item.split), f"{item.stem}.txt"), f"{item.caption}\n".encode()
            )
    for path, content in trainer.texts(export):
        destination.write(path, content)
    destination.write("clips.parquet", parquet_of(table_of(export, export.items)))
    lines = trainer.commands(export)
    if lines:
        destination.write("train.sh", "\n".join(["set -e", *lines]) + "\n")
    if trainer.pack is not None:
        trainer.pack(export, destination.location)
        for split in (TRAIN, VALIDATION):
            storage.delete_folder(storage.join(destination.location, split))
    destination.finish(order.facts)
