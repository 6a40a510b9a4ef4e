"""The dataset card, OUT/README.md: what makes a manifest a dataset that others can load, read about and make again.

All names in it are a stranger's: in text they can be neither markup nor links, in code they cannot end the block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from preprocess.io.config_files import toml_of

MARK = "# Written by ClipMill with each report. Take this line out and the file is yours: it is then left as it is."
"""Of a card that may be written anew."""
TABLES = ("clips", "sources")
"""What loads as a configuration of the dataset; the first one is the default."""
MOST_STEPS = 25
MOST_COLUMNS = 200
MOST_CHARACTERS = 300
"""Of a text from elsewhere."""
_PLAIN = frozenset(" ,.-/+%_")
"""Signs that are themselves in Markdown, within a line."""


def render_card(data: Mapping[str, Any], schema: pa.Schema, run: Mapping[str, Any]) -> str:
    """The card as Markdown.

    Args:
        data: what `report_data` makes of the manifest.
        schema: of the clips.
        run: run.json; every key is optional.
    """
    return "\n".join(
        [
            *_front_matter(),
            *_numbers(data["totals"]),
            *_loading(),
            *_waterfall(data),
            *_licenses(data["licenses"]),
            *_recipe(run),
            *_columns(schema),
        ]
    )


def is_ours(card: bytes | None) -> bool:
    """Whether what is there may be replaced."""
    return card is None or MARK.encode() in card.splitlines()[:3]


def plain(text: object) -> str:
    """A text from elsewhere in one line of Markdown that shows it and does nothing else."""
    line = " ".join(str(text).split())
    line = line if len(line) <= MOST_CHARACTERS else f"{line[:MOST_CHARACTERS]}…"
    shown = "".join(_sign(sign) for sign in line)
    return re.sub(r"(?i)www\.", lambda found: f"{found.group()[:3]}&#46;", shown)  # GitHub makes links of such


def fenced(text: str, language: str) -> list[str]:
    """A block of code that nothing in it can end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *text.splitlines(), fence]


def _said(value: object) -> str:
    return "*unknown*" if value is None else plain(value)


def _sign(sign: str) -> str:
    if sign.isalnum() or sign in _PLAIN or (ord(sign) > 127 and sign.isprintable()):
        return sign
    return f"&#{ord(sign)};" if sign.isprintable() else "?"


def _front_matter() -> Iterator[str]:
    yield from ("---", MARK, "tags:", "- video", "- clipmill", "task_categories:", "- text-to-video", "configs:")
    for number, name in enumerate(TABLES):
        yield from (f"- config_name: {name}", f"  data_files: {name}/*.parquet")
        if not number:
            yield "  default: true"
    yield from ("---", "")


def _numbers(totals: Mapping[str, Any]) -> Iterator[str]:
    kept, hours, of = totals["kept"], totals["kept_seconds"] / 3600, totals["source_seconds"] / 3600
    yield from ("# Clips of videos, measured and chosen", "")
    yield f"{kept:,} of {totals['clips']:,} clips are kept: {hours:,.2f} hours, of {totals['sources']:,} files with"
    yield f"{of:,.2f} hours of video. A clip is a row that names a file and a half-open span of its timestamps; the"
    yield "videos themselves are not part of this dataset. All clips are here, kept or not, with every score and the"
    yield "reasons."
    yield ""


def _loading() -> Iterator[str]:
    yield from ("## How to load it", "")
    code = (
        'from datasets import load_dataset\n\nclips = load_dataset("OUT", split="train")'
        '  # or the name of the repository\nkept = clips.filter(lambda clip: clip["status"] == "kept")\n'
        'sources = load_dataset("OUT", "sources", split="train")'
    )
    yield from (*fenced(code, "python"), "")
    yield "`pandas.read_parquet`, `polars.read_parquet` and DuckDB read the folders `clips` and `sources` as they are."
    yield ""


def _waterfall(data: Mapping[str, Any]) -> Iterator[str]:
    steps: Sequence[Mapping[str, Any]] = data["reasons"]
    yield from ("## What was left out, and why", "", "| reason | clips it took | hours | clips it is against |")
    yield "|---|---:|---:|---:|"
    for step in steps[:MOST_STEPS]:
        hours = step["first_seconds"] / 3600
        yield f"| {plain(step['reason'])} | {step['first']:,} | {hours:,.2f} | {step['total']:,} |"
    totals = data["totals"]
    yield f"| *kept* | {totals['kept']:,} | {totals['kept_seconds'] / 3600:,.2f} | |"
    yield ""
    failed, twice = totals["sources_failed"], totals["sources_duplicate"]
    yield f"{failed:,} source files could not be used; {twice:,} are copies of others and count once."
    yield ""


def _licenses(licenses: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Licenses of the sources", "")
    yield "As JSON files beside the videos, a list of videos or the containers' own tags say; nobody has checked them."
    yield "Each clip's row has `license`, `url` and `author` of its source."
    yield from ("", "| license | source files |", "|---|---:|")
    for license_, count in licenses["common"]:
        yield f"| {plain(license_) if license_ else '*not said*'} | {count:,} |"
    if licenses["others"]:
        yield f"| *others* | {licenses['others']:,} |"
    yield ""


def _recipe(run: Mapping[str, Any]) -> Iterator[str]:
    recipe, versions = run.get("recipe"), run.get("versions")
    name = recipe.get("name") if isinstance(recipe, Mapping) else None
    yield from ("## How it was made, and how to make it again", "")
    fingerprint, source, started, finished = map(run.get, ("fingerprint", "source", "started", "finished"))
    yield f"By ClipMill's recipe {_said(name)}, fingerprint {_said(fingerprint)}, from {_said(source)}; begun"
    yield f"{_said(started)}, last curated {_said(finished)}."
    if isinstance(versions, Mapping) and versions:
        yield f"With {plain(', '.join(f'{package} {version}' for package, version in versions.items()))}."
    yield ""
    yield "Equal files give equal rows. With the recipe below as `recipe.toml`:"
    yield from ("", *fenced("python -m pipelines curate SOURCE OUT --config recipe.toml", "bash"), "")
    try:
        toml = toml_of(run["config"])
    except (KeyError, TypeError, ValueError, AttributeError):  # of an older run, or a stranger's
        return
    yield from ("<details><summary>recipe.toml</summary>", "", *fenced(toml, "toml"), "", "</details>", "")


def _columns(schema: pa.Schema) -> Iterator[str]:
    yield from ("## Columns of clips", "", "| column | type | unit | meaning |", "|---|---|---|---|")
    for field in list(schema)[:MOST_COLUMNS]:
        said = {key.decode(): text.decode("utf-8", "replace") for key, text in (field.metadata or {}).items()}
        texts = (field.name, field.type, said.get("unit", ""), said.get("description", "").replace("`", ""))
        yield f"| {' | '.join(map(plain, texts))} |"
    yield ""
