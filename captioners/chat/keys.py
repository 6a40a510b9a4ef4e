"""Where a server is and what opens it: addresses without passwords, keys from files."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

KEY_LIMIT = 4096
"""Bytes of a file with a key; tokens of some services are of a thousand characters."""


def read_key(file: Path) -> str:
    """What a file holds that is short enough for a key.

    Raises:
        ValueError: it cannot be read, or is no text, or too long.
    """
    try:
        with file.expanduser().open("rb") as stream:
            data = stream.read(KEY_LIMIT + 1)
        key = data.decode("ascii")
    except OSError as error:
        raise ValueError(f"captioner.key_file {str(file)!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        key = ""
    if not key.strip() or len(data) > KEY_LIMIT:
        raise ValueError(f"captioner.key_file {str(file)!r} holds no key")
    return key


def check_url(base_url: str) -> None:
    """Refuse what is no address of a server; what may hold a password is not repeated."""
    if "@" in base_url or "?" in base_url:
        raise ValueError("base_url holds a password or a query; keys come from the environment, see key_variable")
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"base_url is {base_url!r}, must be like http://localhost:8000/v1")
