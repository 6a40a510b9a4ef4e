"""Put the report's data into its template: one HTML file that opens offline, asks for nothing and trusts no name."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipelines.report.data import report_data
from pipelines.report.tally import Rows

_TEMPLATE = Path(__file__).with_name("template.html")
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def render_report(
    clips: Rows, sources: Rows, previews: Callable[[list[str]], Mapping[str, bytes]], run: Mapping[str, Any]
) -> str:
    """The report page as HTML text, to be written as UTF-8; arguments as for `report_data`."""
    return fill_template(report_data(clips, sources, previews, run))


def fill_template(data: Mapping[str, Any]) -> str:
    """The template with `data` in its one JSON block and a policy that lets only the template's own code run."""
    template = _TEMPLATE.read_text(encoding="utf-8")
    page = template.replace("{{POLICY}}", _policy(template))
    # The data goes in last: nothing looks for placeholders in it.
    head, tail = page.split("{{DATA}}")
    return head + _script_json(data) + tail


def _script_json(data: Mapping[str, Any]) -> str:
    """JSON that is safe inside a script element: no `<` can end it or open a comment, no line separator is bare."""
    return json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":")).translate(_ESCAPES)


def _policy(template: str) -> str:
    """A Content-Security-Policy by hash: no request, no inline handler, no style attribute, no script but ours."""
    sources = {
        tag: " ".join(_hash(body) for body in re.findall(rf"<{tag}>(.*?)</{tag}>", template, flags=re.DOTALL))
        for tag in ("script", "style")
    }
    return (
        f"default-src 'none'; img-src data:; script-src {sources['script']}; style-src {sources['style']}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(body: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'"
