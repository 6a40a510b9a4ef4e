"""Apply rules to the columns of a manifest again: seconds, and no video is touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from captioners.base import COLUMNS
from pipelines.clips.decisions import passing, reasons_against
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.config import recipe as recipe_of
from pipelines.recipe.plugins import with_captioner
from pipelines.recipe.recorded import load, recorded_config, run_of, with_added
from pipelines.report.write import write_report
from preprocess.io import storage
from preprocess.io.settings import difference, override
from preprocess.io.tables import rows_of, with_rows
from preprocess.manifest import CAPTION_FIELDS, Manifest
from preprocess.measurement import Step


def decide(out: str, *, recipe: str | None, assignments: list[str]) -> Manifest:
    """Decide every clip of the manifest at `out` anew, by its own recipe or another one's rules, changed by `--set`.

    Raises:
        ValueError: no manifest, a misspelt setting, or a setting that needs new measurements.
    """
    manifest = Manifest(out)
    with storage.exclusive(manifest.location):
        run = load(manifest)
        own = recorded_config(run)
        config = own
        if recipe is not None:
            config = with_captioner(with_added(recipe_of(recipe), run), type(own.captioner))
        config = override(config, assignments)
        measured = [line for line in difference(own, config) if not line.startswith(("rules.", "name:"))]
        if measured:
            listing = "\n  ".join(measured)
            raise ValueError(f"these settings change measurements; curate into a new OUT for them:\n  {listing}")
        rewrite(manifest, run, config)
    return manifest


def rewrite(
    manifest: Manifest,
    run: dict[str, Any],
    config: CurateConfig,
    change: Callable[[pa.Table], pa.Table] | None = None,
) -> None:
    """Replace status, reasons and captions by what `config` decides from the columns; then run.json and the report.

    `change` gives some rows of the table new values in other columns, before they are decided.
    """
    run = run | run_of(config)

    def changed(clips: pa.Table) -> pa.Table:
        return decided(config, clips if change is None else change(clips), measured=change is not None)

    manifest.rewrite_clips(changed, {"clipmill_fingerprint": run["fingerprint"]})
    manifest.write_run(run)
    write_report(manifest)


def decided(config: CurateConfig, clips: pa.Table, *, measured: bool) -> pa.Table:
    """The rows with the `status`, `reasons` and captions that follow from their other columns, some of which were
    `measured` anew."""
    if not config.captioner.needs_frames:
        clips = _described(config, clips, anew=measured)
    reasons = reasons_against(config, clips)
    status = pc.if_else(pc.equal(pc.list_value_length(reasons), 0), "kept", "rejected")
    for column, values in (("status", status), ("reasons", reasons)):
        clips = clips.set_column(clips.schema.get_field_index(column), column, values)
    return clips


def _described(config: CurateConfig, clips: pa.Table, *, anew: bool) -> pa.Table:
    """Captions made from rows follow the rows. A model's captions are dear: they stay, also on clips rejected now."""
    captioner = config.captioner
    nobody = pc.is_null(clips["captioner"]).to_numpy()
    own = nobody | pc.equal(clips["captioner"], captioner.name).fill_null(False).to_numpy()
    stale = anew | nobody | pc.equal(clips["caption_outcome"], "error").fill_null(False).to_numpy()
    shown = passing(config, clips, before=Step.CAPTIONED)
    asked, dropped = np.flatnonzero(own & shown & stale), np.flatnonzero(own & ~shown & ~nobody)
    rows = rows_of(clips.take(asked))
    captions = [dict(captioner.filled(columns)) for columns in captioner.scores([()] * len(rows), rows)]
    captions += [dict.fromkeys(COLUMNS)] * len(dropped)
    return with_rows(clips, np.concatenate([asked, dropped]), pa.Table.from_pylist(captions, pa.schema(CAPTION_FIELDS)))
