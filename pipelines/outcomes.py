"""What a run could not do: counted as it learns of it, and said at its end. Too much in a row stops it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pipelines.clips.faults import error_file
from pipelines.recipe.config import CurateConfig
from preprocess.errors import INTERNAL_ERROR, UNSETTLED, slug
from preprocess.manifest import Manifest

OUR_LIMITS = (INTERNAL_ERROR, "too_slow", "too_large")
"""Reasons that say as much about this program and its settings as about the file."""
NAMED = 10
"""Failures that the last lines of a run name."""

Outcome = tuple[str, str | None]
"""A file's uri or a clip's id, and the reason for which it failed; None where it did not."""


class Outcomes:
    """Those of one run."""

    def __init__(self, config: CurateConfig) -> None:
        self.internal_errors: dict[str, str] = {}
        """Reason by uri or clip id: our own code failed there, and that is settled."""
        self.unsettled: dict[str, str] = {}
        """Reason by uri: the machine or the storage failed, and the same command tries again."""
        self._config = config
        self._unread: set[str] = set()
        self._broken: set[str] = set()

    @property
    def status(self) -> int:
        """The exit status of the command."""
        if self.internal_errors:
            return 1
        return 3 if self.unsettled else 0

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Count some more.

        Raises:
            ValueError: as many in a row failed, for no fault of their own, as the recipe bears.
        """
        for name, reason in outcomes:
            self.remember(name, reason)
            self._follow(name, reason)

    def remember(self, name: str, reason: str | None) -> None:
        """Count one that an earlier run had met."""
        if reason is not None and slug(reason) == INTERNAL_ERROR:
            self.internal_errors[name] = reason
        elif reason is not None and slug(reason) in UNSETTLED:
            self.unsettled[name] = reason

    def lines(self, out: str) -> list[str]:
        """What is to be said of them at the end of a run over the manifest at `out`."""
        said = []
        if self.unsettled:
            said.append(
                f"{len(self.unsettled)} could not be read for reasons of the machine or the storage; the same command "
                f"tries them again: {_named(self.unsettled)}"
            )
        if self.internal_errors:
            said.append(
                f"{len(self.internal_errors)} met an error of our own code (internal_error). Please report it, with "
                "the file that is named here; once it is mended, `curate --again internal_error` tries them again"
            )
            first = list(self.internal_errors.items())[:NAMED]
            said += [f"  {name!r}: {reason}\n    {error_file(out, name)}" for name, reason in first]
            if len(self.internal_errors) > NAMED:
                said.append(f"  and {len(self.internal_errors) - NAMED} more")
        return said

    def _follow(self, name: str, reason: str | None) -> None:
        if reason is None:
            self._broken.clear()
        if slug(reason) == INTERNAL_ERROR:
            self._broken.add(name)
        elif slug(reason) in UNSETTLED:
            self._unread.add(name)
        else:
            self._unread.clear()
        if len(self._unread) >= self._config.failures_in_a_row:
            raise ValueError(
                f"{len(self._unread)} files in a row could not be read, the last one {name!r}: {reason}. That is no "
                "fact about them: the same command tries them again (--set failures_in_a_row=N bears more)"
            )
        if len(self._broken) >= self._config.internal_errors_in_a_row:
            raise ValueError(
                f"{len(self._broken)} in a row met an error of our own code and none succeeded, the last one {name!r}: "
                f"{reason}. The tracebacks are in OUT/errors; once it is mended, `curate --again internal_error` tries "
                "them again (--set internal_errors_in_a_row=N bears more)"
            )


class Finished(Manifest):
    """A manifest with the outcomes of the command that has worked on it."""

    def __init__(self, location: str, outcomes: Outcomes) -> None:
        super().__init__(location)
        self.outcomes = outcomes


def left_failed(manifest: Manifest) -> str:
    """What no run tries again unless it is asked to; "" where there is nothing of the kind."""
    counts: Counter[str] = Counter()
    for batch in manifest.parted_sources().batches(["reason"]):
        counts.update(map(slug, batch["reason"].to_pylist()))
    told = {reason: counts[reason] for reason in OUR_LIMITS if counts[reason]}
    if not told:
        return ""
    listed = ", ".join(f"{reason} ({count})" for reason, count in told.items())
    return f"failures that are settled: {listed}; --again {next(iter(told))} tries them once more"


def _named(reasons: dict[str, str]) -> str:
    first = "; ".join(f"{name!r}: {reason}" for name, reason in list(reasons.items())[:NAMED])
    return first + (f"; and {len(reasons) - NAMED} more" if len(reasons) > NAMED else "")
