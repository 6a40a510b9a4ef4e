"""What a tree of records is made of: dataclasses, mappings, tuples of records with names, and plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any, NamedTuple, get_args, get_type_hints

Metadata = dict[str, Any]
"""Of a dataclass's field; several are joined by `|`."""
Setting = str | int | float | bool | None
_NONE: Metadata = {}


def leaves(tree: object) -> Iterator[tuple[str, Node]]:
    """Plain values by their flat keys, and the names of classes where a class has one."""
    for key, node in _nodes("", node_of(tree)):
        if isinstance(node.value, Setting):
            yield key, node
        elif key and hasattr(node.value, "name") and "name" not in node.children():
            name = node.value.name
            yield key, node_of(True if key.endswith(f".{name}") else name)  # a tuple's records have it in the key


def settable(tree: object) -> list[str]:
    """The keys that `--set` takes: of plain values, of tuples of such, and of records that a field holds."""
    return [key for key, node in _nodes("", node_of(tree)) if node.can_be_set and not isinstance(node.value, Mapping)]


def records(tree: object) -> Iterator[tuple[str, Any]]:
    """Every dataclass in the tree, the tree itself first, with the key that leads to it."""
    for key, node in _nodes("", node_of(tree)):
        if dataclasses.is_dataclass(node.value):
            yield key, node.value


@cache
def _type_hints(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)


def type_hints(kind: Any) -> Mapping[str, Any]:
    """The types of a dataclass's fields, by name."""
    return _type_hints(kind)


class Node(NamedTuple):
    """A value in a tree, how to learn what type it may have, and the metadata of the field that holds it.

    Types are looked up only to set something: a worker that was sent a class from elsewhere may lack their names.
    """

    value: Any
    hint: Callable[[], Any]
    metadata: Mapping[str, Any] = _NONE
    can_be_set: bool = False

    def children(self) -> dict[str, Node]:
        """What a record, a mapping, or a tuple of records with names holds; plain values hold nothing."""
        value, metadata = self.value, self.metadata
        if isinstance(value, Mapping):
            return {name: self.within(each) for name, each in value.items()}
        key_field = metadata.get("keyed_by", "name")
        if isinstance(value, tuple):
            named = [record for record in value if hasattr(record, key_field)]
            return {getattr(record, key_field): node_of(record, metadata) for record in named}
        if not dataclasses.is_dataclass(value):
            return {}
        return {
            each.name: Node(
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

    def within(self, value: Any) -> Node:
        """A value of a mapping."""
        return Node(value, self.hint_within, self.metadata, can_be_set=True)

    def hint_within(self) -> Any:
        """The type of a mapping's values."""
        return (get_args(self.hint()) or (Any,))[-1]


def node_of(record: Any, metadata: Mapping[str, Any] = _NONE) -> Node:
    """A node of a record's own type."""
    return Node(record, partial(type, record), metadata)


def _hint(kind: Any, field: str) -> Any:
    return type_hints(kind)[field]


def _nodes(key: str, node: Node) -> Iterator[tuple[str, Node]]:
    """The node and all below it, depth first."""
    yield key, node
    for name, child in node.children().items():
        yield from _nodes(f"{key}.{name}" if key else name, child)
