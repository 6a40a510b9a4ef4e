"""Describe the clips of an existing manifest, with another captioner or where captions failed. It resumes, too."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from filters.rules import Mask
from pipelines.clips.decisions import passing
from pipelines.clips.revisit import asked_clips, revisit_clips, with_values
from pipelines.clips.task import Task
from pipelines.curate import choose_engine
from pipelines.decide import rewrite
from pipelines.recipe.checks import check_models, refuse_mixed_towers
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.plugins import captioner_named, with_captioner
from pipelines.recipe.recorded import load, recorded_config
from preprocess.io import storage
from preprocess.io.settings import difference, fingerprint, override
from preprocess.manifest import CAPTION_FIELDS, Manifest, score_fields
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
        run = load(manifest)
        before = recorded_config(run)
        config = override(with_captioner(before, kind or type(before.captioner)), assignments or [])
        followers = [scorer for scorer in config.scorers if scorer.step == Step.CAPTIONED]
        check_models(config, measurements=followers, captions=True)
        refuse_mixed_towers(before, config, anew=followers)
        anew = any(line.startswith("captioner") for line in difference(before, config))
        columns: dict[str, pa.DataType] = dict(CAPTION_FIELDS)
        for scorer in followers:
            columns |= score_fields(scorer.columns)
        done = storage.join(manifest.location, "columns", f"caption-{fingerprint(config)}")
        values = revisit_clips(
            manifest,
            asked_clips(manifest, lambda clips: _wanted(config, clips, anew=anew)),
            Task(config=config, measurements=tuple(followers), captions=True, gated=False),
            columns=columns,
            done=done,
            engine=choose_engine(engine, workers, config),
        )
        rewrite(manifest, run, config, lambda clips: with_values(clips, values, columns))
        storage.delete_folder(done)
    return manifest


def _wanted(config: CurateConfig, clips: pa.Table, *, anew: bool) -> Mask:
    """Which clips (N,) are to be described, and have not been in this way."""
    own = (config.captioner.name, config.captioner.prompt_id)
    said = (clips[name].to_pylist() for name in ("captioner", "prompt_id", "caption_outcome"))
    settled = [
        not anew and (name, prompt) == own and outcome != "error" for name, prompt, outcome in zip(*said, strict=True)
    ]
    return passing(config, clips, before=Step.CAPTIONED) & ~np.array(settled, np.bool_)
