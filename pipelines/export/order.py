"""Of which kind an export is: for whom, for which model, and what the files of its clips are like."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.export.model import Model, Size
from pipelines.export.profiles import model_for, trainer_named
from pipelines.export.trainer import Trainer
from preprocess.cutting.format import CutFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What decides on the files; captions, repeats and what is held out may change from one run to the next."""

    trainer: Trainer
    model: Model | None
    frames: int | None
    """That are trained on."""
    size: Size | None
    sound: bool
    """Whether the files have the clips' sound."""

    @property
    def needs_sound(self) -> bool:
        """Whether a clip without sound is of no use."""
        return self.sound and self.model is not None

    @property
    def takes_pictures(self) -> bool:
        """Whether the trainer learns pictures beside clips; where it learns sound, a picture lacks it."""
        return self.trainer.pictures(None if self.model is None else self.model.name) and not self.needs_sound

    @property
    def cut(self) -> CutFormat:
        """Of the files: for no model, clips as they are."""
        if self.model is None or self.frames is None or self.size is None:
            return CutFormat(sound=self.sound)
        return self.model.format(frames=self.frames + self.spare, size=self.size, sound=self.sound)

    @property
    def spare(self) -> int:
        """Frames that a file has beyond those that are trained on."""
        return self.model.frame_step if self.model is not None and self.trainer.spare else 0

    @property
    def facts(self) -> Mapping[str, object]:
        """As DEST/export.json has it."""
        return {
            "trainer": self.trainer.name,
            "model": self.model and self.model.name,
            "frames": self.frames,
            "size": self.size and "{}x{}".format(*self.size),
            "sound": self.sound,
        }


def order(
    trainer: str, *, model: str | None = None, frames: int | None = None, size: str | None = None, sound: bool = True
) -> Order:
    """The kind that names and numbers of a command line mean; what is not said is the model's usual.

    Raises:
        ValueError: there is no such trainer or model, or the model takes no such frames or size.
    """
    who = trainer_named(trainer)
    base = model_for(who, model)
    if base is None:
        if frames is not None or size is not None:
            raise ValueError(f"{who.name} takes clips as they are, unless --model names one: say which with it")
        return Order(trainer=who, model=None, frames=None, size=None, sound=sound)
    wanted = base.sizes[0] if size is None else _size(size)
    base.check_size(wanted)
    base.check_frames(frames or base.frames)
    heard = sound and base.sound and who.learns_sound
    return Order(trainer=who, model=base, frames=frames or base.frames, size=wanted, sound=heard)


def _size(text: str) -> Size:
    """`832x480`, as a landscape."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if match is None:
        raise ValueError(f"size {text!r}, must be such as 832x480")
    sides = sorted(map(int, match.groups()), reverse=True)
    return sides[0], sides[1]
