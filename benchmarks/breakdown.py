"""What each part of the pass takes of its CPU time, without what the parts it calls take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

from pipelines.clips import spans
from preprocess.decode import Video
from preprocess.measurement import Measurement, Step
from preprocess.remembered import Remembered
from preprocess.shots.detector import ShotDetector


class Breakdown:
    """CPU seconds of this thread by part: `decode`, `shrink`, `shots`, `preview`, `text` for costly scorers, others by
    their name. What scorers share is counted for the first of them."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = 0.0

    @contextmanager
    def watching(self, scorers: Sequence[Measurement]) -> Iterator[None]:
        """While this is open, the pass is watched."""
        with ExitStack() as stack:
            for owner, name, part in (
                (Remembered, "push", "shrink"),
                (Remembered, "settle", "shrink"),
                (ShotDetector, "push", "shots"),
                (ShotDetector, "finish", "shots"),
                (spans, "_preview", "preview"),
            ):
                stack.enter_context(patch.object(owner, name, self._timed(getattr(owner, name), part)))
            stack.enter_context(patch.object(Video, "frames", self._each_timed(Video.frames, "decode")))
            for scorer in scorers:
                part = scorer.name if scorer.step <= Step.FRAMES else "text"
                for name in ("look", "scores"):
                    kind = type(scorer)
                    stack.enter_context(patch.object(kind, name, self._timed(getattr(kind, name), part)))
            yield

    def _enter(self, part: str) -> None:
        self._count()
        self._open.append(part)

    def _leave(self) -> None:
        self._count()
        self._open.pop()

    def _count(self) -> None:
        now = time.thread_time()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def _timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        @wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            self._enter(part)
            try:
                return function(*arguments, **named)
            finally:
                self._leave()

        return timed

    def _each_timed(self, function: Callable[..., Iterator[Any]], part: str) -> Callable[..., Iterator[Any]]:
        @wraps(function)
        def timed(*arguments: Any, **named: Any) -> Iterator[Any]:
            items = function(*arguments, **named)
            while True:
                self._enter(part)
                try:
                    item = next(items)
                except StopIteration:
                    return
                finally:
                    self._leave()
                yield item

        return timed
