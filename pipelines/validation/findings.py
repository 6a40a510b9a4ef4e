"""What is wrong with a manifest, counted by kind, with some examples of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pipelines.terminal import shown

MOST_EXAMPLES = 3


@dataclass(slots=True)
class _Kind:
    count: int = 0
    examples: list[str] = field(default_factory=list)


class Findings:
    """Grows while the tables are read."""

    def __init__(self) -> None:
        self._wrong: dict[str, _Kind] = {}
        self._missing: dict[str, _Kind] = {}
        self.notes: list[str] = []
        """What is worth to be known, and not wrong."""

    @property
    def status(self) -> int:
        """For the command line: 1 where something is wrong, 3 where all that is wrong is that files are not there."""
        return 1 if self._wrong else 3 if self._missing else 0

    def wrong(self, what: str, examples: Iterable[object], count: int | None = None) -> None:
        """So many more of a kind, such as `clips without a source`; of None, as many as there are examples."""
        _add(self._wrong, what, examples, count)

    def missing(self, what: str, examples: Iterable[object]) -> None:
        """More that cannot be found from here, or be asked for."""
        _add(self._missing, what, examples, None)

    def lines(self) -> Iterator[str]:
        """A sentence a kind, the commonest first, then the notes."""
        for kinds in (self._wrong, self._missing):
            for what, kind in sorted(kinds.items(), key=lambda item: -item[1].count):
                more = ", and others" if kind.count > len(kind.examples) else ""
                such = f": {', '.join(kind.examples)}{more}" if kind.examples else ""
                yield f"{kind.count:,} {what}{such}"
        yield from self.notes


def _add(kinds: dict[str, _Kind], what: str, examples: Iterable[object], count: int | None) -> None:
    listed = list(examples)
    added = len(listed) if count is None else count
    if added:
        kind = kinds.setdefault(what, _Kind())
        kind.count += added
        kind.examples += [shown(each)[:300] for each in listed[: MOST_EXAMPLES - len(kind.examples)]]
