"""What the fields of a record mean: the text that stands below each in the source of its class."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache
from typing import Any


@cache
def meanings(kind: type[Any]) -> Mapping[str, str]:
    """By field, in one line each, as far as there is a text and a source; a field of a base class has that one's."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__[:-1]):
        found |= _own(each)
    return found


def _own(kind: type[Any]) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    except (OSError, TypeError, SyntaxError):  # of no file, or of one that is written otherwise
        return {}
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            text = ast.literal_eval(below.value) if isinstance(below.value, ast.Constant) else None
            if isinstance(text, str):
                found[field.target.id] = " ".join(text.split())
    return found
