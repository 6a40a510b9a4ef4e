"""The main path: from a folder or bucket of videos to a manifest of clips."""

from __future__ import annotations

import datetime
import importlib.metadata
import logging
import platform
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from cluster.engine import ENGINES, Engine, InProcess
from cluster.local_engine import LocalEngine
from pipelines.clips.answers import answers_folder, keeping_answers, kept_answers
from pipelines.clips.attempts import attempts_of_run, forget_attempts
from pipelines.clips.faults import Faults
from pipelines.clips.model_stages import model_stages
from pipelines.clips.stages import MeasureStage, PartSink, WriteStage
from pipelines.clips.task import whole
from pipelines.heartbeat import heartbeat
from pipelines.outcomes import Finished, Outcomes, left_failed
from pipelines.progress import Progress
from pipelines.recipe.checks import check_models
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.present import with_present_bounds
from pipelines.recipe.recorded import recorded_config, run_of, with_added
from pipelines.recipe.trust import refuse_unsaid
from pipelines.report.write import offer_report
from pipelines.work_left import work_left
from preprocess.forgotten import Forgotten
from preprocess.io import storage
from preprocess.io.hold import exclusive
from preprocess.io.names import elsewhere
from preprocess.io.settings import difference, fingerprint, override
from preprocess.manifest import Manifest
from preprocess.schema import FINGERPRINT
from preprocess.sources import list_sources
from preprocess.units import SPLIT_BYTES

ROOT = Path(__file__).resolve().parents[1]

_log = logging.getLogger("clipmill")


def curate(
    source: str,
    out: str,
    config: CurateConfig,
    *,
    assignments: Sequence[str] = (),
    engine: str = "auto",
    workers: int | None = None,
    again: Collection[str] = (),
    strict: bool = False,
) -> Finished:
    """Curate every video below `source` into the manifest at `out`. Run it again to resume, or to add new videos.

    What failed for want of the machine or the storage is tried again by the next run, what failed for one of the
    reasons `again` by this one. `strict` raises the first error of our own code, which is settled otherwise.
    `assignments` (`--set`) may also change filters that were added to the manifest.

    Raises:
        ValueError: nothing at `source`, weights that are missing, another recipe's manifest at `out`, a plan that
            cannot run here, or too many files in a row that failed for no fault of their own.
    """
    manifest = Manifest(out)
    config = _with_all(config, manifest.run(), assignments)
    check_models(config, measurements=config.scorers, captions=True)
    listing = list_sources(source, exclude=out, pictures=config.pictures)
    if not listing.sources:
        raise ValueError(f"{source!r}: there is no file that could be a video{listing.passed_over}")
    with exclusive(manifest.location) as hold, heartbeat(manifest.location, command="curate") as beating:
        manifest.mend()
        run, config = _claim(manifest, config, source)
        listing, num_forgotten = Forgotten.of(run).left(listing)
        if num_forgotten:
            _log.info("%d files are passed over: they were forgotten, by `forget`", num_forgotten)
        runner = choose_engine(engine, workers, config)
        units = work_left(manifest, listing.sources, config, workers=workers, again=again, split_bytes=SPLIT_BYTES)
        answers = answers_folder(manifest.location, config.captioner)
        task, attempts = whole(config, kept_answers(answers)), attempts_of_run(manifest.location, runner)
        faults, outcomes = Faults(out=manifest.location, strict=strict), Outcomes(config)
        stages = [
            MeasureStage(task, attempts, faults),
            *model_stages(task, attempts, faults),
            WriteStage(PartSink(out=manifest.location, config=config), faults),
        ]
        with Progress(units, listing, beating) as progress, keeping_answers(answers):
            progress.start()
            if not units and (left := left_failed(manifest)):
                _log.info("%s", left)
            if units:
                with closing(runner.run(stages, units)) as summaries:  # no worker outlives the hold on OUT
                    for summary in summaries:
                        progress.add(summary)
                        outcomes.add(summary.outcomes)
                        hold.check()
        beating.turn_to("writing the tables")
        hold.confirm()
        metadata = {FINGERPRINT: run["fingerprint"]}
        compacted = manifest.compact(listing.sources, config.columns, metadata, again)
        for row in compacted.sources:
            if row["uri"] in compacted.fresh:  # a run that was killed may have met it, too
                outcomes.remember(row["uri"], row["reason"])
        storage.delete_folder(answers)
        _finish(manifest, run, progress)
        offer_report(manifest)
    return Finished(out, outcomes)


def choose_engine(name: str, workers: int | None, config: CurateConfig) -> Engine:
    """`local` is a child of this process, `in-process` this one, `ray` a cluster; `auto` joins a running cluster, or
    starts one on this machine's cores.

    Code of the recipe that is not ours is sent along.

    Raises:
        ValueError: no such engine.
    """
    if name not in ENGINES:
        raise ValueError(f"engine {name!r}: allowed are {', '.join(ENGINES)}")
    if name == "in-process":
        return InProcess()
    if name == "local":
        return LocalEngine(elsewhere(config))
    from cluster.by_value import send_along  # importing ray takes a second
    from cluster.connection import cluster_is_running
    from cluster.ray_engine import RayEngine

    send_along(elsewhere(config))
    return RayEngine(address="auto" if cluster_is_running() else None, working_dir=str(ROOT), workers=workers)


def _with_all(recipe: CurateConfig, run: Mapping[str, Any] | None, assignments: Sequence[str]) -> CurateConfig:
    """With the filters that were added to the manifest, and what the command line sets.

    Raises:
        ValueError: run.json alone says what those would open.
    """
    config = override(recipe if run is None else with_added(recipe, run), assignments)
    refuse_unsaid(config, measurements=config.scorers, captions=True, said=assignments, recipe=recipe)
    return config


def _claim(manifest: Manifest, config: CurateConfig, source: str) -> tuple[dict[str, Any], CurateConfig]:
    """Write run.json for this recipe, or refuse a manifest that another one began.

    Filters that were added to the manifest meanwhile join the recipe, and the bounds are those that it has now.
    """
    now = {"versions": _versions(), "source": storage.absolute(source)}
    before = manifest.run()
    if before is None:
        run = run_of(config) | now | {"started": _now()}
    else:
        config = with_present_bounds(with_added(config, before), before)
        if before.get("fingerprint") != fingerprint(config):
            recorded = recorded_config(before)
            changes = "\n  ".join(difference(recorded, config))
            raise ValueError(
                f"{manifest.location!r} was made by recipe {recorded.name} ({fingerprint(recorded)}), this "
                f"is {config.name} ({fingerprint(config)}). They differ in\n  {changes}\n"
                "Name another OUT, or give the same recipe and --set as before. To move bounds only, use `decide`."
            )
        run = before | now
    manifest.write_run(run)
    return run, config


def _finish(manifest: Manifest, run: dict[str, Any], progress: Progress) -> None:
    run["finished"] = _now()
    run["source_seconds"] = run.get("source_seconds", 0.0) + progress.source_seconds
    run["wall_seconds"] = run.get("wall_seconds", 0.0) + time.monotonic() - progress.began
    manifest.write_run(run)
    forget_attempts(manifest.location)


def _versions() -> dict[str, str]:
    names = ("av", "numpy", "onnxruntime", "opencv-python", "pyarrow", "rapidocr", "ray", "scenedetect")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
