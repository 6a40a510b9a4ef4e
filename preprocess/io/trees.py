"""A tree of records as plain values, in which each record says its class, and back: what a run keeps of its config."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

from preprocess.io.names import class_named, name_of
from preprocess.io.nodes import Setting, type_hints

Kind = TypeVar("Kind")
Unknown = Callable[[type[Any], Sequence[str]], None]
"""Told of fields that a class does not have (any more), by their keys: raises, or lets them be left out."""


def kept(record: Any) -> dict[str, Any]:
    """`{"type": "module:Class", ...fields}`, of values that JSON and TOML hold.

    Raises:
        ValueError: something in it is neither a dataclass nor plain, and could not be read back.
    """
    if not dataclasses.is_dataclass(record):
        raise ValueError(f"a {type(record).__name__} cannot be kept: records are dataclasses")
    fields = {each.name: _kept(getattr(record, each.name)) for each in dataclasses.fields(record)}
    return {"type": name_of(type(record)), **fields}


def _kept(value: Any) -> Any:
    if isinstance(value, Setting):
        return value
    if isinstance(value, Mapping):
        return {str(name): _kept(inner) for name, inner in value.items()}
    if isinstance(value, Sequence):
        return [_kept(each) for each in value]
    return kept(value)


def refuse(kind: type[Any], keys: Sequence[str]) -> None:
    """Let no field be left out.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{', '.join(keys)}: {kind.__name__} has no such setting")


def load(tree: Any, kind: type[Kind], *, unknown: Unknown = refuse) -> Kind:
    """The record that a tree was made of. A field that came later has its class's default.

    Classes are looked up as `names.class_named` allows, and called only where they are dataclasses of the kind that
    their field takes.

    Args:
        tree: what `kept` gave, or what a person wrote: there a class may be left out where only one can be meant, and
            "none" is None.
        kind: what it must be.
        unknown: asked about fields that are no more.

    Raises:
        ValueError: a class that may not be imported or is of another kind, or a value that its field does not take.
    """
    return cast(Kind, _loaded(tree, kind, "", unknown))


def loaded(value: Any, hint: Any, key: str) -> Any:
    """The same for a value within a tree, at `key`, of any type that a field may have.

    Raises:
        ValueError: as for `load`.
    """
    return _loaded(value, hint, key, refuse)


def _loaded(value: Any, hint: Any, key: str, unknown: Unknown) -> Any:
    allowed = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if NoneType in allowed and (value is None or value == "none"):
        return None
    if isinstance(value, list):
        [*of] = (get_args(each) for each in allowed if get_origin(each) in (tuple, Sequence))
        if of:
            return tuple(_loaded(each, of[0][0], f"{key}[{place}]", unknown) for place, each in enumerate(value))
    elif isinstance(value, Mapping):
        for each in allowed:
            if get_origin(each) is not None and issubclass(get_origin(each), Mapping):
                inner = get_args(each)[1]
                return {name: _loaded(part, inner, _joined(key, name), unknown) for name, part in value.items()}
        kinds = tuple(each for each in allowed if isinstance(each, type) and not issubclass(each, Setting | NoneType))
        if kinds:
            return _record(value, kinds, key, unknown)
    elif any(_is_plain(value, each) for each in allowed):
        return value
    names = " or ".join(getattr(each, "__name__", str(each)) for each in allowed)
    raise ValueError(f"{key or 'the whole'} is {value!r}, expected {names}")


def _is_plain(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    return type(value) is hint or (hint is float and type(value) is int)


def _record(tree: Mapping[str, Any], kinds: tuple[type[Any], ...], key: str, unknown: Unknown) -> Any:
    """A record of one of these kinds."""
    what = " or ".join(each.__name__ for each in kinds)
    name = tree.get("type", name_of(kinds[0]) if len(kinds) == 1 else None)
    if not isinstance(name, str):
        raise ValueError(f'{key or "the whole"}: say which {what} it is, such as type = "{name_of(kinds[0])}"')
    try:
        kind = class_named(name)
    except ValueError as error:
        raise ValueError(f"{key or 'the whole'}: {error}") from error
    if not (inspect.isclass(kind) and dataclasses.is_dataclass(kind) and any(_fills(kind, each) for each in kinds)):
        raise ValueError(f"{key or 'the whole'}: {name} is no dataclass of kind {what}")
    fields = {each.name: each for each in dataclasses.fields(kind)}
    if gone := [_joined(key, each) for each in tree if each != "type" and each not in fields]:
        unknown(kind, gone)
    hints = type_hints(kind)
    values = {each: _loaded(tree[each], hints[each], _joined(key, each), unknown) for each in fields if each in tree}
    nothing = [
        _joined(key, name)
        for name, each in fields.items()
        if name not in tree and each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
    ]
    if nothing or inspect.isabstract(kind):
        raise ValueError(f"{key or 'the whole'}: {name} needs {', '.join(nothing) or 'what its subclasses add'}")
    return kind(**values)


def _fills(kind: type[Any], contract: type[Any]) -> bool:
    """Whether a class is of a kind; of a protocol, whether it has all that the protocol names."""
    if getattr(contract, "_is_protocol", False):
        return all(hasattr(kind, name) for name in vars(contract) if not name.startswith("_"))
    return issubclass(kind, contract)


def _joined(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
