"""Which places a table may lead to: it may be a stranger's, and opening a URI tells its owner who reads it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

from preprocess.io.locations import GCS, S3, scheme_of
from preprocess.io.storage import absolute, is_remote, local_path

MOST_NAMED = 3
"""Places that a refusal lists."""
_REDIRECTS = re.compile(r"[?&](?:endpoint_override|scheme|proxy_options|access_key|secret_key)=", re.IGNORECASE)
"""What Arrow reads of a bucket's URI as another server's address."""


def refuse_elsewhere(uris: Iterable[str], *, home: str, named: Sequence[str] = (), option: str = "--source ") -> None:
    """See that all files are at home, which is on this machine's disks where `home` is, too, or in S3 or GCS, whose
    server the user's environment names, or below a place that the command line names by `option`.

    Raises:
        ValueError: some are not; the message says where they are, and what to give if that is right.
    """
    places = [_folded(absolute(place)) for place in named]
    strange: dict[str, int] = {}
    for uri in uris:
        at_home = _host(uri) == _host(home) or scheme_of(uri) in S3 | GCS
        if not (at_home or any(is_below(uri, place) for place in places)) or _escapes(uri):
            strange[_root(uri)] = strange.get(_root(uri), 0) + 1
    if strange:
        roots = sorted(strange, key=lambda root: -strange[root])[:MOST_NAMED]
        wanted = " ".join(f"{option}{root}" for root in roots)
        raise ValueError(
            f"{sum(strange.values())} of its files are {'in ' + ', '.join(roots)}, elsewhere than {home!r} itself. A "
            f"manifest may be a stranger's, and by itself opens nothing elsewhere; if you trust it, say: {wanted}"
        )


def _host(location: str) -> tuple[str, str]:
    """Scheme and bucket or server; of local files none."""
    if not is_remote(location):
        return "", ""
    scheme, _, rest = location.partition("://")
    return scheme.lower(), rest.partition("/")[0]


def is_below(uri: str, place: str) -> bool:
    """Whether a location is the place or lies in it, also once `..` is followed."""
    folded = _folded(uri)
    return folded == place or folded.startswith(f"{place.rstrip('/')}/")


def _folded(location: str) -> str:
    """One spelling for a location: without `..` and double slashes, a `file://` URI as its path."""
    if not is_remote(location):
        return os.path.normpath(os.fsdecode(local_path(location)))
    scheme, _, rest = location.partition("://")
    return f"{scheme.lower()}://{os.path.normpath(rest)}"


def _escapes(uri: str) -> bool:
    """Whether a bucket's URI names another server within itself."""
    return is_remote(uri) and _REDIRECTS.search(uri) is not None


def _root(uri: str) -> str:
    """What of a URI is shown: of a bucket the name, of a disk the folder; printable, and without a password."""
    scheme, host = _host(uri)
    shown = f"{scheme}://{host.rpartition('@')[2]}" if scheme else os.path.dirname(_folded(uri))  # noqa: PTH120
    return "".join(c if c.isprintable() else "?" for c in shown)[:200]
