"""Whether the files that a table names can be found from here: on another machine than the one that wrote it, said at
once and with what to do about it, not file by file."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterable, Sequence

from preprocess.errors import StorageError
from preprocess.io.locations import WEB, is_remote, local_path, scheme_of
from preprocess.io.storage import entry

MOST_ASKED = 16
"""Objects of buckets that are asked for, spread evenly: each is a request."""
MOST_NAMED = 3

_log = logging.getLogger("clipmill")


def refuse_missing(uris: Iterable[str], *, home: str, root: str = "--root ", told: bool = False) -> None:
    """See that the files of a table are where it says. Where some are not, a warning tells which and how to map them.

    Args:
        uris: of the files, once moved by what the command line says.
        home: the manifest that names them.
        root: how the command takes a move.
        told: whether the command line says where some are, so that another move is all that is left to say.

    Raises:
        ValueError: not one of them is there.
    """
    asked, missing = _looked_for(list(dict.fromkeys(uris)))
    if not missing:
        return
    folders = common_folders(missing)[:MOST_NAMED]
    where = f"{len(missing):,} of the {asked:,} files of {home!r} that were looked for cannot be found from here"
    named = ", ".join(_shown(uri) for uri in missing[:MOST_NAMED])
    moves = " ".join(f"{root}{_shown(folder)}=PLACE" for folder in folders)
    advice = f"if they are elsewhere now, say where: {moves}; `python -m pipelines relocate` writes it down"
    sentence = f"{where}: {named}{' and others' if len(missing) > MOST_NAMED else ''}; {advice}"
    if len(missing) == asked:
        raise ValueError(sentence if not told else f"{sentence}. --root has been followed already")
    _log.warning("%s", sentence)


def missing_of(uris: Sequence[str]) -> list[str]:
    """Those that are not there. What a storage does not answer about, and what is on the web, counts as there."""
    return [uri for uri in uris if not _is_there(uri)]


def common_folders(uris: Iterable[str]) -> list[str]:
    """For each disk and bucket that they are in, the deepest folder that holds all of them there; the fullest first."""
    groups: dict[str, list[list[str]]] = {}
    for uri in uris:
        scheme, sign, rest = uri.partition("://") if is_remote(uri) else ("", "", os.fsdecode(local_path(uri)))
        root, _, path = rest.partition("/")
        groups.setdefault(f"{scheme}{sign}{root}", []).append(path.split("/")[:-1])
    folders = sorted(groups.items(), key=lambda item: -len(item[1]))
    return ["/".join([root, *os.path.commonprefix(parts)]) or "/" for root, parts in folders]  # noqa: RUF071 - of lists


def _looked_for(uris: Sequence[str]) -> tuple[int, list[str]]:
    """How many were looked for, and those that are missing: all on disks, some of buckets."""
    remote = [uri for uri in uris if is_remote(uri)]
    step = max(1, -(-len(remote) // MOST_ASKED))
    asked = list(itertools.chain((uri for uri in uris if not is_remote(uri)), remote[::step]))
    return len(asked), missing_of(asked)


def _is_there(uri: str) -> bool:
    if scheme_of(uri) in WEB:
        return True
    try:
        return entry(uri) is not None if is_remote(uri) else os.path.exists(local_path(uri))  # noqa: PTH110
    except (StorageError, ValueError):  # who opens it will say more
        return True


def _shown(location: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in location)[:200]
