"""Apply rules to the columns of a manifest again: seconds, and no video is touched."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from captioners.base import COLUMNS
from captioners.kept import after_asking
from pipelines import history
from pipelines.clips.decisions import passing, reasons_against
from pipelines.dedup.settle import settling
from pipelines.percentiles import resolved
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.config import recipe as recipe_of
from pipelines.recipe.plugins import with_captioner
from pipelines.recipe.recorded import load, recorded_config, run_of, with_added
from pipelines.recipe.trust import refuse_strange_sources
from pipelines.report.write import offer_report
from pipelines.verdicts import Waiting, check_columns
from preprocess.io.hold import exclusive
from preprocess.io.roots import Roots
from preprocess.io.settings import difference, fingerprint, override
from preprocess.io.tables import rows_of, with_moved, with_rows
from preprocess.manifest import Manifest, fingerprint_of
from preprocess.measurement import Step
from preprocess.schema import CAPTION_FIELDS, FINGERPRINT


def decide(
    out: str, *, recipe: str | None, assignments: list[str], sources: Sequence[str] = (), roots: Sequence[str] = ()
) -> Manifest:
    """Decide every clip of the manifest at `out` anew, by its own recipe or another one's rules, changed by `--set`.

    Bounds such as `rules.motion.min=p10` are percentiles (`pipelines.percentiles`). What it replaces is kept, so that
    `undo` can put it back.

    A captioner that reads files beside the videos does so elsewhere than at the manifest below `sources` only; where
    the videos are now, `roots` say, such as `/data=/mnt/data`.

    Raises:
        ValueError: no manifest, a misspelt setting, a setting that needs new measurements, or files elsewhere.
    """
    manifest = Manifest(out)
    with exclusive(manifest.location) as hold:
        run, own = to_be_changed(manifest)
        history.tidy(manifest, run)
        moved = Roots.of(roots)
        config = asked_config(manifest, run, own, recipe, assignments)
        if config.captioner.reads_files:
            refuse_strange_sources(manifest, config, sources, moved)
        hold.confirm()
        change = uuid.uuid4().hex
        rewrite(manifest, history.with_entry(run, change, own, config), config, roots=moved, name=change)
    return manifest


def asked_config(
    manifest: Manifest, run: Mapping[str, Any], own: CurateConfig, recipe: str | None, assignments: Sequence[str]
) -> CurateConfig:
    """The manifest's `own` recipe with the rules that the command line asks for.

    Raises:
        ValueError: a misspelt setting, or one that needs new measurements.
    """
    config = own
    if recipe is not None:
        config = with_captioner(with_added(recipe_of(recipe), run), type(own.captioner))
    config = override(config, resolved(assignments, config, manifest.parted_clips()))
    measured = [line for line in difference(own, config) if not line.startswith(("rules.", "name:"))]
    if measured:
        listing = "\n  ".join(measured)
        raise ValueError(f"these settings change measurements; curate into a new OUT for them:\n  {listing}")
    return config


def undo(out: str, *, sources: Sequence[str] = (), roots: Sequence[str] = ()) -> str:
    """Take the last `decide` back; what was done, in a sentence.

    Where the table of clips is still the one that it made, its files become those from before, byte for byte.
    Otherwise, as after new videos or another filter, all clips are decided by the bounds from before.

    Raises:
        ValueError: there is no manifest, or no `decide` to take back, or its rules are on columns that are no more.
    """
    manifest = Manifest(out)
    with exclusive(manifest.location) as hold:
        begun = manifest.run_to_be()
        was_under_way = begun is not None and len(history.entries(begun)) < len(history.entries(manifest.run() or {}))
        run, own = to_be_changed(manifest)
        if was_under_way:
            offer_report(manifest)
            return "an earlier --undo that was killed is brought to its end; say --undo again for one more"
        entries = history.entries(run)
        if not entries:
            raise ValueError(f"{manifest.location!r}: there is no `decide` that could be taken back")
        entry = entries[-1]
        config = replace(own, name=entry.before.name, rules=entry.before.rules)
        run, before = history.without_last(run), history.replaced_by(manifest, entry)
        hold.confirm()
        if before is not None and fingerprint_of(before.schema) in (None, fingerprint(config)):
            manifest.rewrite_clips(before.put_back, run | run_of(config), exactly=before.schema)
            offer_report(manifest)
            same = "byte for byte" if before.is_back(manifest) else "row for row; another version had written it"
            how = f"the table of clips is that of before, {same}"
        else:
            if config.captioner.reads_files:
                refuse_strange_sources(manifest, config, sources, Roots.of(roots))
            rewrite(manifest, run, config, roots=Roots.of(roots))
            how = "the table has changed since then, so all clips are decided anew by the bounds of before"
        history.tidy(manifest, run)
    return f"taken back: {entry.told()}\n{how}"


def to_be_changed(manifest: Manifest) -> tuple[dict[str, Any], CurateConfig]:
    """run.json of a manifest, which is held, and its recipe.

    What a run that was killed has finished, and what was said by hand, is in the tables first: all changes reach it.

    Raises:
        ValueError: there is no manifest, or its recipe is not understood.
    """
    manifest.mend()
    run = load(manifest)
    config = recorded_config(run)
    manifest.compact_known(config.columns, {FINGERPRINT: run["fingerprint"]})
    _take_in(manifest, run, config)
    return run, config


def take_in_verdicts(out: str) -> bool:
    """Put what was said by hand into the table of clips and decide again; whether there was anything.

    Raises:
        ValueError: there is no manifest, or another run has it.
    """
    manifest = Manifest(out)
    if not Waiting.at(manifest.location).places:
        return False
    with exclusive(manifest.location):
        to_be_changed(manifest)
        offer_report(manifest)
    return True


def _take_in(manifest: Manifest, run: dict[str, Any], config: CurateConfig) -> None:
    """Columns and decisions change together, so that one never contradicts the other."""
    waiting, table = Waiting.at(manifest.location), manifest.parted_clips()
    if not waiting.places or table.schema is None:
        return
    check_columns(table.schema)
    settle = settling(manifest, config, waiting.put_into, reads=Waiting.READS)

    def changed(clips: pa.Table) -> pa.Table:
        rows = waiting.put_into(clips)
        # a captioner that opens files does so where the user has said that it may: with the next `decide`
        return settle(ruled(config, rows) if config.captioner.reads_files else decided(config, rows, measured=False))

    manifest.rewrite_clips(changed, run)
    waiting.clear()


def rewrite(
    manifest: Manifest,
    run: dict[str, Any],
    config: CurateConfig,
    change: Callable[[pa.Table], pa.Table] | None = None,
    *,
    spent: Sequence[str] = (),
    roots: Roots,
    name: str | None = None,
) -> None:
    """Replace status, reasons and captions by what `config` decides from the columns; then run.json and the report.

    `change` gives some rows of the table new values in other columns, before they are decided; folders of `columns/`
    whose content it has are `spent`. With a `name`, that of an entry in the history, what is replaced is kept.
    """
    run = run | run_of(config)
    settle = settling(manifest, config, change)

    def changed(clips: pa.Table) -> pa.Table:
        rows = clips if change is None else change(clips)
        return settle(decided(config, rows, measured=change is not None, roots=roots))

    seen = None if name is None else history.recording(manifest, name)
    folders = [location.rpartition("/")[2] for location in spent]
    manifest.rewrite_clips(changed, run, spent=folders, name=name, seen=seen)
    offer_report(manifest)


def decided(config: CurateConfig, clips: pa.Table, *, measured: bool, roots: Roots | None = None) -> pa.Table:
    """The rows with the `status`, `reasons` and captions that follow from their other columns, some of which were
    `measured` anew."""
    if not config.captioner.needs_frames:
        clips = _described(config, clips, roots or Roots(), anew=measured)
    return ruled(config, clips)


def ruled(config: CurateConfig, clips: pa.Table) -> pa.Table:
    """The rows with the `status` and `reasons` that the rules on their columns give."""
    reasons = reasons_against(config, clips)
    status = pc.if_else(pc.equal(pc.list_value_length(reasons), 0), "kept", "rejected")
    for column, values in (("status", status), ("reasons", reasons)):
        clips = clips.set_column(clips.schema.get_field_index(column), column, values)
    return clips


def _described(config: CurateConfig, clips: pa.Table, roots: Roots, *, anew: bool) -> pa.Table:
    """Captions made from rows follow the rows. A model's captions are dear: they stay, also on clips rejected now."""
    captioner = config.captioner
    nobody = pc.is_null(clips["captioner"]).to_numpy()
    own = nobody | pc.equal(clips["captioner"], captioner.name).fill_null(False).to_numpy()
    stale = anew | nobody | pc.equal(clips["caption_outcome"], "error").fill_null(False).to_numpy()
    shown = passing(config, clips, before=Step.CAPTIONED)
    asked, dropped = np.flatnonzero(own & shown & stale), np.flatnonzero(own & ~shown & ~nobody)
    rows = rows_of(with_moved(clips.take(asked), "source_uri", roots))
    said = zip(rows, captioner.scores([()] * len(rows), rows), strict=True)
    captions = [after_asking(row, captioner.filled(columns)) for row, columns in said]
    captions += [dict.fromkeys(COLUMNS)] * len(dropped)
    return with_rows(clips, np.concatenate([asked, dropped]), pa.Table.from_pylist(captions, pa.schema(CAPTION_FIELDS)))
