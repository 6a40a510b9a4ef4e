"""What is said when a cluster goes away in the middle of a run."""

from __future__ import annotations


class ClusterLostError(ValueError):
    """The cluster ended before the work did; what is finished stays, so the same command goes on."""

    def __init__(self, what: str, *, own: bool) -> None:
        super().__init__(what)
        self.own = own
        """Whether the run had started the cluster, and so may start another one."""
