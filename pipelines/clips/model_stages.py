"""The steps that run models over clips that were decoded elsewhere: each its own pool of workers where there is a GPU.

A stage takes the clips of several items at once, leaves alone those that a rule has already spoken against, and keeps
its model in its worker from the first item to the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cluster.stage import Stage
from pipelines.clips.answers import filled
from pipelines.clips.attempts import Attempts, Verdict, retried
from pipelines.clips.faults import NOT_ABOUT_A_CLIP, Faults
from pipelines.clips.pending import Pending, PendingClip
from pipelines.clips.task import Task
from preprocess.errors import one_line
from preprocess.measurement import Look, Measurement


def model_stages(task: Task, attempts: Attempts, faults: Faults) -> list[Stage]:
    """The stages between decoding and writing that a task needs, in the order of the steps."""
    seen = [model.sees for model in task.models]
    return [
        ModelStage(model, task, attempts, faults, keeps_look=model.sees in seen[number + 1 :])
        for number, model in enumerate(task.models)
    ]


class ModelStage(Stage):
    """Runs one measurement over clips, whichever items they came with.

    A clip that kills its worker again and again is left out, and one that makes the model fail.
    """

    def __init__(
        self, measurement: Measurement, task: Task, attempts: Attempts, faults: Faults, *, keeps_look: bool
    ) -> None:
        self.name = measurement.name
        self.cpus, self.gpus = measurement.cpus, measurement.gpus
        self.apart = measurement.waits
        self.batch_items = measurement.units_at_a_time
        self._measurement = measurement
        self._task = task
        self._attempts = attempts
        self._faults = faults
        self._keeps_look = keeps_look
        self._answers = task.answers if measurement is task.config.captioner else {}
        self._failed_in_a_row = 0

    def setup(self) -> None:
        """Load the model or open the connection."""
        self._measurement.setup()

    def process(self, items: Sequence[Pending]) -> Iterable[Pending]:
        """Fill the columns of all items' clips together."""
        clips = [clip for item in items for clip in item.clips]
        asked: list[PendingClip] = []
        for clip in clips:
            if not self._is_asked(clip):
                self._pass_over(clip)
            elif filled(clip.row, self._answers):
                clip.looks = self._other_looks(clip)
            else:
                asked.append(clip)
        if asked:
            self._attempts.run(
                asked,
                name=lambda clips: f"{self.name} {' '.join(clip.row['clip_id'] for clip in clips)}",
                pieces=lambda clips: [[clip] for clip in clips],
                do=self._fill_or_leave_out,
                give_up=self._give_up,
            )
        return items

    def close(self) -> None:
        """Release the model or the connection."""
        self._measurement.close()

    def _is_asked(self, clip: PendingClip) -> bool:
        can_see = self._measurement.sees in clip.looks or not self._measurement.needs_frames
        return can_see and self._task.passes(clip.row, self._measurement.step)

    def _fill_or_leave_out(self, clips: Sequence[PendingClip]) -> None:
        """A batch that fails is gone through clip by clip."""
        try:
            retried(lambda: self._fill(clips))
        except NOT_ABOUT_A_CLIP:
            raise
        except Exception as error:
            if len(clips) > 1:
                for clip in clips:
                    self._fill_or_leave_out([clip])
                return
            self._leave_out(clips, self._settled(error, clips[0]))
            self._refuse_to_fail_always(error)
        else:
            self._failed_in_a_row = 0

    def _give_up(self, clips: Sequence[PendingClip], verdict: Verdict) -> None:
        (clip,) = clips
        about = f"{self.name}: clip {clip.row['clip_id']} of {clip.row['source_uri']!r}"
        self._leave_out(clips, self._faults.settle_crash(verdict, clip.row["clip_id"], about))

    def _settled(self, error: Exception, clip: PendingClip) -> str:
        if isinstance(error, OSError | MemoryError):
            return one_line(f"machine_failure: {type(error).__name__}: {error}")
        about = f"{self.name}: clip {clip.row['clip_id']} of {clip.row['source_uri']!r}"
        return self._faults.settle(error, clip.row["clip_id"], about)

    def _refuse_to_fail_always(self, error: Exception) -> None:
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= self._task.config.internal_errors_in_a_row:
            raise ValueError(
                f"{self.name} failed on {self._failed_in_a_row} clips in a row, at last with {type(error).__name__}: "
                f"{error}. Nothing of these units is settled; the tracebacks are in OUT/errors "
                "(--set internal_errors_in_a_row=N bears more)"
            ) from error

    def _fill(self, clips: Sequence[PendingClip]) -> None:
        rows = [clip.row for clip in clips]
        looks = self._measurement.see([clip.looks.get(self._measurement.sees) for clip in clips], rows)
        scored = zip(self._measurement.scores(looks, rows), rows, strict=True)
        columns = [self._measurement.filled(scores, row) for scores, row in scored]
        for clip, look, values in list(zip(clips, looks, columns, strict=True)):
            clip.row |= values
            clip.looks = self._other_looks(clip) | ({self._measurement.sees: look} if self._keeps_look else {})

    def _pass_over(self, clip: PendingClip) -> None:
        """Null; but where it was left out before it could be looked at, that is said again."""
        unseen = clip.left_out is not None and self._measurement.sees not in clip.looks
        clip.row |= (
            self._measurement.nothing(clip.left_out or "") if unseen else dict.fromkeys(self._measurement.columns)
        )
        clip.looks = self._other_looks(clip)

    def _leave_out(self, clips: Sequence[PendingClip], reason: str) -> None:
        for clip in clips:
            clip.row |= self._measurement.nothing(reason)
            clip.left_out = reason
            clip.looks = self._other_looks(clip)

    def _other_looks(self, clip: PendingClip) -> dict[str, Look]:
        return {name: look for name, look in clip.looks.items() if name != self._measurement.sees}
