"""The steps that run models over clips that were decoded elsewhere: each its own pool of workers where there is a GPU.

Every stage takes the clips of several items at once, leaves alone those that a rule has already spoken against, and
keeps each model in its worker from the first item to the last.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence

import numpy as np

from captioners.base import COLUMNS, Caption, Captioner, ClipToDescribe
from cluster.stage import Stage
from filters.base import BatchScorer, Embedded, EmbeddingScorer
from filters.towers.tower import LoadedTower, Tower
from pipelines.clips.attempts import KILLER, Attempts
from pipelines.clips.decisions import BATCHED, CAPTIONED, EMBEDDED, step_of
from pipelines.clips.pending import Pending, PendingClip, checked
from pipelines.clips.task import Task
from preprocess.manifest import Row

ITEMS_FOR_GPU = 4
"""Units of work handed to a GPU at a time: some hundred clips, several full batches."""


def model_stages(task: Task, attempts: Attempts) -> list[Stage]:
    """The stages between decoding and writing that a task needs, in the order of the steps."""
    stages: list[Stage] = [
        BatchStage(task, attempts, scorer) for scorer in task.measurements if isinstance(scorer, BatchScorer)
    ]
    late: list[Stage] = []
    for tower in task.config.towers:
        scorers = [s for s in task.measurements if isinstance(s, EmbeddingScorer) and s.tower == tower.name]
        early, waiting = ([s for s in scorers if step_of(s) == step] for step in (EMBEDDED, CAPTIONED))
        if scorers:
            stages.append(EmbedStage(task, attempts, tower, early, keep=bool(waiting)))
        if waiting:
            late.append(AlignStage(task, attempts, tower, waiting))
    describing = [] if task.captioner is None else [CaptionStage(task, attempts, task.captioner)]
    return [*stages, *describing, *late]


class ModelStage(Stage):
    """Runs over clips, whichever items they came with. A clip that kills its worker again and again is left out."""

    batch_items = ITEMS_FOR_GPU

    def __init__(self, task: Task, attempts: Attempts) -> None:
        self._task = task
        self._attempts = attempts

    def process(self, items: Sequence[Pending]) -> Iterable[Pending]:
        """Fill the columns of all items' clips together."""
        clips = [clip for item in items for clip in item.clips]
        if not clips:
            return items
        self._attempts.run(
            clips,
            name=lambda clips: f"{self.name} {' '.join(clip.row['clip_id'] for clip in clips)}",
            pieces=lambda clips: [[clip] for clip in clips],
            do=self.fill,
            give_up=self._leave_out,
        )
        return items

    @abstractmethod
    def fill(self, clips: Sequence[PendingClip]) -> None:
        """Fill the columns of clips in place."""

    @abstractmethod
    def nothing(self, reason: str) -> Row:
        """The columns of a clip that cannot be looked at."""

    def _leave_out(self, clips: Sequence[PendingClip]) -> None:
        for clip in clips:
            clip.row |= self.nothing(KILLER)
            clip.left_out = KILLER


class BatchStage(ModelStage):
    """Run one batch scorer."""

    def __init__(self, task: Task, attempts: Attempts, scorer: BatchScorer) -> None:
        super().__init__(task, attempts)
        self.name = scorer.name
        self.gpus = scorer.gpus
        self._scorer = scorer

    def setup(self) -> None:
        """Load the model."""
        self._scorer.setup()

    def fill(self, clips: Sequence[PendingClip]) -> None:
        """Score them in batches."""
        name = self._scorer.name
        frames = [(clip, clip.batch_frames.pop(name, None)) for clip in clips]
        asked = [(clip, its) for clip, its in frames if its is not None and self._task.passes(clip.row, BATCHED)]
        scores = self._scorer.score([its for _, its in asked]) if asked else []
        for (clip, _), its in zip(asked, scores, strict=True):
            clip.row |= checked(self._scorer, its)

    def nothing(self, reason: str) -> Row:
        """Null in the scorer's columns."""
        return dict.fromkeys(self._scorer.columns)

    def close(self) -> None:
        """Release the model."""
        self._scorer.close()


class TowerStage(ModelStage):
    """Holds a tower and the scorers that read it."""

    def __init__(
        self, task: Task, attempts: Attempts, tower: Tower, scorers: Sequence[EmbeddingScorer], *, does: str
    ) -> None:
        super().__init__(task, attempts)
        self.name = f"{does} {tower.name}"
        self.gpus = tower.gpus
        self._tower = tower
        self._scorers = tuple(scorers)
        self._loaded: LoadedTower | None = None

    def setup(self) -> None:
        """Load the tower and the scorers' heads."""
        self._loaded = self._tower.load()
        for scorer in self._scorers:
            scorer.setup()

    def score(self, clip: PendingClip, embedded: Embedded) -> None:
        """Fill the scorers' columns."""
        for scorer in self._scorers:
            clip.row |= checked(scorer, scorer.score(embedded))

    def nothing(self, reason: str) -> Row:
        """Null in the scorers' columns."""
        return {column: None for scorer in self._scorers for column in scorer.columns}

    def close(self) -> None:
        """Release the tower and the heads."""
        self._loaded = None
        for scorer in self._scorers:
            scorer.close()


class EmbedStage(TowerStage):
    """One forward pass of a tower over the frames of clips, for all scorers that read it."""

    def __init__(
        self, task: Task, attempts: Attempts, tower: Tower, scorers: Sequence[EmbeddingScorer], *, keep: bool
    ) -> None:
        super().__init__(task, attempts, tower, scorers, does="embed")
        self._keep = keep

    def fill(self, clips: Sequence[PendingClip]) -> None:
        """Embed all frames, then score clip by clip."""
        assert self._loaded is not None
        frames = [(clip, clip.tower_frames.pop(self._tower.name, None)) for clip in clips]
        asked = [(clip, its) for clip, its in frames if its is not None and self._task.passes(clip.row, EMBEDDED)]
        if not asked:
            return
        pixels = [its for _, (its, _) in asked]
        ends = np.cumsum([len(its) for its in pixels])
        vectors = np.split(self._loaded.embed_images(np.concatenate(pixels)), ends[:-1])
        for (clip, (_, uniform)), its in zip(asked, vectors, strict=True):
            embedded = Embedded(frames=its, uniform=uniform)
            self.score(clip, embedded)
            if self._keep:
                clip.embedded[self._tower.name] = embedded


class CaptionStage(ModelStage):
    """Have the clips that are to be kept described."""

    cpus = 0.0  # the row alone costs nothing, a server costs others; a model on the CPU books below

    def __init__(self, task: Task, attempts: Attempts, captioner: Captioner) -> None:
        super().__init__(task, attempts)
        self.name = f"caption {captioner.name}"
        self.gpus = captioner.gpus
        self.apart = captioner.waits
        self.cpus = 1.0 if captioner.gpus else 0.0  # a server's work is not ours
        self._captioner = captioner

    def setup(self) -> None:
        """Load the model or open the connection."""
        self._captioner.setup()

    def fill(self, clips: Sequence[PendingClip]) -> None:
        """Describe those that no rule speaks against."""
        asked = []
        for clip in clips:
            seen = bool(clip.caption_frames) or not self._captioner.needs_frames
            if clip.left_out is not None and not seen:
                clip.row |= self.nothing(clip.left_out)
            elif seen and self._task.passes(clip.row, CAPTIONED):
                asked.append(clip)
            else:
                clip.row |= dict.fromkeys(COLUMNS)
        requests = [ClipToDescribe(row=clip.row, frames=clip.caption_frames) for clip in asked]
        for clip, columns in zip(asked, self._captioner.described(requests), strict=True):
            clip.row |= columns
        for clip in clips:
            clip.caption_frames = ()

    def nothing(self, reason: str) -> Row:
        """An error, which the next `caption` asks for again."""
        return self._captioner.columns(Caption(text=None, outcome="error", detail=reason), {})

    def close(self) -> None:
        """Release the model or the connection."""
        self._captioner.close()


class AlignStage(TowerStage):
    """Embed the captions with the same tower that saw the frames, and compare."""

    def __init__(self, task: Task, attempts: Attempts, tower: Tower, scorers: Sequence[EmbeddingScorer]) -> None:
        super().__init__(task, attempts, tower, scorers, does="align")

    def fill(self, clips: Sequence[PendingClip]) -> None:
        """Embed the captions, then score clip by clip."""
        assert self._loaded is not None
        asked = [(clip, its) for clip in clips if (its := clip.embedded.pop(self._tower.name, None)) is not None]
        captions = [clip.row["caption"] for clip, _ in asked]
        texts = iter(self._loaded.embed_texts([caption for caption in captions if caption is not None]))
        for (clip, seen), caption in zip(asked, captions, strict=True):
            said = None if caption is None else next(texts)
            embedded = Embedded(frames=seen.frames, uniform=seen.uniform, caption=said)
            self.score(clip, embedded)
