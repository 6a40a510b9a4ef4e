"""The main path: from a folder or bucket of videos to a manifest of clips."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cluster.engine import ENGINES, Engine, LocalEngine
from pipelines.clips.attempts import attempts_of_run, forget_attempts
from pipelines.clips.model_stages import model_stages
from pipelines.clips.stages import MeasureStage, PartSink, WriteStage
from pipelines.clips.task import whole
from pipelines.progress import Progress
from pipelines.recipe.checks import check_models
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.recorded import recorded_config, run_of, with_added
from pipelines.report.write import write_report
from preprocess.clip import Source
from preprocess.errors import MediaError
from preprocess.io import storage
from preprocess.io.names import elsewhere
from preprocess.io.settings import difference, fingerprint
from preprocess.manifest import Manifest
from preprocess.probe import header_seconds
from preprocess.sources import list_sources
from preprocess.units import SPLIT_BYTES, WorkUnit, plan_units

ROOT = Path(__file__).resolve().parents[1]


def curate(
    source: str, out: str, config: CurateConfig, *, engine: str = "auto", workers: int | None = None
) -> Manifest:
    """Curate every video below `source` into the manifest at `out`. Run it again to resume, or to add new videos.

    Raises:
        ValueError: nothing at `source`, weights that are missing, another recipe's manifest at `out`, or a plan that
            cannot run here.
    """
    check_models(config, measurements=config.scorers, captions=True)
    manifest = Manifest(out)
    listing = list_sources(source, exclude=out)
    with storage.exclusive(manifest.location):
        run, config = _claim(manifest, config, source)
        runner = choose_engine(engine, workers, config)
        units = _remaining(manifest, listing.sources, config, workers)
        task, attempts = whole(config), attempts_of_run(manifest.location, runner)
        stages = [
            MeasureStage(task, attempts),
            *model_stages(task, attempts),
            WriteStage(PartSink(out=manifest.location, config=config)),
        ]
        with Progress(units, listing) as progress:
            progress.start()
            if units:
                for summary in runner.run(stages, units):
                    progress.add(summary)
        manifest.compact(listing.sources, config.columns, {"clipmill_fingerprint": run["fingerprint"]})
        _finish(manifest, run, progress)
        write_report(manifest)
    return manifest


def choose_engine(name: str, workers: int | None, config: CurateConfig) -> Engine:
    """`local` is this process, `ray` a cluster; `auto` joins a running cluster, or starts one on this machine's cores.

    Code of the recipe that is not ours is sent along.

    Raises:
        ValueError: no such engine.
    """
    if name not in ENGINES:
        raise ValueError(f"engine {name!r}: allowed are {', '.join(ENGINES)}")
    if name == "local":
        return LocalEngine()
    from cluster.connection import cluster_is_running, send_along  # importing ray takes a second
    from cluster.ray_engine import RayEngine

    send_along(elsewhere(config))
    return RayEngine(address="auto" if cluster_is_running() else None, working_dir=str(ROOT), workers=workers)


def _claim(manifest: Manifest, config: CurateConfig, source: str) -> tuple[dict[str, Any], CurateConfig]:
    """Write run.json for this recipe, or refuse a manifest that another one began.

    Filters that were added to the manifest meanwhile join the recipe.
    """
    now = {"versions": _versions(), "source": storage.absolute(source)}
    before = manifest.run()
    if before is None:
        run = run_of(config) | now | {"started": _now()}
    else:
        config = with_added(config, before)
        if before["fingerprint"] != fingerprint(config):
            changes = "\n  ".join(difference(recorded_config(before), config))
            raise ValueError(
                f"{manifest.location!r} was made by recipe {before['recipe']['name']} ({before['fingerprint']}), this "
                f"is {config.name} ({fingerprint(config)}). They differ in\n  {changes}\n"
                "Name another OUT, or give the same recipe and --set as before. To move bounds only, use `decide`."
            )
        run = before | now
    manifest.write_run(run)
    return run, config


def _remaining(
    manifest: Manifest, sources: Sequence[Source], config: CurateConfig, workers: int | None
) -> list[WorkUnit]:
    """Planned units minus what tables and parts already hold."""
    done = manifest.settled_sources()
    todo = [s for s in sources if (s.uri, s.size_bytes, s.modified_ns) not in done]
    return plan_units(
        todo,
        long_durations(todo),
        manifest.settled_spans(),
        span_seconds=config.span_seconds,
        workers=workers or 8,
    )


def long_durations(sources: Sequence[Source]) -> Mapping[str, float]:
    """Header lengths in seconds, by uri, of the files that are large enough to be divided."""
    large = [source for source in sources if source.size_bytes > SPLIT_BYTES]

    def ask(source: Source) -> float | None:
        try:
            return header_seconds(source)
        except (MediaError, OSError):  # the worker that opens it will give the reason a row
            return None

    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(ask, large)
    return {source.uri: seconds for source, seconds in zip(large, answers, strict=True) if seconds is not None}


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
