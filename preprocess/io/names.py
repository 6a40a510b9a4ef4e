"""Code that is named by a text: a recipe on the command line, or the class of a record in a file.

What the command line names is imported. What a file names is imported where it is ours alone: a manifest or a run that
a stranger has made must not run code.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from preprocess.io.nodes import records

OUR_PACKAGES = ("preprocess", "filters", "captioners", "pipelines", "training")

Config = TypeVar("Config")


def recipe_named(text: str, home: str, kind: type[Config], *arguments: object) -> Config:
    """The configuration that a recipe gives, as the command line names it.

    Args:
        text: `name`, `module:name` or `path/to/file.py:name`, of a function.
        home: the module that is meant where none is named.
        kind: what the function returns.
        *arguments: what it is called with.

    Raises:
        ValueError: there is no such module or function (its neighbours are named), or it makes something else.
    """
    module, _, name = text.rpartition(":")
    return recipe_in(imported(module or home), name, kind, *arguments)


def recipe_in(module: ModuleType, name: str, kind: type[Config], *arguments: object) -> Config:
    """The same for one of a module's own functions."""
    functions = {
        name: function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    if name not in functions:
        near = difflib.get_close_matches(name, functions, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"no recipe {name!r} in {module.__name__}, there are {', '.join(functions) or 'none'}{hint}")
    signature = inspect.signature(functions[name])
    try:
        signature.bind(*arguments)
    except TypeError:
        raise ValueError(f"recipe {name}{signature} must take {len(arguments)} positional arguments") from None
    config = functions[name](*arguments)
    if not isinstance(config, kind):
        raise ValueError(f"recipe {name} of {module.__name__} makes a {type(config).__name__}, not a {kind.__name__}")
    return config


def imported(name: str) -> ModuleType:
    """The module `package.module` or `path/to/file.py`, which the command line has named.

    Raises:
        ValueError: there is none. What goes wrong inside it is raised as it is.
    """
    if name.endswith(".py"):
        return _from_file(Path(name))
    if not _is_dotted(name):
        raise ValueError(f"there is no module {name!r}")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # a module that this one imports
        raise ValueError(f"there is no module {name!r}") from None


def class_named(text: str) -> Any:
    """What a file calls `module:Class`; of modules that are not ours, only those that are imported already.

    Raises:
        ValueError: the module may not be imported, or there is nothing of that name in it.
    """
    module, _, name = text.partition(":")
    package = module.partition(".")[0]
    if package in OUR_PACKAGES and _is_dotted(module):
        there = imported(module)
    elif module in sys.modules:
        there = sys.modules[module]
    else:
        raise ValueError(
            f"{text} is not part of this program, and a file by itself has nothing imported; if you trust that code, "
            f"name it on the command line: --plug-in {module or 'MODULE'}"
        )
    if name not in vars(there):
        raise ValueError(f"there is no {name!r} in {module}")
    return vars(there)[name]


def elsewhere(tree: object) -> list[ModuleType]:
    """The modules of a tree's records that are not ours: other machines may lack them."""
    names = {type(record).__module__ for _, record in records(tree)}
    return [sys.modules[name] for name in sorted(names) if name.partition(".")[0] not in OUR_PACKAGES]


def name_of(kind: type[Any]) -> str:
    """`module:Class`, as `class_named` takes it."""
    module = kind.__module__
    if module == "__main__" and (spec := sys.modules[module].__spec__) is not None:
        module = spec.name  # of `python -m MODULE`
    return f"{module}:{kind.__qualname__}"


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _from_file(path: Path) -> ModuleType:
    """The file as a module of its own name, the same one each time."""
    if not path.is_file():
        raise ValueError(f"there is no file {str(path)!r}")
    path = path.resolve()
    taken = find_spec(path.stem) if path.stem.isidentifier() else None
    if taken is not None and taken.origin is not None and Path(taken.origin).resolve() == path:
        return importlib.import_module(path.stem)
    if taken is not None or not path.stem.isidentifier():
        raise ValueError(f"{str(path)!r} cannot be a module: there is another {path.stem!r}, or it is no name")
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module
