"""What all our small web servers have in common: which names they answer to, and what their answers always say."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

LOOPBACK = "127.0.0.1"
_LOOPBACK_NAMES = frozenset({LOOPBACK, "localhost", "[::1]"})

ALWAYS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
"""Headers of each answer."""
NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""What may be loaded by what is no page."""


def own_names(host: str) -> frozenset[str]:
    """Under which a server that listens at `host` may be asked.

    A page of another host, whose name resolves to us once its own server has answered (DNS rebinding), sends its own
    name.

    Raises:
        ValueError: all addresses of the machine are meant.
    """
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return _LOOPBACK_NAMES if host == "localhost" else frozenset({host.lower()})
    if address.is_unspecified:
        raise ValueError(f"--host {host} is every address of this machine: name the one under which it is to be asked")
    own = frozenset({f"[{address}]" if address.version == 6 else str(address)})
    return own | _LOOPBACK_NAMES if address.is_loopback else own


def name_of(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        return "".join(host.partition("]")[:2])
    return host.partition(":")[0].lower()
