"""Look before the leap: what is there, how long it is, and what curating it will take. Decodes nothing.

Of many files only a sample is looked into, chosen at random but the same one every time; what is said of all of them
follows from the sample and from the size of every file, with the doubt that comes with it.
"""

from __future__ import annotations

import math
import os
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pipelines.costs import CODEC_MS, MANIFEST_BYTES_PER_HOUR, codec_name, cpu_seconds
from pipelines.progress import hours_text, size_text
from preprocess.clip import Source, VideoInfo
from preprocess.errors import MediaError, slug
from preprocess.probe import open_container, open_source, video_info, video_stream
from preprocess.sources import list_sources

SAMPLE_FILES = 400
"""Headers that are read: an estimate good to some per cent where the files are alike."""
READERS = 16
SHOWN = 10
"""Kinds of files, and files that cannot be used, of which so many are named."""
_CLASSES = (240, 360, 480, 576, 720, 1080, 1440, 2160, 4320)
"""Lines of a picture, up to which sizes are taken together."""
_CERTAIN = 1.96
"""Standard errors on each side that hold the truth in 95 of 100 cases."""
_LEAST_BITS_A_SECOND = 100.0
"""A header may say anything; no video is longer than its bytes at this rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A sum over all files, and what it lies within in 95 of 100 cases."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What one file's header says, and what follows from it."""

    source: Source
    codec: str
    kind: str
    """Codec and size of the picture, such as `h264 up to 1080p`."""
    seconds: float | None
    """None where the header does not say."""
    cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """The answer of `plan`."""

    num_files: int
    total_bytes: int
    ignored: dict[str, int]
    looked_at: int
    """Files whose headers were read; the figures below are of these, but for the estimates."""
    kinds: dict[str, tuple[int, float]]
    """Files, and share of the CPU time, by codec and size; the dearest first."""
    unmeasured: list[str]
    """Codecs that are taken to cost what H.264 does."""
    unusable: dict[str, str]
    """Reason by uri."""
    without_length: int
    hours: Estimate
    cpu_hours: Estimate
    disk_bytes: float


def plan(source: str) -> Preflight:
    """Read the headers below `source`, or some of them.

    Raises:
        ValueError: nothing is there.
    """
    listing = list_sources(source)
    num_files, total_bytes, sample = _sampled(listing.sources)
    with ThreadPoolExecutor(READERS) as pool:
        answers = list(zip(sample, pool.map(_ask, sample), strict=True))
    headers = [answer for _, answer in answers if isinstance(answer, Header)]
    unusable = {one.uri: answer for one, answer in answers if isinstance(answer, str)}
    # of those without a length, the bytes are taken to hold as much video as the others'
    known = [header for header in headers if header.seconds is not None]
    rows = [(header.source.size_bytes, header.seconds or 0.0, header.cpu_seconds) for header in known]
    rows += [(one.size_bytes, 0.0, 0.0) for one in sample if one.uri in unusable]
    sizes = [size for size, _, _ in rows]
    seconds = _estimate(sizes, [length for _, length, _ in rows], num_files, total_bytes)
    cpu = _estimate(sizes, [cost for _, _, cost in rows], num_files, total_bytes)
    return Preflight(
        num_files=num_files,
        total_bytes=total_bytes,
        ignored=listing.ignored,
        looked_at=len(sample),
        kinds=_kinds(known),
        unmeasured=sorted({header.codec for header in headers} - CODEC_MS.keys()),
        unusable=unusable,
        without_length=len(headers) - len(known),
        hours=_hours(seconds),
        cpu_hours=_hours(cpu),
        disk_bytes=seconds.value / 3600 * MANIFEST_BYTES_PER_HOUR,
    )


def print_plan(source: str, *, workers: int | None = None) -> None:
    """`plan`, for people."""
    found = plan(source)
    print(f"{found.num_files:,} files, {size_text(found.total_bytes)}; passed over: {found.ignored or 'nothing'}")
    if found.looked_at < found.num_files:
        print(f"looked into {found.looked_at} of them, chosen at random; ranges hold in 95 of 100 cases")
    print(f"{_range(found.hours)} of video")
    for kind, (files, share) in list(found.kinds.items())[:SHOWN]:
        print(f"{share:6.0%} of the time: {kind}, {files} files{'' if _all(found) else ' of those'}")
    if len(found.kinds) > SHOWN:
        print(f"       and {len(found.kinds) - SHOWN} more kinds")
    if found.unmeasured:
        print(f"never measured, taken to cost what h264 does: {', '.join(found.unmeasured)}")
    if found.without_length:
        print(f"{found.without_length} files do not say how long they are")
    _print_unusable(found)
    cores = os.cpu_count() or 1
    print(f"about {_range(found.cpu_hours)} of CPU time, OCR included")
    for count, whose in ((cores, "cores of this machine"), *([(workers, "workers")] if workers else [])):
        print(f"about {hours_text(found.cpu_hours.value / count)} on {count} {whose}")
    print(f"about {size_text(found.disk_bytes)} of manifest and previews")


def _print_unusable(found: Preflight) -> None:
    kinds = Counter(slug(reason) for reason in found.unusable.values())
    for kind, count in kinds.most_common():
        of_all = "" if _all(found) else f", about {count / found.looked_at:.1%} of all files"
        print(f"unusable: {count} {kind}{of_all}")
    for uri, reason in list(found.unusable.items())[:SHOWN]:
        print(f"  {uri!r}: {reason}")
    if len(found.unusable) > SHOWN:
        print(f"  and {len(found.unusable) - SHOWN} more")


def _all(found: Preflight) -> bool:
    return found.looked_at == found.num_files


def _range(estimate: Estimate) -> str:
    if estimate.high - estimate.low <= 0.01 * estimate.value:
        return hours_text(estimate.value)
    return f"{hours_text(estimate.value)} ({hours_text(estimate.low)} to {hours_text(estimate.high)})"


def _sampled(sources: Iterable[Source]) -> tuple[int, int, list[Source]]:
    """How many there are, their bytes, and `SAMPLE_FILES` of them: each has the same chance, in one pass."""
    chance = random.Random(0)  # noqa: S311 - the same sample every time
    kept: list[Source] = []
    total_bytes = count = 0
    for count, source in enumerate(sources, 1):
        total_bytes += source.size_bytes
        if len(kept) < SAMPLE_FILES:
            kept.append(source)
        elif (place := chance.randrange(count)) < SAMPLE_FILES:
            kept[place] = source
    return count, total_bytes, kept


def _ask(source: Source) -> Header | str:
    """What the header says, or why the file cannot be used."""
    try:
        with open_source(source) as file, open_container(file) as container:
            return _header(source, video_info(container, video_stream(container), source_id=""))
    except (MediaError, OSError) as error:
        return str(error)
    except Exception as error:  # ours: a run will give it a row; the others are to be looked at
        return f"internal_error: {type(error).__name__}: {error}"


def _header(source: Source, info: VideoInfo) -> Header:
    codec = codec_name(info.codec)
    megapixels = info.coded_width * info.coded_height / 1e6
    longest = source.size_bytes * 8 / _LEAST_BITS_A_SECOND
    seconds = None if info.duration_seconds is None else min(max(0.0, info.duration_seconds), longest)
    cost = cpu_seconds(
        codec,
        seconds=seconds or 0.0,
        frames=(seconds or 0.0) * float(info.fps),
        megapixels=megapixels,
        size_bytes=source.size_bytes,
    )
    shorter = min(info.coded_width, info.coded_height)
    lines = next((lines for lines in _CLASSES if shorter <= lines), shorter)
    return Header(source=source, codec=codec, kind=f"{codec} up to {lines}p", seconds=seconds, cpu_seconds=cost)


def _kinds(headers: Sequence[Header]) -> dict[str, tuple[int, float]]:
    total = sum(header.cpu_seconds for header in headers)
    costs: Counter[str] = Counter()
    for header in headers:
        costs[header.kind] += header.cpu_seconds  # type: ignore[assignment]
    files = Counter(header.kind for header in headers)
    return {kind: (files[kind], cost / total if total else 0.0) for kind, cost in costs.most_common()}


def _estimate(sizes: Sequence[int], values: Sequence[float], num_files: int, total_bytes: int) -> Estimate:
    """The sum of `values` over all files, in the ratio to their bytes that the sample has (the ratio estimator, and its
    standard error: Cochran, Sampling Techniques, chapter 6)."""
    count, sampled_bytes = len(sizes), sum(sizes)
    if not sampled_bytes:
        return Estimate(value=0.0, low=0.0, high=0.0)
    ratio = sum(values) / sampled_bytes
    value = ratio * total_bytes
    error = 0.0
    if 1 < count < num_files:
        off = sum((one - ratio * size) ** 2 for one, size in zip(values, sizes, strict=True)) / (count - 1)
        error = num_files * math.sqrt((1 - count / num_files) * off / count)
    return Estimate(value=value, low=max(0.0, value - _CERTAIN * error), high=value + _CERTAIN * error)


def _hours(seconds: Estimate) -> Estimate:
    return Estimate(value=seconds.value / 3600, low=seconds.low / 3600, high=seconds.high / 3600)
