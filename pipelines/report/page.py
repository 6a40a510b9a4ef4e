"""Put the report's data into its template: one HTML file that opens offline, asks for nothing and trusts no name."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipelines.report.data import report_data
from pipelines.report.tally import Rows

_WEB = Path(__file__).with_name("web")
_SCRIPTS = (
    *("words", "elements", "table", "bounds", "state", "asked", "pictures"),
    *("summary", "fall", "plot", "edges", "drag", "rules", "change", "detail", "explore"),
    *("groups", "find", "card", "said", "timeline", "sources", "origin", "start"),
)
"""In this order: each uses what those before it define."""
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def render_report(
    clips: Rows, sources: Rows, previews: Callable[[list[str]], Mapping[str, bytes]], run: Mapping[str, Any]
) -> str:
    """The report page as HTML text, to be written as UTF-8; arguments as for `report_data`."""
    return fill_template(report_data(clips, sources, previews, run))


def fill_template(data: Mapping[str, Any], *, served: bool = False) -> str:
    """The template with `data` in its one JSON block and a policy that lets only our own code run.

    What is `served` may ask its own server, and plays films from there, not from this disk.
    """
    style, script = _read("page.css"), "\n".join(['"use strict";', *(_read(f"{name}.js") for name in _SCRIPTS)])
    page = _read("template.html").replace("{{POLICY}}", policy(style, script, served=served))
    page = page.replace("{{STYLE}}", style).replace("{{SCRIPT}}", script)
    # The data goes in last: nothing looks for placeholders in it.
    head, tail = page.split("{{DATA}}")
    return head + _script_json(data) + tail


def _read(name: str) -> str:
    return (_WEB / name).read_text(encoding="utf-8")


def _script_json(data: Mapping[str, Any]) -> str:
    """JSON that is safe inside a script element: no `<` can end it or open a comment, no line separator is bare."""
    return json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":")).translate(_ESCAPES)


def policy(style: str, script: str, *, served: bool) -> str:
    """A Content-Security-Policy by hash: no request but for films on this disk, or to our own server; no script but
    ours."""
    sources = (
        "img-src data: 'self'; media-src 'self'; connect-src 'self'" if served else "img-src data:; media-src file:"
    )
    return (
        f"default-src 'none'; {sources}; script-src {_hash(script)}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(body: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'"
