"""Run one filter alone over an existing manifest and add its columns. Killed in the middle, it resumes."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.clips.decisions import passing
from pipelines.clips.revisit import asked_clips, fields_of, revisit_clips, stored_fields, with_values
from pipelines.clips.task import Task
from pipelines.curate import choose_engine
from pipelines.decide import rewrite, to_be_changed
from pipelines.heartbeat import heartbeat
from pipelines.outcomes import Finished, Outcomes
from pipelines.recipe.checks import check_models, refuse_mixed_towers
from pipelines.recipe.plugins import scorer_named, with_scorer
from pipelines.recipe.trust import refuse_strange_sources, refuse_unsaid
from preprocess.io import storage
from preprocess.io.hold import exclusive
from preprocess.io.roots import Roots
from preprocess.io.settings import fingerprint, override
from preprocess.manifest import Manifest


def run_filter(
    name: str,
    out: str,
    *,
    assignments: list[str] | None = None,
    sources: Sequence[str] = (),
    roots: Sequence[str] = (),
    engine: str = "auto",
    workers: int | None = None,
    strict: bool = False,
) -> Finished:
    """Measure the clips of the manifest at `out` with the filter `name`, then decide again by the manifest's rules.

    `name` is that of a file in `filters/`, or `module:Class`.

    A filter that runs a model skips the clips that the rules on cheaper columns reject, as in a whole run.

    Videos at addresses that the manifest alone names (`io.places`) are opened below `sources` only. `roots`, such as
    `/data=/mnt/data`, say where they are now.

    Raises:
        ValueError: no manifest, no such filter, weights that are missing, a misspelt setting, or something outside that
            run.json alone names.
    """
    kind = scorer_named(name)  # imported before run.json is read, which may have it
    manifest = Manifest(out)
    with exclusive(manifest.location) as hold, heartbeat(manifest.location, command="filter", subject=name) as beating:
        run, before = to_be_changed(manifest)
        moved = Roots.of(roots)
        config = override(with_scorer(before, kind), assignments or [])
        scorer = next(scorer for scorer in config.scorers if type(scorer) is kind)
        refuse_mixed_towers(before, config, anew=[scorer])
        refuse_unsaid(config, measurements=[scorer], captions=False, said=assignments or [])
        refuse_strange_sources(manifest, config, sources, moved, opened=scorer.needs_frames)
        check_models(config, measurements=[scorer], captions=False)
        step = scorer.step
        outcomes = Outcomes(config)
        done = storage.join(manifest.location, "columns", f"{scorer.name}-{fingerprint(config)}")
        columns = fields_of(scorer)
        values = revisit_clips(
            manifest,
            asked_clips(manifest, lambda clips: passing(config, clips, before=step), moved),
            Task(config=config, measurements=(scorer,), captions=False, gated=False),
            columns=columns,
            done=done,
            engine=choose_engine(engine, workers, config),
            beating=beating,
            hold=hold,
            outcomes=outcomes,
            roots=moved,
            strict=strict,
        )
        if scorer not in before.scorers:
            run = run | {"added": sorted({*run.get("added", ()), scorer.name})}
        fields = stored_fields(manifest, columns, values)
        hold.confirm()
        rewrite(manifest, run, config, lambda clips: with_values(clips, values, fields), spent=[done], roots=moved)
    return Finished(out, outcomes)
