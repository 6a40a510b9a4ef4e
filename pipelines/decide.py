"""Apply rules to the columns of a manifest again: seconds, and no video is touched."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from captioners.base import COLUMNS
from pipelines.clips.decisions import broken_rules
from pipelines.clips.decisions import decide as decide_row
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.config import recipe as recipe_of
from pipelines.recipe.plugins import with_captioner
from pipelines.recipe.recorded import load, recorded_config, run_of, with_added
from pipelines.report.write import write_report
from preprocess.io import storage
from preprocess.io.settings import difference, override
from preprocess.manifest import Manifest, Row
from preprocess.measurement import Step


def decide(out: str, *, recipe: str | None, assignments: list[str]) -> Manifest:
    """Decide every clip of the manifest at `out` anew, by its own recipe or another one's rules, changed by `--set`.

    Raises:
        ValueError: no manifest, a misspelt setting, or a setting that needs new measurements.
    """
    manifest = Manifest(out)
    with storage.exclusive(manifest.location):
        run, clips = load(manifest)
        own = recorded_config(run)
        config = own
        if recipe is not None:
            config = with_captioner(with_added(recipe_of(recipe), run), type(own.captioner))
        config = override(config, assignments)
        measured = [line for line in difference(own, config) if not line.startswith(("rules.", "name:"))]
        if measured:
            listing = "\n  ".join(measured)
            raise ValueError(f"these settings change measurements; curate into a new OUT for them:\n  {listing}")
        rewrite(manifest, run, clips, config)
    return manifest


def rewrite(manifest: Manifest, run: dict[str, Any], clips: pa.Table, config: CurateConfig) -> None:
    """Replace status, reasons and captions by what `config` decides from the columns; then run.json and the report."""
    rows = clips.to_pylist()
    if not config.captioner.needs_frames:
        _describe(config, rows)
    for row in rows:
        decide_row(config, row)
    run = run | run_of(config)
    table = pa.Table.from_pylist(rows, schema=clips.schema.remove_metadata())
    manifest.replace_clips(table, {"clipmill_fingerprint": run["fingerprint"]})
    manifest.write_run(run)
    write_report(manifest)


def _describe(config: CurateConfig, rows: list[Row]) -> None:
    """Captions made from rows are made anew. A model's captions are dear: they stay, also on clips rejected now."""
    own = [row for row in rows if row["captioner"] in (None, config.captioner.name)]
    asked = []
    for row in own:
        if broken_rules(config, row, before=Step.CAPTIONED):
            row |= dict.fromkeys(COLUMNS)
        else:
            asked.append(row)
    for row, columns in zip(asked, config.captioner.scores([()] * len(asked), asked), strict=True):
        row |= config.captioner.filled(columns)
