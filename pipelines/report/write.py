"""Write OUT/report.html and the dataset card OUT/README.md from the tables of a manifest."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from pipelines.report.card import is_ours, render_card
from pipelines.report.data import report_data
from pipelines.report.page import fill_template
from preprocess.errors import one_line
from preprocess.forgotten import FORGOTTEN
from preprocess.io import storage
from preprocess.manifest import Manifest

_log = logging.getLogger("clipmill")


def offer_report(manifest: Manifest) -> None:
    """Write the page at the end of a run, whose tables are whole without it: where that fails, a warning says why."""
    try:
        write_report(manifest)
    except (OSError, ValueError) as error:
        _log.warning(
            "report.html is not written, or still that of an earlier run: %s. The tables are whole; `python -m "
            "pipelines report OUT` tries again",
            one_line(str(error) or type(error).__name__),
        )


def film_address(uri: str) -> str | None:
    """The `file:///` address of a regular file on this machine, which a page opened here may play; else None."""
    if not uri.startswith(("/", "file:///")):
        return None
    try:
        path = storage.local_path(uri)
        is_there = not path.startswith(b"//") and Path(os.fsdecode(path)).is_file()
    except (OSError, ValueError):
        return None
    return f"file://{quote(path)}" if is_there else None


def write_report(manifest: Manifest) -> str:
    """Write the page and the card, and return the page's location. A README.md that is not ours stays.

    Raises:
        ValueError: there is no manifest, or our own code cannot make a page of it.
        OSError: a table cannot be read, or the page not written.
    """
    clips, sources, run = manifest.parted_clips(), manifest.parted_sources(), manifest.run()
    if clips.schema is None or sources.schema is None or run is None:
        raise ValueError(f"{manifest.location!r}: no manifest there; `python -m pipelines curate SOURCE OUT` makes one")
    run = {name: said for name, said in run.items() if name not in (FORGOTTEN, "history")}  # pages travel

    def previews(clip_ids: Iterable[str]) -> dict[str, bytes]:
        try:
            return manifest.previews(clip_ids)
        except (OSError, KeyError, pa.ArrowException) as error:
            said = one_line(f"{type(error).__name__}: {error}")
            _log.warning("report.html shows no pictures: the previews cannot be read (%s)", said)
            return {}

    location = storage.join(manifest.location, "report.html")
    try:
        data = report_data(clips, sources, previews, run, manifest.location, film_address)
        page, card = fill_template(data).encode(), render_card(data, clips.schema, run).encode("utf-8", "replace")
    except OSError:
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        said = one_line(f"{type(error).__name__}: {error}")
        raise ValueError(
            f"no page can be made of {manifest.location!r}, which is an error of our own code: {said} "
            f"({Path(place.filename).name}, line {place.lineno}). Please report it"
        ) from error
    storage.write_atomic(location, page)
    beside = storage.join(manifest.location, "README.md")
    if is_ours(storage.read_bytes(beside)):
        storage.write_atomic(beside, card)
    return location
