"""Write OUT/report.html from the tables of a manifest."""

from __future__ import annotations

from pipelines.report.data import SOURCE_COLUMNS
from pipelines.report.page import render_report
from preprocess.io import storage
from preprocess.manifest import Manifest


def write_report(manifest: Manifest) -> str:
    """Write the page and return its location.

    Raises:
        ValueError: there is no manifest.
    """
    clips, run = manifest.parted_clips(), manifest.run()
    sources = manifest.sources(list(SOURCE_COLUMNS))
    if clips.schema is None or sources is None or run is None:
        raise ValueError(f"{manifest.location!r}: no manifest there; `python -m pipelines curate SOURCE OUT` makes one")
    location = storage.join(manifest.location, "report.html")
    storage.write_atomic(location, render_report(clips, sources, manifest.previews, run).encode())
    return location
