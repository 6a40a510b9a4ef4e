"""A tree of frozen records as flat texts: what `--set key=value` is made of, what a run keeps, and its fingerprint.

A tree is made of dataclasses. A field holds a plain value, another record, a mapping, or a tuple of records with names:
`trainer.steps`, `objective.rewards.color`, `scorers.motion.frames`.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast, get_args

from preprocess.io.nodes import Metadata, Node, Setting, leaves, node_of

OPERATIONAL: Metadata = {"operational": True}
"""Metadata of a field that changes how a run goes, not what comes out, so that it is not in the fingerprint:
`concurrency: int = field(default=16, metadata=OPERATIONAL)`."""

OUTSIDE: Metadata = {"outside": True}
"""Metadata of a field that names what lies outside of the program: a server, a key, a file, weights. What comes with a
manifest, which may be a stranger's, does not decide it."""

Settings = dict[str, Setting]
Tree = TypeVar("Tree")


def keyed_by(name: str) -> Metadata:
    """Of a tuple whose records are told apart by the field `name`; setting one that is not there adds it."""
    return {"keyed_by": name}


def dump(tree: object) -> Settings:
    """All plain fields, by flat keys. A record whose class has a `name` is told by that: `captioner: vllm`."""
    return {key: node.value for key, node in leaves(tree)}


def is_outside(metadata: Mapping[str, Any]) -> bool:
    """Whether a field is marked `OUTSIDE`."""
    return bool(metadata.get("outside"))


def operational(tree: object) -> set[str]:
    """The keys that change how a run goes, such as a batch size or a server's address, but not what comes out."""
    return {key for key, node in leaves(tree) if node.metadata.get("operational")}


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
    known = [key for key, node in leaves(tree) if node.can_be_set]
    changes = {}
    for assignment in assignments:
        key, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals:
            raise ValueError(f"--set {assignment!r}: expected key=value, such as {known[-1]}=1")
        changes[key] = text
    try:
        return cast(Tree, _changed("", node_of(tree), changes)) if changes else tree
    except _UnknownKeyError as error:
        near = difflib.get_close_matches(error.key, known, n=3) or sorted(known)
        raise ValueError(f"--set {error.key}: no such setting; did you mean {', '.join(near)}?") from None


class _UnknownKeyError(Exception):
    def __init__(self, key: str) -> None:
        self.key = key


def _changed(key: str, node: Node, changes: Mapping[str, str]) -> Any:
    """The value with texts set, by their keys below `key`."""
    if "" in changes:
        if not node.can_be_set or not isinstance(node.value, Setting):
            raise _UnknownKeyError(key)
        return _parsed(node.hint(), changes[""], key)
    below: dict[str, dict[str, str]] = {}
    for path, text in changes.items():
        name, _, rest = path.partition(".")
        below.setdefault(name, {})[rest] = text
    children = node.children()
    if isinstance(node.value, tuple) and (key_field := node.metadata.get("keyed_by")):
        [kind, *_] = get_args(node.hint())
        made = {name: kind(**{key_field: name}) for name in below if name not in children}
        children |= {name: node_of(record, node.metadata) for name, record in made.items()}
    for name, paths in below.items():
        if name not in children:
            path = next(iter(paths))
            raise _UnknownKeyError(".".join(filter(None, (key, name, path))))
    return node.with_children(
        {name: _changed(f"{key}.{name}" if key else name, children[name], paths) for name, paths in below.items()}
    )


def _parsed(hint: Any, text: str, key: str) -> Setting:
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
