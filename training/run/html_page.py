"""A page in one file that asks for nothing: its style, its policy, and pictures in it."""

from __future__ import annotations

import base64
import hashlib
import html
import mimetypes
from pathlib import Path

_STYLE = """
:root { color-scheme: light dark; --paper: #fcfbf8; --raised: #fff; --ink: #1c1b19; --soft: #68645c; --line: #e3dfd6;
  --kept: #0e766d; }
@media (prefers-color-scheme: dark) { :root { --paper: #151412; --raised: #1d1c19; --ink: #ebe8e1; --soft: #a19b90;
  --line: #33302b; --kept: #43b5a6; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 0 clamp(1rem, 4vw, 3rem) 4rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums lining-nums; }
h1 { font-size: clamp(2rem, 5vw, 3.2rem); line-height: 1.1; letter-spacing: -.03em; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 3rem 0 .8rem; } h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; overflow-wrap: anywhere; }
.lede, figcaption, .note { color: var(--soft); } figcaption, .note { font-size: .85rem; }
figure { display: inline-block; margin: 0 1rem 1rem 0; vertical-align: top; max-width: 100%; }
svg { background: var(--raised); border: 1px solid var(--line); max-width: 100%; }
svg text { font-size: 11px; fill: var(--soft); }
polyline { fill: none; stroke: var(--kept); stroke-width: 1.5; }
.strip { display: flex; gap: .6rem; overflow-x: auto; padding-bottom: .5rem; } .strip figure { flex: none; margin: 0; }
.strip img { display: block; width: 8rem; border: 1px solid var(--line); }
td { font-size: .85rem; padding: 0 1.5rem 0 0; } td + td { text-align: right; }
img { image-rendering: pixelated; max-width: 100%; }
pre { overflow-x: auto; background: var(--raised); border: 1px solid var(--line); padding: 1rem; font-size: .8rem; }
"""


def page(title: str, body: str) -> str:
    """The document. `body` is HTML, the title is not."""
    style = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>"
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{body}</main></body></html>\n'


def figure(picture: Path, what: str, caption: str) -> str:
    """A picture, whose bytes the page holds, and a line below it."""
    kind, data = mimetypes.guess_type(picture)[0], base64.b64encode(picture.read_bytes()).decode()
    shown = f'<img src="data:{kind};base64,{data}" alt="{html.escape(what)}">'
    return f"<figure>{shown}<figcaption>{html.escape(caption)}</figcaption></figure>"
