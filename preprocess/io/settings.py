"""A tree of frozen records as flat texts: what `--set key=value` is made of, what a run keeps, and its fingerprint.

A tree is made of dataclasses. A field holds a plain value, another record, a mapping, or a tuple of records with names:
`trainer.steps`, `objective.rewards.color`, `scorers.motion.frames`.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple, TypeVar, cast, get_args, get_type_hints

Metadata = dict[str, Any]
"""Of a dataclass's field; several are joined by `|`."""
OPERATIONAL: Metadata = {"operational": True}
"""Metadata of a field that changes how a run goes, not what comes out, so that it is not in the fingerprint:
`concurrency: int = field(default=16, metadata=OPERATIONAL)`."""

Setting = str | int | float | bool | None
Settings = dict[str, Setting]
Tree = TypeVar("Tree")
_NONE: Metadata = {}


def keyed_by(name: str) -> Metadata:
    """Of a tuple whose records are told apart by the field `name`; setting one that is not there adds it."""
    return {"keyed_by": name}


def dump(tree: object) -> Settings:
    """All plain fields, by flat keys. A record whose class has a `name` is told by that: `captioner: vllm`."""
    return {key: node.value for key, node in _leaves("", _node(tree))}


def operational(tree: object) -> set[str]:
    """The keys that change how a run goes, such as a batch size or a server's address, but not what comes out."""
    return {key for key, node in _leaves("", _node(tree)) if node.metadata.get("operational")}


def fingerprint(tree: object) -> str:
    """12 hex digits that change whenever a setting does that has a say in what comes out."""
    without = operational(tree)
    # 240 and 240.0 are the same bound, and None is none
    said = {key: value for key, value in dump(tree).items() if key not in without and value is not None}
    plain = {key: float(value) if type(value) is int else value for key, value in said.items()}
    return hashlib.blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=6).hexdigest()


def difference(old: object, new: object) -> list[str]:
    """A line such as `rules.motion.min: 1.0 -> 2.0` for each setting that differs and has a say in what comes out.

    Args:
        old: a tree, or the `dump` that a run kept of one.
        new: a tree.
    """
    kept = isinstance(old, Mapping)
    before, after = cast(Settings, old) if kept else dump(old), dump(new)
    free = operational(new) | (set() if kept else operational(old))
    return [
        f"{key}: {before.get(key, 'absent')} -> {after.get(key, 'absent')}"
        for key in dict.fromkeys((*before, *after))
        if key not in free and before.get(key) != after.get(key)
    ]


def override(tree: Tree, assignments: Sequence[str]) -> Tree:
    """Apply `key=value` texts, as given to `--set`, all at once.

    Raises:
        ValueError: no such key (its neighbours are named), or values of a wrong type or that do not go together.
    """
    known = [key for key, node in _leaves("", _node(tree)) if node.can_be_set]
    changes = {}
    for assignment in assignments:
        key, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals:
            raise ValueError(f"--set {assignment!r}: expected key=value, such as {known[-1]}=1")
        changes[key] = text
    try:
        return cast(Tree, _changed("", _node(tree), changes)) if changes else tree
    except _UnknownKeyError as error:
        near = difflib.get_close_matches(error.key, known, n=3) or sorted(known)
        raise ValueError(f"--set {error.key}: no such setting; did you mean {', '.join(near)}?") from None


def records(tree: object) -> Iterator[tuple[str, Any]]:
    """Every dataclass in the tree, the tree itself first, with the key that leads to it."""
    yield from _records("", _node(tree))


def type_hints(kind: Any) -> Mapping[str, Any]:
    """The types of a dataclass's fields, by name."""
    return _type_hints(kind)


@cache
def _type_hints(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)


class _UnknownKeyError(Exception):
    def __init__(self, key: str) -> None:
        self.key = key


class _Node(NamedTuple):
    """A value in a tree, how to learn what type it may have, and the metadata of the field that holds it.

    Types are looked up only to set something: a worker that was sent a class from elsewhere may lack their names.
    """

    value: Any
    hint: Callable[[], Any]
    metadata: Mapping[str, Any] = _NONE
    can_be_set: bool = False

    def children(self) -> dict[str, _Node]:
        """What a record, a mapping, or a tuple of records with names holds."""
        value, metadata = self.value, self.metadata
        if isinstance(value, Mapping):

            def hint() -> Any:
                return (get_args(self.hint()) or (Any,))[-1]

            return {name: _Node(inner, hint, metadata, can_be_set=True) for name, inner in value.items()}
        key_field = metadata.get("keyed_by", "name")
        if isinstance(value, tuple):
            named = [record for record in value if hasattr(record, key_field)]
            return {getattr(record, key_field): _node(record, metadata) for record in named}
        if not dataclasses.is_dataclass(value):
            return {}
        return {
            each.name: _Node(
                getattr(value, each.name),
                partial(_hint, type(value), each.name),
                each.metadata,
                can_be_set=each.name != "name",
            )
            for each in dataclasses.fields(value)
            if each.name != metadata.get("keyed_by")
        }

    def with_children(self, new: dict[str, Any]) -> Any:
        """The value with some of them replaced; each record is made anew once, from all of its changes."""
        if isinstance(self.value, Mapping):
            return {**self.value, **new}
        if isinstance(self.value, tuple):
            named = {name: node.value for name, node in self.children().items()} | new
            return tuple(named.values())
        return dataclasses.replace(self.value, **new)


def _node(record: Any, metadata: Mapping[str, Any] = _NONE) -> _Node:
    return _Node(record, partial(type, record), metadata)


def _hint(kind: Any, field: str) -> Any:
    return type_hints(kind)[field]


def _records(key: str, node: _Node) -> Iterator[tuple[str, Any]]:
    if dataclasses.is_dataclass(node.value):
        yield key, node.value
    for name, child in node.children().items():
        yield from _records(f"{key}.{name}" if key else name, child)


def _leaves(key: str, node: _Node) -> Iterator[tuple[str, _Node]]:
    """Plain values by their keys, and the names of classes where a class has one."""
    if isinstance(node.value, Setting):
        yield key, node
        return
    children = node.children()
    if key and "name" not in children and hasattr(node.value, "name"):
        name = node.value.name
        yield key, _node(True if key.endswith(f".{name}") else name)  # of a tuple's records the key has it already
    for name, child in children.items():
        yield from _leaves(f"{key}.{name}" if key else name, child)


def _changed(key: str, node: _Node, changes: Mapping[str, str]) -> Any:
    """The value with texts set, by their keys below `key`."""
    if "" in changes:
        if not node.can_be_set or not isinstance(node.value, Setting):
            raise _UnknownKeyError(key)
        return parsed(node.hint(), changes[""], key)
    below: dict[str, dict[str, str]] = {}
    for path, text in changes.items():
        name, _, rest = path.partition(".")
        below.setdefault(name, {})[rest] = text
    children = node.children()
    if isinstance(node.value, tuple) and (key_field := node.metadata.get("keyed_by")):
        [kind, *_] = get_args(node.hint())
        made = {name: kind(**{key_field: name}) for name in below if name not in children}
        children |= {name: _node(record, node.metadata) for name, record in made.items()}
    for name, paths in below.items():
        if name not in children:
            path = next(iter(paths))
            raise _UnknownKeyError(".".join(filter(None, (key, name, path))))
    return node.with_children(
        {name: _changed(f"{key}.{name}" if key else name, children[name], paths) for name, paths in below.items()}
    )


def parsed(hint: Any, text: str, key: str) -> Setting:
    """A text as a field's own type.

    Raises:
        ValueError: it is none.
    """
    allowed = get_args(hint) or (hint,)
    if text in allowed:  # one of a few words
        return text
    if text.lower() in ("none", "null") and type(None) in allowed:
        return None
    if bool in allowed and text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float, str):
        if kind in allowed:
            try:
                return cast(Setting, kind(text))
            except ValueError:
                continue
    names = " or ".join(getattr(kind, "__name__", str(kind)).replace("NoneType", "none") for kind in allowed)
    raise ValueError(f"--set {key}={text}: expected {names}")
