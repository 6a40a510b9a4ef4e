"""What a setting may be, said on its field: `batch_size: int = field(default=64, metadata=at_least(1))`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

from preprocess.io.nodes import Metadata, type_hints


def at_least(low: float) -> Metadata:
    """This or more. No number (NaN) is refused by this and all others; None, which a field may allow, is not."""
    return _bound(lambda value: value >= low, f"must be at least {low}")


def above(low: float) -> Metadata:
    """More than this."""
    return _bound(lambda value: value > low, f"must be above {low}")


def within(interval: str) -> Metadata:
    """A number in an interval such as `[0, 1)`."""
    low, high = (float(end) for end in interval[1:-1].split(","))
    closed = interval[0] == "[", interval[-1] == "]"
    return _bound(
        lambda value: (low < value or (closed[0] and value == low)) and (value < high or (closed[1] and value == high)),
        f"must be in {interval}",
    )


def one_of(*words: str) -> Metadata:
    """For words that are not known to the type; a `Literal` needs none."""
    return _bound(lambda value: value in words, f"allowed are {', '.join(words)}")


def check(record: Any, key: str = "") -> None:
    """Hold a record to the bounds and to the `Literal` words of its fields; called in `__post_init__`.

    Args:
        record: a dataclass.
        key: what leads to it, for the message: `trainer` makes it `trainer.steps is 0, must be at least 1`.

    Raises:
        ValueError: the first that is out of its bounds.
    """
    hints = type_hints(type(record))
    for field in dataclasses.fields(record):
        value, words = getattr(record, field.name), get_args(hints[field.name])
        literal = one_of(*words) if get_origin(hints[field.name]) is Literal else {}
        for holds, sentence in (literal | dict(field.metadata)).get("bounds", ()):
            if value is not None and not holds(value):
                raise ValueError(f"{key}{'.' if key else ''}{field.name} is {value!r}, {sentence}")


def _bound(holds: Callable[[Any], bool], sentence: str) -> Metadata:
    return {"bounds": ((holds, sentence),)}
