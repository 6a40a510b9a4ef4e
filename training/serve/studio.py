"""The one function behind the page and the API: from what is asked to a film, by one model that stays loaded."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import get_args

from training.film import Frames
from training.inference.given import Given, GivenFiles
from training.inference.loras import lora_files, with_lora
from training.inference.making import How
from training.models.conditions import Part
from training.models.grid import Shape
from training.objectives.generate import GenerateConfig
from training.objectives.solvers import Scheduler
from training.run.checkpoint import latest, read_state
from training.run.config import Precision
from training.run.distributed import own_device
from training.run.runs import config_of, own_precision, trained_generator
from training.sample import MOST_TOKENS, videos
from training.serve.files import Files
from training.serve.messages import Ask, FileKind, Model, Size

_FILES: dict[Part, tuple[FileKind, ...]] = {
    "known": ("last_image", "mask"),
    "control": ("control",),
    "reference": ("reference",),
}
"""What a model takes that is told of these; of cameras there is nothing to pick."""


class Studio:
    """A run, ready to make videos."""

    def __init__(
        self,
        run: str,
        files: Files,
        *,
        precision: Precision | None = None,
        offload: bool = False,
        loras: Path | None = None,
    ) -> None:
        """Loads the model.

        Raises:
            ValueError: there is no such run, it makes no videos, or there is no folder of LoRA.
        """
        self._run, self._files = run, files
        self._loras_in = loras
        self._loras()
        config, device = config_of(run), own_device()
        self.shape, self.fps = config.data.largest_sample(config.objective.grid())
        self._precision = precision or own_precision(config, device)
        self._generator = trained_generator(run, device, precision=self._precision, offload=offload)
        checkpoint = latest(run)
        assert checkpoint is not None
        self._step = int(read_state(checkpoint)["step"])

    def model(self) -> Model:
        """What it makes; the LoRA that are there now."""
        usual, grid = GenerateConfig(), self._generator.grid
        takes: list[FileKind] = ["video", "image"] if self._generator.takes_first_frames else ["video"]
        takes += [name for part in self._generator.told_parts for name in _FILES.get(part, ()) if self._hears(part)]
        return Model(
            run=Path(self._run).resolve().name,
            step=self._step,
            size=Size(frames=self.shape.frames, height=self.shape.height, width=self.shape.width),
            fps=self.fps,
            frames_every=grid.temporal_stride,
            pixels_every=grid.cell,
            most_tokens=MOST_TOKENS,
            steps=usual.num_steps,
            guidance=usual.guidance,
            scheduler=usual.scheduler,
            schedulers=list(get_args(Scheduler)),
            takes=sorted(takes),
            loras=list(self._loras()),
        )

    def completed(self, ask: Ask) -> Ask:
        """With all that was left out, so that the same ask makes the same film.

        Raises:
            ValueError: something cannot be made, or is not there.
        """
        usual = GenerateConfig()
        whole = ask.model_copy(
            update={
                "frames": ask.frames or self.shape.frames,
                "height": ask.height or self.shape.height,
                "width": ask.width or self.shape.width,
                "seed": secrets.randbelow(2**31) if ask.seed is None else ask.seed,
                "steps": ask.steps or usual.num_steps,
                "guidance": usual.guidance if ask.guidance is None else ask.guidance,
                "scheduler": ask.scheduler or usual.scheduler,
            }
        )
        self._check(whole)
        return whole

    def make(self, ask: Ask, on_step: Callable[[int, int], None]) -> Frames:
        """The film (F, H, W, 3) of a completed ask; what `on_step` raises ends it.

        Raises:
            ValueError: the model takes no such thing, or a file is not what it should be.
        """
        shape, lora = _shape(ask), self._lora(ask)
        given = self._read(ask)
        with (
            _named({} if lora is None else {f"LoRA {ask.lora}": lora}),
            nullcontext() if lora is None else with_lora(self._generator, lora, ask.lora_strength),
        ):
            [film] = videos(
                self._generator,
                [ask.prompt],
                shape,
                _config(ask),
                seed=ask.seed or 0,
                given=given,
                precision=self._precision,
                how=How(on_step=on_step, keeps_known=ask.keep),
            )
        return film

    def _check(self, ask: Ask) -> None:
        if not ask.prompt.strip():
            raise ValueError("write a prompt: what should the video show?")
        shape, grid = _shape(ask), self._generator.grid
        every, cell = grid.temporal_stride, grid.cell
        if (shape.frames - 1) % every or shape.height % cell or shape.width % cell:
            width, height = (max(cell, _near(side, cell)) for side in (shape.width, shape.height))
            raise ValueError(
                f"{_told(shape.frames, shape.width, shape.height)} cannot be made: frames are {every}n + 1, width and "
                f"height multiples of {cell}. {_told(_near(shape.frames - 1, every) + 1, width, height)} can"
            )
        tokens = grid.tokens(shape)
        if tokens > MOST_TOKENS:
            raise ValueError(
                f"{_told(shape.frames, shape.width, shape.height)} are {tokens:,} tokens, and at most "
                f"{MOST_TOKENS:,} are made at once: ask for fewer frames or a smaller picture"
            )
        if shape.frames > 1 and (shape.width % 2 or shape.height % 2):
            raise ValueError(f"a film's width and height must be even, not {shape.width} x {shape.height}")
        takes = self.model().takes
        for name in get_args(FileKind):
            if getattr(ask, name) is not None and name not in takes:
                raise ValueError(f"this model takes no {name.replace('_', ' ')}; it takes {', '.join(takes)}")
        if ask.video is None and (ask.mask is not None or ask.strength < 1):
            raise ValueError("a mask and a strength are those of a video: upload one")
        if ask.keep and not (ask.image or ask.last_image or ask.mask):
            raise ValueError("there is nothing to keep: give an image, a last image, or a mask and its video")
        self._read(ask)
        self._lora(ask)
        _config(ask)

    def _read(self, ask: Ask) -> Given:
        paths = {name: self._files.path(getattr(ask, name)) for name in get_args(FileKind)}
        with _named({name.replace("_", " "): path for name, path in paths.items() if path is not None}):
            return GivenFiles(**paths, strength=ask.strength).read(_shape(ask), self.fps)

    def _lora(self, ask: Ask) -> Path | None:
        if ask.lora is None:
            return None
        loras = self._loras()
        if ask.lora not in loras:
            raise ValueError(f"there is no LoRA {ask.lora[:200]!r}; there are {', '.join(loras) or 'none'}")
        return loras[ask.lora]

    def _loras(self) -> dict[str, Path]:
        return {} if self._loras_in is None else lora_files(self._loras_in)

    def _hears(self, part: Part) -> bool:
        """Parts of a video are taken as first frames are: by a model that was shown some."""
        return part != "known" or self._generator.takes_first_frames


@contextmanager
def _named(files: Mapping[str, Path]) -> Iterator[None]:
    """Have what is wrong with a file said by what it is to who asked, not by where it lies here."""
    try:
        yield
    except ValueError as error:
        sentence = str(error)
        for name, path in files.items():
            sentence = sentence.replace(str(path), f"the {name}")
        raise ValueError(sentence) from error


def _near(number: int, every: int) -> int:
    return round(number / every) * every


def _told(frames: int, width: int, height: int) -> str:
    return f"{frames} frame{'s' * (frames != 1)} of {width} x {height} pixels"


def _shape(ask: Ask) -> Shape:
    assert ask.frames is not None
    assert ask.height is not None
    assert ask.width is not None
    return Shape(ask.frames, ask.height, ask.width)


def _config(ask: Ask) -> GenerateConfig:
    assert ask.steps is not None
    assert ask.guidance is not None
    assert ask.scheduler is not None
    return GenerateConfig(num_steps=ask.steps, guidance=ask.guidance, negative=ask.negative, scheduler=ask.scheduler)
