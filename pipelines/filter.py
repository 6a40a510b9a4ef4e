"""Run one filter alone over an existing manifest and add its columns. Killed in the middle, it resumes."""

from __future__ import annotations

from pipelines.clips.decisions import passing
from pipelines.clips.revisit import asked_clips, revisit_clips, with_values
from pipelines.clips.task import Task
from pipelines.curate import choose_engine
from pipelines.decide import rewrite
from pipelines.recipe.checks import check_models, refuse_mixed_towers
from pipelines.recipe.plugins import scorer_named, with_scorer
from pipelines.recipe.recorded import load, recorded_config
from preprocess.io import storage
from preprocess.io.settings import fingerprint, override
from preprocess.manifest import Manifest, score_fields


def run_filter(
    name: str, out: str, *, assignments: list[str] | None = None, engine: str = "auto", workers: int | None = None
) -> Manifest:
    """Measure the clips of the manifest at `out` with the filter `name`, then decide again by the manifest's rules.

    `name` is that of a file in `filters/`, or `module:Class`.

    A filter that runs a model skips the clips that the rules on cheaper columns reject, as in a whole run.

    Raises:
        ValueError: no manifest, no such filter, weights that are missing, or a misspelt setting.
    """
    kind = scorer_named(name)  # imported before run.json is read, which may have it
    manifest = Manifest(out)
    with storage.exclusive(manifest.location):
        run = load(manifest)
        before = recorded_config(run)
        config = override(with_scorer(before, kind), assignments or [])
        scorer = next(scorer for scorer in config.scorers if type(scorer) is kind)
        check_models(config, measurements=[scorer], captions=False)
        refuse_mixed_towers(before, config, anew=[scorer])
        step = scorer.step
        done = storage.join(manifest.location, "columns", f"{scorer.name}-{fingerprint(config)}")
        columns = dict(score_fields(scorer.columns))
        values = revisit_clips(
            manifest,
            asked_clips(manifest, lambda clips: passing(config, clips, before=step)),
            Task(config=config, measurements=(scorer,), captions=False, gated=False),
            columns=columns,
            done=done,
            engine=choose_engine(engine, workers, config),
        )
        if scorer not in before.scorers:
            run = run | {"added": sorted({*run.get("added", ()), scorer.name})}
        rewrite(manifest, run, config, lambda clips: with_values(clips, values, columns))
        storage.delete_folder(done)
    return manifest
