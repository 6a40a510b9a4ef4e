"""Apply rules to the columns of a manifest again: seconds, and no video is touched."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pipelines import recipes
from pipelines.config import CurateConfig, difference, fingerprint, override, settings
from pipelines.curate import describe_recipe
from pipelines.report.write import write_report
from pipelines.stages import decide as reasons_against
from pipelines.stages import describe
from preprocess import storage
from preprocess.manifest import Manifest, Row


def decide(out: str, *, recipe: str | None, assignments: list[str]) -> Manifest:
    """Decide every clip of the manifest at `out` anew, by its own recipe or another one's rules, changed by `--set`.

    Raises:
        ValueError: no manifest, a misspelt setting, or a setting that needs new measurements.
    """
    manifest = Manifest(out)
    with storage.exclusive(manifest.location):
        run, clips = load(manifest)
        own = recorded_config(run)
        config = override(own if recipe is None else recipes.by_name(recipe), assignments)
        measured = [line for line in difference(settings(own), settings(config)) if not _is_rule(line)]
        if measured:
            listing = "\n  ".join(measured)
            raise ValueError(f"these settings change measurements; curate into a new OUT for them:\n  {listing}")
        rewrite(manifest, run, clips, config)
    return manifest


def load(manifest: Manifest) -> tuple[dict[str, Any], pa.Table]:
    """run.json and the clips of a finished manifest.

    Raises:
        ValueError: there is none.
    """
    run, clips = manifest.run(), manifest.clips()
    if run is None or clips is None:
        raise ValueError(f"{manifest.location!r}: no manifest there; `python -m pipelines curate SOURCE OUT` makes one")
    return run, clips


def recorded_config(run: dict[str, Any]) -> CurateConfig:
    """The recipe that a manifest was made by, with the `--set` of its run."""
    config = recipes.by_name(run["recipe"]["name"])
    known = settings(config)
    changed = [f"{key}={value}" for key, value in run["settings"].items() if key not in known or known[key] != value]
    return override(config, changed)


def rewrite(manifest: Manifest, run: dict[str, Any], clips: pa.Table, config: CurateConfig) -> None:
    """Replace status, reasons and captions by what `config` decides from the columns; then run.json and the report."""
    rows = clips.to_pylist()
    for row in rows:
        _decide_row(config, row)
    flat = settings(config)
    run = run | {"recipe": describe_recipe(config), "settings": flat, "fingerprint": fingerprint(flat)}
    table = pa.Table.from_pylist(rows, schema=clips.schema.remove_metadata())
    manifest.replace_clips(table, {"clipmill_fingerprint": run["fingerprint"]})
    manifest.write_run(run)
    write_report(manifest)


def _decide_row(config: CurateConfig, row: Row) -> None:
    broken = reasons_against(config, row)
    row["status"], row["reasons"] = ("rejected" if broken else "kept"), broken
    if config.captioner.needs_frames or row["captioner"] not in (None, config.captioner.name):
        return  # such captions are dear: they stay, also on clips that are rejected now
    row |= describe(config.captioner, None, row)


def _is_rule(line: str) -> bool:
    return line.startswith(("rules.", "name:"))
