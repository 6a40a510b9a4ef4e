"""Makes a run's samples while it trains; nothing of the training is changed by it.

Noise is drawn by seed and prompt, as `python -m training sample` draws it, and never from a global generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training.film import Frames, Picture, read_picture, write_film, write_picture, write_preview
from training.inference.given import Given, fitted
from training.models.generator import VideoGenerator
from training.models.grid import Shape
from training.objectives.generate import GenerateConfig
from training.run.config import TrainConfig
from training.run.distributed import World
from training.run.module import TrainModule
from training.run.samples import Sample, place
from training.sample import videos


class RunSamples:
    """Called after a step by all ranks together, it makes and writes this rank's share of the prompts' videos."""

    def __init__(self, config: TrainConfig, module: TrainModule, world: World) -> None:
        generator = module.generator()
        if generator is None:
            raise ValueError(
                f"trainer.sample_every is {config.trainer.sample_every}, but recipe {config.name} trains nothing that "
                "makes videos"
            )
        self._generator: VideoGenerator = generator
        self._config = config
        self._world = world
        prompts = config.samples
        self._shape, self._fps = _size(config, generator)
        self._sampling = GenerateConfig(num_steps=prompts.num_steps, guidance=prompts.guidance)
        images = prompts.images or ("",) * len(prompts.prompts)
        self._firsts: list[Picture | None] = [
            fitted(read_picture(Path(image)), self._shape) if image else None for image in images
        ]

    def __call__(self, step: int) -> Sequence[Sample]:
        """Those of this rank. The networks are in evaluation mode and averaged by then."""
        together, count = self._config.trainer.sequence_ranks, len(self._firsts)
        size, rank = self._world.size // together, self._world.rank // together
        made = []
        with self._generator.borrowing():
            for start in range(0, count, size):
                # Of weights in shards every rank must take part: one without a prompt of its own makes the last.
                index = min(start + rank, count - 1)
                film = self._film(index)
                if start + rank < count and self._world.rank % together == 0:
                    made.append(self._written(step, index, film))
        return made

    def _film(self, index: int) -> Frames:
        prompts = self._config.samples
        [film] = videos(
            self._generator,
            [prompts.prompts[index]],
            self._shape,
            self._sampling,
            seed=prompts.seed,
            given=Given(first=self._firsts[index]),
            precision=self._config.trainer.precision,
        )
        return film

    def _written(self, step: int, index: int, film: Frames) -> Sample:
        prompts = self._config.samples
        path = place(self._config.out, step=step, index=index, seed=prompts.seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        preview = path.with_name(f"{path.name}.webp")
        write_preview(preview, film, fps=self._fps)
        if len(film) == 1:
            path = path.with_name(f"{path.name}.png")
            write_picture(path, film[0])
        else:
            path = path.with_name(f"{path.name}.mp4")
            write_film(path, film, fps=self._fps)
        return Sample(
            step=step,
            index=index,
            seed=prompts.seed,
            prompt=prompts.prompts[index],
            image=prompts.images[index] if prompts.images else "",
            film=path,
            preview=preview,
        )


def run_samples(config: TrainConfig, module: TrainModule, world: World) -> RunSamples | None:
    """None where the recipe asks for no samples.

    Raises:
        ValueError: what is trained makes no videos, or none of that shape; or an image is no picture.
        OSError: an image cannot be opened.
    """
    return None if config.trainer.sample_every is None else RunSamples(config, module, world)


def _size(config: TrainConfig, generator: VideoGenerator) -> tuple[Shape, float]:
    prompts = config.samples
    shape, fps = None if prompts.shape is None else Shape(*prompts.shape), prompts.fps
    if shape is None or fps is None:
        largest, trained_fps = config.data.largest_sample(generator.grid)
        shape, fps = shape or largest, fps or trained_fps
    generator.grid.tokens(shape)  # or the refusal would come after the first steps
    return shape, fps
