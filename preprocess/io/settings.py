"""A tree of frozen records as flat texts: what `--set key=value` is made of, what a run keeps, and its fingerprint.

A tree is made of dataclasses. A field holds a plain value, another record, a mapping, or a tuple of records with names:
`trainer.steps`, `objective.rewards.color`, `scorers.motion.frames`.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

from preprocess.io.names import imported
from preprocess.io.nodes import Metadata, Node, Setting, leaves, node_of, settable
from preprocess.io.trees import loaded

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


def override(tree: Tree, assignments: Sequence[str], *, imports: bool = True) -> Tree:
    """Apply `key=value` texts, as given to `--set`, all at once.

    A tuple is `8,16` or `[8, 16]`; a mapping is told by its names, `rewards.color=1`, or whole, `{"color": 1}`; another
    kind of record is `module:Class`, or `{"type": "module:Class", ...}` with its fields. Such a module is imported only
    where it `imports`: what a file says, which may be a stranger's, must not run code.

    Raises:
        ValueError: no such key (its neighbours are named), or values of a wrong type or that do not go together.
    """
    known = settable(tree)
    changes = {}
    for assignment in assignments:
        key, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals:
            raise ValueError(f"--set {assignment!r}: expected key=value, such as {[*dump(tree)][-1]}=1")
        changes[key] = text
    try:
        return cast(Tree, _changed("", node_of(tree), changes, imports)) if changes else tree
    except _UnknownKeyError as error:
        near = difflib.get_close_matches(error.key, known, n=3) or sorted(known)
        raise ValueError(f"--set {error.key}: no such setting; did you mean {', '.join(near)}?") from None


class _UnknownKeyError(Exception):
    def __init__(self, key: str) -> None:
        self.key = key


def _changed(key: str, node: Node, changes: Mapping[str, str], imports: bool) -> Any:
    """The value with texts set, by their keys below `key`."""
    if "" in changes:
        if not node.can_be_set:
            raise _UnknownKeyError(key)
        value = _parsed(node.hint(), changes[""], key, imports)
        node, changes = node._replace(value=value), {path: text for path, text in changes.items() if path}
        if not changes:
            return value
    below: dict[str, dict[str, str]] = {}
    for path, text in changes.items():
        name, _, rest = path.partition(".")
        below.setdefault(name, {})[rest] = text
    children = node.children()
    if isinstance(node.value, tuple) and (key_field := node.metadata.get("keyed_by")):
        [kind, *_] = get_args(node.hint())
        made = {name: kind(**{key_field: name}) for name in below if name not in children}
        children |= {name: node_of(record, node.metadata) for name, record in made.items()}
    if isinstance(node.value, Mapping) and _takes_text(node.hint_within()):
        children |= {name: node.within(None) for name in below if name not in children}
    for name, paths in below.items():
        if name not in children:
            path = next(iter(paths))
            raise _UnknownKeyError(".".join(filter(None, (key, name, path))))
    return node.with_children(
        {
            name: _changed(f"{key}.{name}" if key else name, children[name], paths, imports)
            for name, paths in below.items()
        }
    )


def _parsed(hint: Any, text: str, key: str, imports: bool) -> Any:
    """A text as a field's own type.

    Raises:
        ValueError: it is none.
        _UnknownKeyError: nothing is set there as a whole.
    """
    allowed = [*_allowed(hint)]
    if text in allowed:  # one of a few words
        return text
    if text.lower() in ("none", "null") and type(None) in allowed:
        return None
    if bool in allowed and text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float, str):
        if kind in allowed:
            try:
                return kind(text)
            except ValueError:
                continue
    if not _takes_text(hint):
        return _parsed_whole(hint, text, key, imports)
    raise _wrong(allowed, text, key)


def _parsed_whole(hint: Any, text: str, key: str, imports: bool) -> Any:
    """A text as a tuple, a mapping or a record."""
    tuples = [each for each in _allowed(hint) if get_origin(each) is tuple]
    records = [each for each in _allowed(hint) if isinstance(each, type)]
    if text[:1] in ("[", "{"):
        try:
            tree = json.loads(text)
        except ValueError as error:
            raise ValueError(f"--set {key}={text}: {error}") from error
        return _record(tree, hint, key, imports)
    if tuples and _takes_text(inner := get_args(tuples[0])[0]):
        return tuple(_parsed(inner, part.strip(), key, imports) for part in text.split(",") if part.strip())
    if records and ":" in text:
        return _record({"type": text}, hint, key, imports)
    if tuples:
        raise _wrong(tuples, text, key)
    raise _UnknownKeyError(key)


def _record(tree: Any, hint: Any, key: str, imports: bool) -> Any:
    if imports:
        _import_kinds(tree)
    return loaded(tree, hint, key)


def _import_kinds(tree: Any) -> None:
    """Have the classes of a tree there to be found."""
    if isinstance(tree, Mapping):
        if isinstance(name := tree.get("type"), str) and ":" in name:
            imported(name.rpartition(":")[0])
        for each in tree.values():
            _import_kinds(each)
    elif isinstance(tree, list):
        for each in tree:
            _import_kinds(each)


def _allowed(hint: Any) -> Iterator[Any]:
    """The types of a field, and the words of a Literal one by one."""
    for each in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
        yield from get_args(each) if get_origin(each) is Literal else (each,)


def _takes_text(hint: Any) -> bool:
    """Whether some value of a field's type is plain."""
    return any(each in (int, float, str, bool) or isinstance(each, str) for each in _allowed(hint))


def _wrong(allowed: Sequence[Any], text: str, key: str) -> ValueError:
    names = " or ".join(_kind_name(kind) for kind in allowed)
    return ValueError(f"--set {key}={text}: expected {names}")


def _kind_name(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return f"{getattr(get_args(kind)[0], '__name__', get_args(kind)[0])}s such as 8,16 or [8, 16]"
    return str(getattr(kind, "__name__", kind)).replace("NoneType", "none")
