"""How a command that worked on videos ends."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.outcomes import Finished


def told(finished: Finished) -> int:
    """Say what came out, and what has to be looked at; the exit status."""
    from pipelines.progress import print_summary

    print_summary(finished)
    return warned(finished)


def warned(finished: Finished) -> int:
    """Say what has to be looked at; the exit status."""
    for line in finished.outcomes.lines(finished.location):
        logging.getLogger("clipmill").warning("%s", line)
    return finished.outcomes.status
