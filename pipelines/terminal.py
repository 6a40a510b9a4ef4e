"""Texts of strangers on a terminal: names and captions may hold what moves its cursor or renames its window."""

from __future__ import annotations


def shown(text: object) -> str:
    """With escapes such as `\\x1b` for all that is not printable, newlines and marks of direction among them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in str(text))
