"""Packets are looked at a few ahead of the decoder, in the order of display, to know which of them will be needed."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from preprocess.clocks import Stamp
from preprocess.packets import Packet

_MOST_AHEAD = 64
"""Packets: no decoder holds more back, so that more than these have times that tell no order."""


@dataclass(slots=True)
class Coming:
    """A packet that has its number."""

    packet: Packet
    number: int
    stamp: Stamp | None
    """None for one without a picture."""
    restarts: int
    """How often the file's clock had started again by then."""
    is_needed: bool | None = None
    """Whether it is to be decoded in any case; None as long as that is not known."""


def looked_at(coming: Iterator[Coming], is_needed: Callable[[int], bool]) -> Iterator[Coming]:
    """The packets in their order, once `is_needed` has been asked about each one's pts, in the order of display."""
    queue: deque[Coming] = deque()
    shown: list[tuple[int, int, Coming]] = []
    for each in coming:
        queue.append(each)
        stamp = each.stamp
        if stamp is None or stamp.pts is None or stamp.dts is None:
            each.is_needed = True
        else:
            heapq.heappush(shown, (stamp.pts, each.number, each))
            while shown and shown[0][0] <= stamp.dts:  # nothing comes any more that is displayed before
                pts, _, known = heapq.heappop(shown)
                known.is_needed = is_needed(pts)
        while queue and (queue[0].is_needed is not None or len(queue) > _MOST_AHEAD):
            yield queue.popleft()
    yield from queue
