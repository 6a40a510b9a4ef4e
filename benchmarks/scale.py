"""What a corpus of any size takes, from costs measured on little: the table of docs/scale.md.

    python -m benchmarks.scale                 # prints the table from the costs below
    python -m benchmarks.scale --measure       # measures those of the driver anew, a few minutes

The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cluster.stage import Stage
from pipelines.costs import cpu_seconds
from preprocess.clip import Source
from preprocess.manifest import Manifest, part_table
from preprocess.units import PlannedUnits, plan_units

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The files that the table is about."""

    codec: str = "h264"
    width: int = 1920
    height: int = 1080
    fps: float = 24.0
    megabits_a_second: float = 5.0
    file_seconds: float = 600.0
    clip_seconds: float = 5.0
    """Found, kept or not."""
    span_seconds: float = 300.0

    @property
    def cpu_seconds_an_hour(self) -> float:
        """Of video, by pipelines/costs.py."""
        size_bytes = self.megabits_a_second * 3600 / 8e-6
        frames, megapixels = 3600 * self.fps, self.width * self.height / 1e6
        return cpu_seconds(self.codec, seconds=3600, frames=frames, megapixels=megapixels, size_bytes=size_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Of the driver, measured on 2026-11-29 (benchmarks/results/2026-11-29-costs.md), each per unit, span or clip."""

    planned_bytes: float = 910
    """Memory of a file that is listed and planned, and of its units as they are handed over."""
    ray_ms: float = 5.2
    """CPU time of the process that drives Ray, to hand a unit out and take its result."""
    ray_wall_ms: float = 23.4
    """The same by the clock, on a busy 2-core machine with the workers on it."""
    ray_bytes: float = 8800
    """Memory of a unit in the process that drives Ray."""
    resume_ms: float = 2.6
    """To look into a part, to know what is done."""
    compaction_ms: float = 7.6
    """To move a part of 60 clips into the tables."""
    compaction_bytes: float = 11900
    """Memory of a part in compaction."""
    clip_bytes: float = 8050
    """A clip in the tables, preview included."""
    decide_us: float = 6.3
    """A clip in `decide`, report included (2026-11-25)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Assumed, not measured: a bucket near by."""

    request_ms: float = 50.0
    keys_a_page: int = 1000
    page_ms: float = 200.0
    header_requests: int = 3
    """To know how long a film is."""
    header_readers: int = 16
    part_reads: int = 3
    """That compaction makes of each part, whole, one after the other; then it is deleted."""
    resume_reads: int = 2
    megabytes_a_second: float = 100.0


CLIPS = (1_000_000, 10_000_000, 100_000_000)
NODES = (4, 40, 100)
CORES = 16
BUSY = 0.9
"""Share of the cores' time that is work, Ray's share and stragglers apart: assumed."""


def rows(corpus: Corpus, costs: Costs, storage: Storage) -> list[tuple[str, list[str]]]:
    """The lines of the table: what, and how much of it for each of `CLIPS`."""
    table: list[tuple[str, Callable[[float], str]]] = []
    hours_a_clip = corpus.clip_seconds / 3600
    files_a_clip = corpus.clip_seconds / corpus.file_seconds
    units_a_file = corpus.file_seconds / corpus.span_seconds

    def add(name: str, told: Callable[[float], str], amount_a_clip: float) -> None:
        table.append((name, lambda clips: told(clips * amount_a_clip)))

    cpu_hours = hours_a_clip * corpus.cpu_seconds_an_hour / 3600
    units = files_a_clip * units_a_file
    add("hours of video", _count, hours_a_clip)
    add("files", _count, files_a_clip)
    add("units of work, and parts", _count, units)
    add("bytes to read", _bytes, hours_a_clip * 3600 * corpus.megabits_a_second / 8e-6)
    add("core hours", _count, cpu_hours)
    for nodes in NODES:
        add(f"on {nodes} nodes of {CORES} cores", _time, cpu_hours * 3600 / (nodes * CORES * BUSY))
    add("listing the bucket", _time, files_a_clip / storage.keys_a_page * storage.page_ms / 1000)
    header = storage.header_requests * storage.request_ms / 1000 / storage.header_readers
    add("lengths of long files", _time, files_a_clip * header)
    add("driver: memory of the plan", _bytes, files_a_clip * costs.planned_bytes + units * costs.ray_bytes)
    add("driver: CPU time of handing out", _time, units * costs.ray_ms / 1000)
    unit_seconds = corpus.span_seconds / 3600 * corpus.cpu_seconds_an_hour
    table.append(("driver: cores that it keeps busy", lambda clips: _count(unit_seconds / costs.ray_wall_ms * 1000)))
    add("driver: compaction on a disk", _time, units * costs.compaction_ms / 1000)
    part_bytes = costs.clip_bytes * corpus.span_seconds / corpus.clip_seconds
    read = storage.request_ms / 1000 + part_bytes / storage.megabytes_a_second / 1e6
    requests = storage.part_reads * read + storage.request_ms / 1000
    add("driver: compaction in a bucket", _time, units * (costs.compaction_ms / 1000 + requests))
    add("driver: memory of compaction", _bytes, units * costs.compaction_bytes)
    add("a resume just before it", _time, units * (costs.resume_ms / 1000 + storage.resume_reads * read))
    add("OUT", _bytes, costs.clip_bytes)
    add("moving a bound, `decide`", _time, costs.decide_us / 1e6)
    return [(name, [told(clips) for clips in CLIPS]) for name, told in table]


def markdown(corpus: Corpus, costs: Costs, storage: Storage) -> str:
    """The table."""
    lines = ["| clips | " + " | ".join(_count(clips) for clips in CLIPS) + " |", "|---|" + "---|" * len(CLIPS)]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows(corpus, costs, storage)]
    return "\n".join(lines)


def _count(value: float) -> str:
    """Three digits of it."""
    return f"{round(value, 2 - math.floor(math.log10(value))):,.0f}"


def _bytes(value: float) -> str:
    for unit, size in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9)):
        if value >= size:
            return f"{value / size:.2g} {unit}" if value < 100 * size else f"{value / size:.0f} {unit}"
    return f"{value / 1e6:.2g} MB" if value < 1e8 else f"{value / 1e6:.0f} MB"


def _time(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}" if seconds < 100 * size else f"{seconds / size:.0f} {unit}"
    return f"{seconds:.2g} s" if seconds < 100 else f"{seconds:.0f} s"


def measure(corpus: Corpus) -> Costs:
    """The driver's costs, each as the slope between few and many, in processes of their own."""
    clips = round(corpus.span_seconds / corpus.clip_seconds)
    spans = round(corpus.file_seconds / corpus.span_seconds)
    plan_few, plan_many = (_apart(_plan, files, spans) for files in (10_000, 60_000))
    ray_few, ray_many = (_apart(_hand_out, units) for units in (200, 1400))
    few, many = 200, 1000
    moved_few, moved_many = (_apart(_compact, parts, spans, clips) for parts in (few, many))
    parts = many - few
    return Costs(
        planned_bytes=(plan_many["peak"] - plan_few["peak"]) / 50_000,
        ray_ms=(ray_many["cpu"] - ray_few["cpu"]) / 1200 * 1000,
        ray_wall_ms=(ray_many["wall"] - ray_few["wall"]) / 1200 * 1000,
        ray_bytes=(ray_many["peak"] - ray_few["peak"]) / 1200,
        resume_ms=(moved_many["look"] - moved_few["look"]) / parts * 1000,
        compaction_ms=(moved_many["cpu"] - moved_few["cpu"]) / parts * 1000,
        compaction_bytes=(moved_many["peak"] - moved_few["peak"]) / parts,
        clip_bytes=(moved_many["size"] - moved_few["size"]) / (parts * clips),
    )


def _apart(work: Callable[..., dict[str, float]], *arguments: int) -> dict[str, float]:
    """What the work measured in a process of its own, and the most memory that had."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_answer, args=(there, work, arguments))
    process.start()
    answer: dict[str, float] = here.recv()
    process.join()
    print(work.__name__, arguments, answer, flush=True)
    return answer


def _answer(there: Connection, work: Callable[..., dict[str, float]], arguments: Sequence[int]) -> None:
    answer = work(*arguments)
    there.send(answer | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0})


def _planned(files: int, spans: int) -> PlannedUnits:
    sources = [
        Source(uri=f"s3://bucket/some/folder/{number:09}-film.mp4", size_bytes=375_000_000, modified_ns=number)
        for number in range(files)
    ]
    durations = {source.uri: 300.0 * spans for source in sources}
    return plan_units(sources, durations, (), span_seconds=300.0, workers=1600)


def _plan(files: int, spans: int) -> dict[str, float]:
    import ray.cloudpickle  # as the engine hands them over

    packed = [ray.cloudpickle.dumps(unit) for unit in _planned(files, spans)]
    return {"units": float(len(packed))}


class Nothing(Stage):
    """Hands on what it is given."""

    name = "nothing"

    def process(self, items: Sequence[Any]) -> Iterator[Any]:
        """As it is."""
        yield from items


def _hand_out(units: int) -> dict[str, float]:
    import ray

    from benchmarks import scale
    from cluster.pools import PackedPool, stream

    ray.cloudpickle.register_pickle_by_value(scale)  # workers have no benchmarks

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=256 << 20)
    pool = PackedPool(
        stage=ray.cloudpickle.dumps(scale.Nothing()), batch_items=1, workers=2, most=2, cpus=0.9, gpus=0.0
    )
    packed = [ray.cloudpickle.dumps(unit) for unit in _planned(units, 1)]
    began, cpu = time.monotonic(), time.process_time()
    count = sum(1 for _ in stream([pool], packed))
    figures = {"cpu": time.process_time() - cpu, "wall": time.monotonic() - began, "units": float(count)}
    ray.shutdown()
    return figures


def _compact(parts: int, spans: int, clips: int) -> dict[str, float]:
    from pipelines.recipe import recipes

    columns = recipes.default().columns
    with tempfile.TemporaryDirectory() as out:
        manifest = Manifest(out)
        for number in range(parts):
            span = _span(number, spans, clips, columns)
            manifest.write_part(f"{number:024x}", part_table([span], columns))
        began = time.process_time()
        assert not manifest.settled_sources() or len(manifest.settled_spans()) == parts
        look, began = time.process_time() - began, time.process_time()
        manifest.compact((), columns, {})
        cpu = time.process_time() - began
        assert len(manifest.parted_clips().groups)
        size = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(out) for name in names)  # noqa: PTH118, PTH202
    return {"look": look, "cpu": cpu, "size": float(size)}


def _span(number: int, spans: int, clips: int, columns: Any) -> dict[str, Any]:
    """A row of a part, whose clips have values of the kinds that clips have, and previews of their size."""
    file, index = divmod(number, spans)
    uri, source_id = f"s3://bucket/some/folder/{file:09}-film.mp4", f"{file:032x}"
    source = {
        "source_id": source_id, "uri": uri, "size_bytes": 375_000_000, "modified_ns": file, "status": "ok",
        "container": "mov", "codec": "h264", "width": 1920, "height": 1080, "fps": 24.0,
        "duration_seconds": 600.0, "num_clips": clips, "decode_errors": 0,
    }  # fmt: skip
    values = {"double": 0.123456789 * number, "int64": number, "string": "static"}
    scores = {name: values.get(str(column.type)) for name, column in columns.items()}
    row = scores | {
        "source_id": source_id, "source_uri": uri, "time_base_num": 1, "time_base_den": 12_288, "num_frames": 120,
        "fps": 24.0, "duration_seconds": 5.0, "width": 1920, "height": 1080, "codec": "h264", "has_audio": True,
        "caption": "A bright, colourful landscape video with slow motion and a static camera.",
        "captioner": "attributes",
        "caption_outcome": "ok", "caption_issues": [], "status": "kept", "reasons": [],
    }  # fmt: skip
    rows = [
        row | {"clip_id": os.urandom(16).hex(), "start_seconds": 5.0 * at, "end_seconds": 5.0 * at + 5,
               "start_pts": 61_440 * at, "end_pts": 61_440 * (at + 1), "preview": os.urandom(8_000)}
        for at in range(clips)
    ]  # fmt: skip
    return {"key": (uri, 375_000_000, file, index, spans), "source": source, "clips": rows}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument(
        "--measure", action="store_true", help="measure the driver's costs instead of taking those here"
    )
    options = parser.parse_args()
    corpus, storage = Corpus(), Storage()
    costs = measure(corpus) if options.measure else Costs()
    print(markdown(corpus, costs, storage))
    a_clip = corpus.clip_seconds / 3600 * corpus.cpu_seconds_an_hour / 3600
    figures = {"corpus": asdict(corpus), "costs": asdict(costs), "storage": asdict(storage)}
    print(json.dumps(figures | {"core_hours": {clips: round(clips * a_clip) for clips in CLIPS}}))
