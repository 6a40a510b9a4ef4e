"""What workers count, for Ray's own metrics: every node offers them to Prometheus, and Ray's dashboard shows them.

They are sums over the workers of a cluster, and of use while it lasts; what is true for good is in the results.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ray.util.metrics import Counter

from cluster.stage import Count

PREFIX = "clipmill_"


class Meters:
    """One worker's metrics."""

    def __init__(self) -> None:
        self._counters: dict[str, Counter] = {}

    def took(self, seconds: Mapping[str, float]) -> None:
        """Note how long each stage took, by its name."""
        # not a histogram: of one, Ray 2.60 exports a sum that it makes of the buckets' middles
        self.count(
            Count(name="stage_seconds", meaning="Seconds that a stage worked", value=taken, labels={"stage": stage})
            for stage, taken in seconds.items()
        )

    def count(self, counts: Iterable[Count]) -> None:
        """Add to counters, which are made when they are first needed. All counts of a name have the same labels."""
        for count in counts:
            if count.value > 0:
                counter = self._counters.get(count.name)
                if counter is None:
                    counter = Counter(PREFIX + count.name, count.meaning, tag_keys=tuple(count.labels))
                    self._counters[count.name] = counter
                counter.inc(count.value, tags=dict(count.labels))
