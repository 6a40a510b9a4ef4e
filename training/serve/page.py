"""The page in one document: its style and scripts are in it, and it asks for nothing but its own server."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

_WEB = Path(__file__).with_name("web")
_SCRIPTS = ("elements", "api", "form", "files", "jobs", "start")
"""In this order: each uses what those before it define."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """HTML, and the policy that lets only its own style and script work."""

    html: str
    policy: str


def studio_page() -> Page:
    """Put together from `web/`."""
    style = _read("studio.css")
    script = "\n".join(['"use strict";', *(_read(f"{name}.js") for name in _SCRIPTS)])
    html = _read("template.html").replace("{{STYLE}}", style).replace("{{SCRIPT}}", script)
    policy = (
        "default-src 'none'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; "
        f"script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return Page(html=html, policy=policy)


def _read(name: str) -> str:
    return (_WEB / name).read_text(encoding="utf-8")


def _hash(body: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'"
