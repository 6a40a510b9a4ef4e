"""A manifest of as many clips as one likes, whose hashes are spread as those of real clips are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from filters.phash import PhashScorer
from filters.prints.cosines import Terms
from filters.prints.film_print import COARSE_TERMS, FilmPrint
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.recipes import default
from pipelines.recipe.recorded import run_of
from preprocess.io import storage
from preprocess.io.tables import write_parts, write_table
from preprocess.manifest import Manifest
from preprocess.schema import SOURCE_SCHEMA, clip_schema

COPIED = 0.2
"""Share of clips that repeat one before, re-encoded or cut a second later."""
CROPPED = 0.25
"""Share of those, that have lost up to 5 % of each edge as well."""
BOXES = [(*edges,) for edges in np.random.default_rng(1).uniform(0, 0.05, (16, 4)).tolist()]
OF_ONE_PLACE = 0.05
"""Share of clips before one of a hundred backgrounds, each at another moment."""
PLACES = 100
SAMPLES = 12
BATCH_ROWS = 20_000
CODING_NOISE = 0.03
"""In parts of the spread of the terms: of a low bitrate."""


def hash_config() -> CurateConfig:
    """`phash` alone, and no rules."""
    return replace(default(), name="hashes", scorers=(PhashScorer(),), rules=())


def write_crowd(out: str, rows: int, films: Sequence[FilmPrint]) -> None:
    """A manifest at `out` of clips that do not exist; each term is spread as in `films`. Row i repeats a row j < i of
    its batch where `source_uri` says so, `/copy of j` or `/cropped copy of j`."""
    manifest, config = Manifest(out), hash_config()
    schema = clip_schema(config.columns)
    spread = np.std([film.mean for film in films], axis=0)
    changes = np.std(np.concatenate([film.changes for film in films]), axis=0)
    batches = (
        _batch(schema, start, min(BATCH_ROWS, rows - start), spread, changes) for start in range(0, rows, BATCH_ROWS)
    )
    write_parts(storage.join(manifest.location, "clips"), batches, schema)
    sources = pa.table({field.name: pa.nulls(1, field.type) for field in SOURCE_SCHEMA}).cast(SOURCE_SCHEMA)
    write_table(storage.join(manifest.location, "sources", "sources.parquet"), sources)
    manifest.write_run(run_of(config) | {"source": "/videos", "wall_seconds": 1.0})


def _batch(schema: pa.Schema, start: int, rows: int, spread: np.ndarray, changes: np.ndarray) -> pa.Table:
    draw = np.random.default_rng(start)
    hashes, uris = [], []
    for film, uri in _films(draw, rows, spread, changes):
        hashes.append(film.to_bytes())
        uris.append(uri)
    said = {
        "clip_id": [draw.bytes(16).hex() for _ in range(rows)],
        "source_uri": uris,
        "duration_seconds": draw.uniform(4, 8, rows),
        "short_side": draw.choice([360, 480, 720, 1080], rows),
        "damaged": np.zeros(rows, bool),
        "status": ["kept"] * rows,
        "reasons": [[]] * rows,
        "caption": [f"A clip of {uri[1:]}." for uri in uris],  # as `curate` has made them: nobody describes them again
        "captioner": ["attributes"] * rows,
        "caption_outcome": ["ok"] * rows,
        "caption_issues": [[]] * rows,
        "phash": hashes,
    }
    columns = [
        pa.array(said[field.name], field.type) if field.name in said else pa.nulls(rows, field.type) for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _films(
    draw: np.random.Generator, rows: int, spread: np.ndarray, changes: np.ndarray
) -> Iterator[tuple[FilmPrint, str]]:
    made: list[FilmPrint] = []
    places = np.random.default_rng(0).standard_normal((PLACES, len(spread))) * spread
    for row in range(rows):
        chance = draw.random()
        uri = "/new"
        if chance < COPIED and row:
            original = int(draw.integers(row))
            film, uri = _copied(draw, made[original], spread, changes), f"/copy of {original}"
            if draw.random() < CROPPED:
                film, uri = film.cropped(BOXES[draw.integers(len(BOXES))]), f"/cropped {uri[1:]}"
        elif chance < COPIED + OF_ONE_PLACE:
            film = FilmPrint(mean=places[draw.integers(PLACES)].astype(np.float32), changes=_moves(draw, 0.3 * changes))
        else:
            mean = draw.standard_normal(len(spread)) * spread
            film = FilmPrint(mean=mean.astype(np.float32), changes=_moves(draw, changes))
        made.append(film)
        yield film, uri


def _moves(draw: np.random.Generator, changes: np.ndarray) -> Terms:
    """Changes that take their time: (SAMPLES, COARSE_TERMS), sum 0."""
    steps = draw.standard_normal((SAMPLES + 2, COARSE_TERMS))
    smooth = (steps[:-2] + steps[1:-1] + steps[2:]) / np.sqrt(3) * changes
    moves: Terms = (smooth - smooth.mean(axis=0)).astype(np.float32)
    return moves


def _copied(draw: np.random.Generator, film: FilmPrint, spread: np.ndarray, changes: np.ndarray) -> FilmPrint:
    """With noise, and without its first two samples, one time in four."""
    samples = film.changes[2:] if draw.random() < 0.25 else film.changes
    mean = film.mean + (draw.standard_normal(len(spread)) * spread * CODING_NOISE).astype(np.float32)
    mean[:COARSE_TERMS] += samples.mean(axis=0)
    noise = draw.standard_normal(samples.shape) * changes * CODING_NOISE
    return FilmPrint(mean=mean, changes=(samples - samples.mean(axis=0) + noise).astype(np.float32))
