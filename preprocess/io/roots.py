"""Where the files of a table are now: a table is read on other machines than the one that wrote it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from preprocess.io.locations import absolute, is_remote, join, local_path, local_uri
from preprocess.io.places import is_below

_PLACE_FOLLOWS = re.compile(r"=(?=/|~|[a-zA-Z][a-zA-Z0-9+.-]+://)")


@dataclass(frozen=True, slots=True)
class Roots:
    """Moves of whole folders or bucket prefixes: what a table names below the first of a pair lies below the second."""

    moves: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, said: Iterable[str]) -> Roots:
        """From texts `A=B`. Where several begin a location, the longest A counts.

        Raises:
            ValueError: one is none, or may be read in two ways, or one A has two B.
        """
        pairs = dict.fromkeys(map(_pair, said))
        moves = dict(iter(pairs))
        if len(moves) < len(pairs):
            raise ValueError(f"--root {', '.join(map('='.join, pairs))}: one folder cannot be in two places")
        return cls(tuple(sorted(moves.items(), key=lambda move: -len(move[0]))))

    @property
    def targets(self) -> tuple[str, ...]:
        """Where files are now: the user has said so, and they may be opened there."""
        return tuple(target for _, target in self.moves)

    def moved(self, uri: str) -> str:
        """The location now; as it was where no move is about it, or where `..` would lead out of the new place."""
        for old, new in self.moves:
            if uri == old:
                return new
            below = _rest(uri, old)
            if below is None:
                continue
            if isinstance(below, str):
                now = join(new, below)
            elif is_remote(new):
                continue  # bytes that are no text are in no key
            else:
                now = local_uri(os.path.join(os.fsencode(new), below))  # noqa: PTH118
            return now if is_below(now, new) else uri
        return uri

    def __str__(self) -> str:
        """One a line, as `of` takes them."""
        return "\n".join(f"{old}={new}" for old, new in self.moves)


def _pair(text: str) -> tuple[str, str]:
    signs = [match.start() for match in _PLACE_FOLLOWS.finditer(text)]
    signs = signs or [place for place, sign in enumerate(text) if sign == "="]
    old, new = (text[: signs[0]], text[signs[0] + 1 :]) if len(signs) == 1 else ("", "")
    if not old or not new:
        raise ValueError(f"--root {text!r}: expected A=B, the folder or bucket that OUT names and where that is now")
    return _plain(old), _plain(os.path.expanduser(new))  # noqa: PTH111 - a URI is no path


def _plain(location: str) -> str:
    return absolute(location).rstrip("/") or "/"


def _rest(uri: str, folder: str) -> str | bytes | None:
    """What of a location follows a folder's: text, or bytes where its name is no UTF-8; None where it is elsewhere."""
    if uri.startswith(f"{folder.rstrip('/')}/"):
        return uri[len(folder.rstrip("/")) + 1 :]
    if is_remote(uri) or is_remote(folder) or not uri.startswith("file://"):
        return None
    path, start = local_path(uri), local_path(folder).rstrip(b"/") + b"/"
    return path[len(start) :] if path.startswith(start) else None
