"""Write OUT/report.html from the tables of a manifest."""

from __future__ import annotations

from pipelines.report.gallery import gallery_clip_ids
from pipelines.report.page import render_report
from preprocess.io import storage
from preprocess.manifest import Manifest


def write_report(manifest: Manifest) -> str:
    """Write the page and return its location.

    Raises:
        ValueError: there is no manifest.
    """
    clips, sources, run = manifest.clips(), manifest.sources(), manifest.run()
    if clips is None or sources is None or run is None:
        raise ValueError(f"{manifest.location!r}: no manifest there; `python -m pipelines curate SOURCE OUT` makes one")
    frame = clips.to_pandas()
    previews = manifest.previews(gallery_clip_ids(frame))
    location = storage.join(manifest.location, "report.html")
    storage.write_atomic(location, render_report(frame, sources.to_pandas(), previews, run).encode())
    return location
