"""Which tables there are: the modules of this package that have `rows`."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from benchmarks.truth.bounds import Bounds
from benchmarks.truth.material import Material

Rows = Callable[[Material, int], dict[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """How its figures are made, and what they are held to."""

    rows: Rows
    bounds: Bounds


def tables() -> dict[str, Table]:
    """By name of the module, in order of name."""
    package = __name__.rpartition(".")[0]
    names = sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    modules = {name: import_module(f"{package}.{name}") for name in names if not name.startswith("_")}
    return {
        name: Table(rows=module.rows, bounds=getattr(module, "BOUNDS", {}))
        for name, module in modules.items()
        if hasattr(module, "rows")
    }
