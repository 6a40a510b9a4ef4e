"""Open a film in the user's own player.

A manifest may be a stranger's, and desktops run some of the files that they open: only what is a film or a picture by
its name is opened.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.terminal import shown
from preprocess.clip import Row
from preprocess.io.locations import is_remote, local_path
from preprocess.io.roots import Roots
from preprocess.kinds import IMAGE_SUFFIXES

_VIDEOS = "3gp avi flv gif m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv ts webm wmv"
PLAYED = frozenset(f".{suffix}" for suffix in _VIDEOS.split(" ")) | (IMAGE_SUFFIXES - {".svg"})
WAIT_SECONDS = 3.0
"""An opener that fails does so at once; some stay for as long as the player does."""


def play(clip: Row | None, sources: Sequence[Row], run: Mapping[str, Any], roots: Roots) -> str:
    """Open the file of a clip that `cut` wrote, or else the source; what was opened, in a sentence.

    Raises:
        ValueError: it is not on this disk, is no film by its name, or there is no player.
    """
    place, told = _place(clip, sources, run, roots)
    name = "open" if sys.platform == "darwin" else "xdg-open"
    opener = shutil.which(name)
    if opener is None:
        raise ValueError(f"there is no {name} here that would find a player; the file is {shown(os.fsdecode(place))}")
    quiet = subprocess.DEVNULL
    command = [os.fsencode(opener), place]
    process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)  # noqa: S603
    try:
        status = process.wait(WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        status = 0
    if status:
        raise ValueError(f"{name} found no player (exit status {status}); the file is {shown(os.fsdecode(place))}")
    return f"opened {shown(os.fsdecode(place))}{told}"


def _place(clip: Row | None, sources: Sequence[Row], run: Mapping[str, Any], roots: Roots) -> tuple[bytes, str]:
    """The path that is opened, and what is to be said of it."""
    cut = run.get("cut")
    dest, file = (cut or {}).get("dest") if isinstance(cut, Mapping) else None, (clip or {}).get("file")
    if isinstance(dest, str) and isinstance(file, str) and not is_remote(dest) and Path(file).name == file:
        place = os.path.join(local_path(dest), os.fsencode(file))  # noqa: PTH118 - bytes: names need not be UTF-8
        if _is_played(place):
            return place, ""
    owner = [row["uri"] for row in sources if row["status"] != "duplicate"]
    uris = [roots.moved(uri) for uri in [*owner, *(row["uri"] for row in sources)]]
    if not uris:
        raise ValueError("it is a clip of no source that the manifest has")
    places = [local_path(uri) for uri in uris if not is_remote(uri)]
    there = [place for place in places if os.path.isfile(place)]  # noqa: PTH113
    if not there:
        raise ValueError(f"{uris[0]!r} is not a file on this disk; --root A=B says where it is now")
    if not _is_played(there[0]):
        raise ValueError(f"{os.fsdecode(there[0])!r} is not opened: its name is not that of a film or a picture")
    return there[0], f"; the clip begins at {clip['start_seconds']:.2f} s" if clip is not None else ""


def _is_played(place: bytes) -> bool:
    return os.path.isfile(place) and Path(os.fsdecode(place)).suffix.lower() in PLAYED  # noqa: PTH113
