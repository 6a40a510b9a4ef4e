"""Rules decide from columns, with reasons. They touch no video, so moving a threshold takes seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Keep clips whose `column` lies in [min, max], both ends included; None leaves an end open."""

    column: str
    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"rule on {self.column}: min {self.min} is above max {self.max}")

    def reason(self, value: object) -> str | None:
        """Why this value is rejected, such as `motion:below_1.0`, or None where it is kept.

        A value that was not measured is rejected too: what nobody looked at must not slip into a training set.
        """
        if self.min is None and self.max is None:
            return None
        if not isinstance(value, int | float) or value != value:
            return f"{self.column}:not_measured"
        if self.min is not None and value < self.min:
            return f"{self.column}:below_{float(self.min)}"
        if self.max is not None and value > self.max:
            return f"{self.column}:above_{float(self.max)}"
        return None


def reasons(rules: Iterable[Range], row: Mapping[str, object]) -> list[str]:
    """Every rule that the row breaks, in the rules' order; an empty list keeps the clip."""
    return [reason for rule in rules if (reason := rule.reason(row.get(rule.column))) is not None]
