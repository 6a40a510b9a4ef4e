"""What `export` tells: first what will be taken and left out, at the end how its trainer is started."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from pipelines.export.content import TRAIN, VALIDATION, Export
from pipelines.export.order import Order
from pipelines.export.planning import Plan, Wish
from pipelines.export.trainer import Trainer
from preprocess.kinds import PICTURE

WHY = {
    "picture": "pictures: {trainer} has no place for them beside clips {heard}",
    "too_short": "shorter than {frames} frames at {fps} a second ({seconds:.2f} s)",
    "no_sound": "without sound, which the model learns (--no-sound keeps them)",
    "too_small": "smaller than one multiple of the model's sides",
    "no_caption": "without a caption of that kind (--uncaptioned keeps them)",
    "not_cut": "could not be made into files; the lines above say why",
}


def before(plan: Plan, wish: Wish, order: Order) -> Iterator[str]:
    """Lines on what will be written."""
    model, frames = order.model, order.frames
    if model is not None and order.size is not None:
        heard = "with sound" if order.sound else "without sound"
        width, height = order.size
        yield f"{model.name}: {frames} frames at {model.fps:g} a second, up to {width}x{height} pixels, {heard}"
    sources = {str(each.row["source_id"]) for each in plan.chosen}
    away = sum(each.split == VALIDATION for each in plan.chosen)
    held_out = f", {away:,} of them held out" if wish.held_out else ""
    what = _counted(each.row.get("kind") == PICTURE for each in plan.chosen)
    yield f"{what} of {_many(len(sources), 'source')} will be written{held_out}"
    if wish.held_out and not away:
        yield f"of {_many(len(sources), 'source')}, none is among the {wish.held_out:.1%} that chance holds out"
    small = sum(int(each.row["width"]) * int(each.row["height"]) < area(order) for each in plan.chosen)
    if small:
        yield f"{_many(small, 'clip')} of fewer pixels will stay so; trainers enlarge them"
    yield from left_out(plan.left_out, order)
    for count, kept in plan.ladder():
        fits = model is None or model.max_frames is None or count <= model.max_frames
        if fits and (frames is None or count < frames):
            yield f"  --frames {count} would keep {kept:,} of those that are too short"


def area(order: Order) -> int:
    """Pixels of a frame that are asked for."""
    return 0 if order.size is None else order.size[0] * order.size[1]


def left_out(counts: Mapping[str, int], order: Order) -> Iterator[str]:
    """A line a reason."""
    fps = 1.0 if order.model is None else order.model.fps
    frames = (order.frames or 0) + order.spare
    for reason, count in counts.items():
        heard = "that are to have sound" if order.needs_sound else "of videos"
        why = WHY[reason].format(
            frames=frames, fps=f"{fps:g}", seconds=frames / fps, trainer=order.trainer.name, heard=heard
        )
        yield f"left out: {count:,} {why}"


def after(export: Export, trainer: Trainer) -> Iterator[str]:
    """Lines on what is there, and on how the trainer is started."""
    splits = (TRAIN, VALIDATION) if export.held_out else (TRAIN,)
    counts = ", ".join(f"{sum(1 for _ in export.of(split)):,} in {split}" for split in splits)
    yield f"{_counted(item.is_picture for item in export.items)}: {counts}"
    lines = trainer.commands(export)
    if lines:
        yield f"\nto start {trainer.name}, in its folder ({export.place('train.sh')} has the same lines):\n"
        yield from lines


def _counted(are_pictures: Iterable[bool]) -> str:
    """How many clips and pictures."""
    counts = Counter(are_pictures)
    if not counts[True]:
        return _many(counts[False], "clip")
    pictures = _many(counts[True], "picture")
    return f"{_many(counts[False], 'clip')} and {pictures}" if counts[False] else pictures


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"
