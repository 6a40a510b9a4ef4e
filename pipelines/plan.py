"""Look before the leap: what is there, how long it is, and what curating it will take. Decodes nothing."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from preprocess.clip import Source
from preprocess.errors import MediaError
from preprocess.probe import open_container, open_source, video_info, video_stream
from preprocess.sources import list_sources

MEGAPIXELS_PER_CPU_SECOND = 350.0
"""Of decoded video, one core, all default scorers but OCR: 3,533 frames of 720p H.264 in 8.9 to 9.4 CPU seconds
(benchmarks/results/2026-11-21.md)."""
MANIFEST_BYTES_PER_HOUR = 760 * 8_400
"""As on spliced film of five-second shots: 760 clips an hour, each 8.4 kB with its preview."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """The answer of `plan`."""

    num_files: int
    ignored: dict[str, int]
    hours: float
    codecs: dict[str, int]
    broken: dict[str, str]
    """Reason by uri."""
    cpu_hours: float
    disk_bytes: int


def plan(source: str, *, workers: int = 16) -> Preflight:
    """Read every header below `source`.

    Raises:
        ValueError: nothing is there.
    """
    listing = list_sources(source)
    codecs: Counter[str] = Counter()
    broken: dict[str, str] = {}
    seconds = megapixels = 0.0
    with ThreadPoolExecutor(workers) as pool:
        for item, answer in zip(listing.sources, pool.map(_ask, listing.sources), strict=True):
            if isinstance(answer, str):
                broken[item.uri] = answer
                continue
            codec, length, pixels = answer
            codecs[codec] += 1
            seconds += length
            megapixels += pixels / 1e6
    return Preflight(
        num_files=len(listing.sources),
        ignored=listing.ignored,
        hours=seconds / 3600,
        codecs=dict(codecs.most_common()),
        broken=broken,
        cpu_hours=megapixels / MEGAPIXELS_PER_CPU_SECOND / 3600,
        disk_bytes=int(seconds / 3600 * MANIFEST_BYTES_PER_HOUR),
    )


def print_plan(source: str) -> None:
    """`plan`, for people."""
    found = plan(source)
    cores = os.cpu_count() or 1
    print(f"{found.num_files} files, {found.hours:.2f} h of video; passed over: {found.ignored or 'nothing'}")
    print("codecs: " + (", ".join(f"{count} {codec}" for codec, count in found.codecs.items()) or "none"))
    for uri, reason in found.broken.items():
        print(f"unusable: {uri!r}: {reason}")
    minutes = found.cpu_hours * 60
    print(f"about {minutes:.1f} CPU minutes, {minutes / cores:.1f} minutes on this machine's {cores} cores, before OCR")
    print(f"about {found.disk_bytes / 1e6:.1f} MB of manifest and previews")


def _ask(source: Source) -> tuple[str, float, float] | str:
    """Codec, seconds and decoded pixels of one file, or why it cannot be used."""
    try:
        with open_source(source) as file, open_container(file) as container:
            info = video_info(container, video_stream(container), source_id="")
    except (MediaError, OSError) as error:
        return str(error)
    seconds = info.duration_seconds or 0.0
    return info.codec, seconds, seconds * float(info.fps) * info.coded_width * info.coded_height
