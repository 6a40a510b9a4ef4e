"""The queue: one thread owns the model and makes what is asked, in order; a job is cancelled between two steps."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import torch

from training.film import Frames
from training.serve.history import History
from training.serve.messages import ENDED, Ask, Job, State

MOST_WAITING = 100

Make = Callable[[Ask, Callable[[int, int], None]], Frames]
"""From an ask, and what is told the steps, to a film."""

_log = logging.getLogger("clipmill")


class CancelledError(Exception):
    """Of a job that somebody no longer wants."""


class FullError(Exception):
    """Of a queue that takes no more."""


class Jobs:
    """All that were asked, by their id. Each method may be called from any thread."""

    def __init__(self, make: Make, history: History, *, fps: float) -> None:
        self._make, self._history, self._fps = make, history, fps
        self._lock = threading.Condition()
        self._jobs = {job.id: job for job in history.read()}
        self._waiting: list[str] = []
        self._unwanted: set[str] = set()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def add(self, ask: Ask) -> Job:
        """Put a completed ask into the queue.

        Raises:
            FullError: too many wait.
        """
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                raise FullError(f"{MOST_WAITING} jobs wait already: cancel some, or come back later")
            now = datetime.now(UTC)
            name = f"{now:%Y%m%dT%H%M%S%f}-{uuid4().hex[:8]}"
            job = Job(
                id=name,
                state="queued",
                ask=ask,
                created=now.isoformat(timespec="milliseconds"),
                kind="picture" if ask.frames == 1 else "film",
                fps=self._fps,
            )
            self._history.keep(job)
            self._jobs[name] = job
            self._waiting.append(name)
            self._lock.notify_all()
            return self._seen(job)

    def all(self) -> list[Job]:
        """Newest first."""
        with self._lock:
            return [self._seen(job) for job in reversed(self._jobs.values())]

    def one(self, name: str) -> Job:
        """As it is now.

        Raises:
            KeyError: there is none of that id.
        """
        with self._lock:
            return self._seen(self._jobs[name])

    def cancel(self, name: str) -> Job:
        """Take it out of the queue, or end it before its next step; one that has ended stays as it is.

        Raises:
            KeyError: there is none of that id.
        """
        with self._lock:
            job = self._jobs[name]
            if job.state == "running":
                self._unwanted.add(name)
            elif job.state == "queued":
                self._waiting.remove(name)
                self._end(job, "cancelled")
            return self._seen(job)

    def forget(self, name: str) -> None:
        """Delete what has ended, and its film.

        Raises:
            KeyError: there is none of that id.
            ValueError: it has not ended.
        """
        with self._lock:
            job = self._jobs[name]
            if job.state not in ENDED:
                raise ValueError(f"the job is {job.state}: cancel it first")
            del self._jobs[name]
            self._history.forget(job)

    def close(self) -> None:
        """End the one that runs, leave the others, and begin nothing more."""
        with self._lock:
            self._closed = True
            self._unwanted |= {job.id for job in self._jobs.values() if job.state == "running"}
            self._lock.notify_all()
        self._thread.join()

    def _seen(self, job: Job) -> Job:
        ahead = 0
        if job.state == "queued":
            ahead = self._waiting.index(job.id) + any(each.state == "running" for each in self._jobs.values())
        return job.model_copy(update={"ahead": ahead})

    def _work(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._closed or self._waiting)
                if self._closed:
                    return
                job = self._jobs[self._waiting.pop(0)]
                job.state = "running"
            self._run(job)

    def _run(self, job: Job) -> None:
        began = time.monotonic()

        def on_step(step: int, steps: int) -> None:
            with self._lock:
                if job.id in self._unwanted:
                    raise CancelledError
                job.step, job.steps = step, steps

        state: State = "failed"
        error: str | None = None
        try:
            film = self._make(job.ask, on_step)
            self._history.keep_film(job, film)
            state = "done"
        except CancelledError:
            state = "cancelled"
        except torch.OutOfMemoryError:
            error = "the device's memory is too small for it: ask for fewer frames or a smaller picture"
            torch.cuda.empty_cache()
        except (ValueError, OSError) as refusal:
            error = str(refusal)
        except Exception:  # the queue goes on with the next one, whatever one job did
            _log.exception("serve: job %s met an error of our own code; please report it", job.id)
            error = "an error of our own code, which the server's log has in full"
        with self._lock:
            self._unwanted.discard(job.id)
            job.seconds = round(time.monotonic() - began, 2)
            job.step = job.steps if state == "done" else job.step
            job.error = error
            self._end(job, state)

    def _end(self, job: Job, state: State) -> None:
        job.state = state
        self._history.keep(job)
