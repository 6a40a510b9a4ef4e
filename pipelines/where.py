"""Which clips are meant: a condition over columns, such as `motion > 2 and camera == 'static'`.

It is written as Python writes it, and is no Python: of its syntax tree only comparisons of columns and plain values are
taken, and Arrow computes them. As in SQL, a comparison with null is neither true nor false: such a clip is not meant.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

MOST_CHARACTERS = 4000
"""Of a condition; deeper ones than these can hold would end in the interpreter's own limits."""
_NOTHING = frozenset({"None", "null"})
_WORDS = {"true": True, "false": False}
_COMPARISONS: dict[type[ast.cmpop], Callable[..., Any]] = {
    ast.Eq: pc.equal,
    ast.NotEq: pc.not_equal,
    ast.Lt: pc.less,
    ast.LtE: pc.less_equal,
    ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
}
_ALLOWED = "comparisons, `in`, `is null`, `and`, `or`, `not` over columns, numbers, texts and lists of them"


@dataclass(frozen=True, slots=True)
class Where:
    """A condition that has been understood."""

    text: str

    @property
    def names(self) -> list[str]:
        """Of the columns that it asks, and of what it takes for one.

        Raises:
            ValueError: it is no condition.
        """
        named = [node.id for node in ast.walk(_parsed(self.text)) if isinstance(node, ast.Name)]
        return [name for name in dict.fromkeys(named) if name not in _NOTHING and name not in _WORDS]

    def check(self, schema: pa.Schema) -> None:
        """See that a table of these columns can be asked.

        Raises:
            ValueError: it is no condition, names columns that there are not, or compares what cannot be compared.
        """
        self.holds(schema.empty_table())

    def holds(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """For which of N rows: (N,).

        Raises:
            ValueError: as for `check`.
        """
        try:
            found = _condition(_parsed(self.text), table)
        except RecursionError:
            raise ValueError("the condition is nested too deeply") from None
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise ValueError(f"{self.text!r}: {' '.join(str(error).split())}") from error
        return np.asarray(found.fill_null(False).to_numpy(zero_copy_only=False), np.bool_)


def _parsed(text: str) -> ast.expr:
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"a condition of {len(text)} characters, at most {MOST_CHARACTERS}")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{text!r} is no condition, such as motion > 2 and camera == 'static': {error}") from error


def _condition(node: ast.expr, table: pa.Table) -> pa.Array:
    """One truth or null a row."""
    if isinstance(node, ast.BoolOp):
        join = pc.and_kleene if isinstance(node.op, ast.And) else pc.or_kleene
        found = _condition(node.values[0], table)
        for each in node.values[1:]:
            found = join(found, _condition(each, table))
        return found
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return pc.invert(_condition(node.operand, table))
    if isinstance(node, ast.Compare):
        found = None
        for left, operator, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            one = _comparison(left, operator, right, table)
            found = one if found is None else pc.and_kleene(found, one)
        return found
    if isinstance(node, ast.Name):
        column = _column(node, table)
        if column.type == pa.bool_():
            return column
        raise ValueError(f"{node.id} is a column of {column.type}, no condition; compare it: {node.id} > 0")
    raise ValueError(f"{ast.unparse(node)!r} is no condition; allowed are {_ALLOWED}")


def _comparison(left: ast.expr, operator: ast.cmpop, right: ast.expr, table: pa.Table) -> pa.Array:
    if isinstance(operator, ast.Is | ast.IsNot):
        if not _is_nothing(right):
            raise ValueError(f"`is` compares with null alone, not with {ast.unparse(right)}")
        nothing = pc.is_null(_column(left, table))
        return nothing if isinstance(operator, ast.Is) else pc.invert(nothing)
    if _is_nothing(left) or _is_nothing(right):
        raise ValueError("a comparison with null is never true: write `is null` or `is not null`")
    if isinstance(operator, ast.In | ast.NotIn):
        found = _among(left, right, table)
        return found if isinstance(operator, ast.In) else pc.invert(found)
    if not (isinstance(left, ast.Name) or isinstance(right, ast.Name)):
        raise ValueError(f"{ast.unparse(left)} and {ast.unparse(right)} are both no columns")
    return _COMPARISONS[type(operator)](_operand(left, table), _operand(right, table))


def _among(left: ast.expr, right: ast.expr, table: pa.Table) -> pa.Array:
    """A column among values, or a value in a column of lists or of texts."""
    if isinstance(right, ast.List | ast.Tuple | ast.Set):
        column = _column(left, table)
        found = pc.is_in(column, value_set=pa.array([_value(each) for each in right.elts], column.type))
        return pc.if_else(pc.is_valid(column), found, None)
    column, value = _column(right, table), _value(left)
    if pa.types.is_list(column.type):
        return pa.array([None if each is None else value in each for each in column.to_pylist()], pa.bool_())
    return pc.match_substring(column, str(value))


def _operand(node: ast.expr, table: pa.Table) -> Any:
    if isinstance(node, ast.Name) and node.id not in _WORDS:
        return _column(node, table)
    return pa.scalar(_value(node))


def _column(node: ast.expr, table: pa.Table) -> pa.Array:
    if not isinstance(node, ast.Name):
        raise ValueError(f"{ast.unparse(node)} is no column; allowed are {_ALLOWED}")
    if node.id not in table.column_names:
        near = difflib.get_close_matches(node.id, table.column_names, n=3)
        raise ValueError(f"there is no column {node.id!r}" + (f"; did you mean {', '.join(near)}?" if near else ""))
    return table[node.id].combine_chunks()


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Name) and node.id in _WORDS:
        return _WORDS[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _value(node.operand)
        if isinstance(value, int | float):
            return -value
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
        return node.value
    raise ValueError(f"{ast.unparse(node)} is no number or text; allowed are {_ALLOWED}")


def _is_nothing(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id in _NOTHING) or (
        isinstance(node, ast.Constant) and node.value is None
    )
