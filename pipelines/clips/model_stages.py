"""The steps that run models over clips that were decoded elsewhere: each its own pool of workers where there is a GPU.

A stage takes the clips of several items at once, leaves alone those that a rule has already spoken against, and keeps
its model in its worker from the first item to the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cluster.stage import Stage
from pipelines.clips.attempts import KILLER, Attempts
from pipelines.clips.pending import Pending, PendingClip
from pipelines.clips.task import Task
from preprocess.measurement import Look, Measurement


def model_stages(task: Task, attempts: Attempts) -> list[Stage]:
    """The stages between decoding and writing that a task needs, in the order of the steps."""
    seen = [model.sees for model in task.models]
    return [
        ModelStage(model, task, attempts, keeps_look=model.sees in seen[number + 1 :])
        for number, model in enumerate(task.models)
    ]


class ModelStage(Stage):
    """Runs one measurement over clips, whichever items they came with.

    A clip that kills its worker again and again is left out.
    """

    def __init__(self, measurement: Measurement, task: Task, attempts: Attempts, *, keeps_look: bool) -> None:
        self.name = measurement.name
        self.cpus, self.gpus = measurement.cpus, measurement.gpus
        self.apart = measurement.waits
        self.batch_items = measurement.units_at_a_time
        self._measurement = measurement
        self._task = task
        self._attempts = attempts
        self._keeps_look = keeps_look

    def setup(self) -> None:
        """Load the model or open the connection."""
        self._measurement.setup()

    def process(self, items: Sequence[Pending]) -> Iterable[Pending]:
        """Fill the columns of all items' clips together."""
        clips = [clip for item in items for clip in item.clips]
        asked: list[PendingClip] = []
        for clip in clips:
            if self._is_asked(clip):
                asked.append(clip)
            else:
                self._pass_over(clip)
        if asked:
            self._attempts.run(
                asked,
                name=lambda clips: f"{self.name} {' '.join(clip.row['clip_id'] for clip in clips)}",
                pieces=lambda clips: [[clip] for clip in clips],
                do=self._fill,
                give_up=self._leave_out,
            )
        return items

    def close(self) -> None:
        """Release the model or the connection."""
        self._measurement.close()

    def _is_asked(self, clip: PendingClip) -> bool:
        can_see = self._measurement.sees in clip.looks or not self._measurement.needs_frames
        return can_see and self._task.passes(clip.row, self._measurement.step)

    def _fill(self, clips: Sequence[PendingClip]) -> None:
        rows = [clip.row for clip in clips]
        looks = self._measurement.see([clip.looks.get(self._measurement.sees) for clip in clips], rows)
        for clip, look, scores in zip(clips, looks, self._measurement.scores(looks, rows), strict=True):
            clip.row |= self._measurement.filled(scores)
            clip.looks = self._other_looks(clip) | ({self._measurement.sees: look} if self._keeps_look else {})

    def _pass_over(self, clip: PendingClip) -> None:
        """Null; but where it was left out before it could be looked at, that is said again."""
        unseen = clip.left_out is not None and self._measurement.sees not in clip.looks
        clip.row |= (
            self._measurement.nothing(clip.left_out or "") if unseen else dict.fromkeys(self._measurement.columns)
        )
        clip.looks = self._other_looks(clip)

    def _leave_out(self, clips: Sequence[PendingClip]) -> None:
        for clip in clips:
            clip.row |= self._measurement.nothing(KILLER)
            clip.left_out = KILLER
            clip.looks = self._other_looks(clip)

    def _other_looks(self, clip: PendingClip) -> dict[str, Look]:
        return {name: look for name, look in clip.looks.items() if name != self._measurement.sees}
