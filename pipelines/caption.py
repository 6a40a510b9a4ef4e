"""Describe the clips of an existing manifest, with another captioner or where captions failed. It resumes, too."""

from __future__ import annotations

import pyarrow as pa

from pipelines.clips.decisions import broken_rules
from pipelines.clips.revisit import revisit_clips, with_values
from pipelines.clips.task import Task
from pipelines.curate import choose_engine
from pipelines.decide import rewrite
from pipelines.recipe.checks import check_models, refuse_mixed_towers
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.plugins import captioner_named, with_captioner
from pipelines.recipe.recorded import load, recorded_config
from preprocess.io import storage
from preprocess.io.settings import difference, fingerprint, override
from preprocess.manifest import CAPTION_FIELDS, Manifest, Row, score_fields
from preprocess.measurement import Step


def run_caption(
    out: str,
    *,
    captioner: str | None = None,
    assignments: list[str] | None = None,
    engine: str = "auto",
    workers: int | None = None,
) -> Manifest:
    """Describe every clip of the manifest at `out` that passes the rules and that this captioner has not described.

    Another model, prompt or number of frames describes all of them anew. Clips whose caption ended in an `error` are
    asked for again. Scorers of captions (`alignment`) follow the new ones. `captioner` is the name of a file in
    `captioners/`, or `module:Class`.

    Raises:
        ValueError: no manifest, no such captioner, weights or a server that are missing, or a misspelt setting.
    """
    kind = None if captioner is None else captioner_named(captioner)  # imported before run.json is read
    manifest = Manifest(out)
    with storage.exclusive(manifest.location):
        run, table = load(manifest)
        before = recorded_config(run)
        config = override(with_captioner(before, kind or type(before.captioner)), assignments or [])
        followers = [scorer for scorer in config.scorers if scorer.step == Step.CAPTIONED]
        check_models(config, measurements=followers, captions=True)
        refuse_mixed_towers(before, config, anew=followers)
        anew = any(line.startswith("captioner") for line in difference(before, config))
        rows = table.to_pylist()
        columns: dict[str, pa.DataType] = dict(CAPTION_FIELDS)
        for scorer in followers:
            columns |= score_fields(scorer.columns)
        done = storage.join(manifest.location, "columns", f"caption-{fingerprint(config)}")
        values = revisit_clips(
            manifest,
            [row for row in rows if _wanted(config, row, anew=anew)],
            Task(config=config, measurements=tuple(followers), captions=True, gated=False),
            columns=columns,
            done=done,
            engine=choose_engine(engine, workers, config),
        )
        rewrite(manifest, run, with_values(table, rows, values, columns), config)
        storage.delete_folder(done)
    return manifest


def _wanted(config: CurateConfig, row: Row, *, anew: bool) -> bool:
    """Whether the clip is to be described, and has not been in this way."""
    mine = (row["captioner"], row["prompt_id"]) == (config.captioner.name, config.captioner.prompt_id)
    if mine and row["caption_outcome"] != "error" and not anew:
        return False
    return not broken_rules(config, row, before=Step.CAPTIONED)
