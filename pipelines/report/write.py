"""Write OUT/report.html from the tables of a manifest."""

from __future__ import annotations

from pipelines.report.page import render_report
from preprocess.io import storage
from preprocess.manifest import Manifest


def write_report(manifest: Manifest) -> str:
    """Write the page and return its location.

    Raises:
        ValueError: there is no manifest.
    """
    clips, sources, run = manifest.parted_clips(), manifest.parted_sources(), manifest.run()
    if clips.schema is None or sources.schema is None or run is None:
        raise ValueError(f"{manifest.location!r}: no manifest there; `python -m pipelines curate SOURCE OUT` makes one")
    location = storage.join(manifest.location, "report.html")
    storage.write_atomic(location, render_report(clips, sources, manifest.previews, run).encode())
    return location
