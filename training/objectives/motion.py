"""The objective of a motion module: an image model stays as it is, and learns to move (after arXiv 2307.04725).

The run holds the module alone. Its loss is the image model's own, of videos in place of pictures.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from training.models.exports import Export, Layout
from training.models.motion import MotionConfig
from training.models.on_demand import TextSource
from training.models.weights import initialise
from training.objectives.dit_module import DitModule, built_dit
from training.objectives.tuned import AddedModule, AddedObjective
from training.run.config import TrainConfig
from training.run.module import Batch, Loss
from training.run.noise import SampleNoise


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionObjective(AddedObjective):
    """Noise, dropped texts and told first frames are as the image model was trained with."""

    motion: MotionConfig = field(default_factory=lambda: MotionConfig(kind="temporal"))
    """Of which form the modules are."""

    def __post_init__(self) -> None:
        if self.motion.kind == "none":
            raise ValueError("motion.kind is 'none': there is nothing to train")

    def texts_of(self, *, seed: int) -> TextSource | None:
        """As the image model, of its run's seed."""
        base = self.base_config()
        return base.objective.texts_of(seed=base.trainer.seed)

    def build(self, config: TrainConfig) -> MotionModule:
        """The image model, on the meta device, with motion modules; `first_weights` has it as it was trained.

        Raises:
            ValueError: there is none, or it has motion modules of its own, or no place for any.
        """
        base = self.base_config()
        image = built_dit(base).objective
        model = image.model
        if getattr(model, "motion", None) != MotionConfig():
            raise ValueError(f"objective.base={self.base} is a {type(model).__name__} that takes no motion modules")
        moving = replace(image, model=replace(model, motion=self.motion))  # type: ignore[type-var]
        return MotionModule(self, built_dit(replace(base, objective=moving)), seed=config.trainer.seed)


class MotionModule(AddedModule):
    """The image model's own loss, of which the motion modules alone learn."""

    def __init__(self, objective: MotionObjective, base: DitModule, *, seed: int = 0) -> None:
        super().__init__(objective, base, seed=seed)
        for name, weight in base.model.named_parameters():
            weight.requires_grad_(_is_motion(name))

    def added(self, network: str) -> Collection[str]:
        """Those of the motion modules."""
        return {name for name in self.networks[network].state_dict() if _is_motion(name)}

    def begin(self, network: str) -> None:
        """From the run's seed; those that are added last are zero."""
        initialise(self.base.model.dit, self.seed)

    def loss(self, network: str, batch: Batch, noise: SampleNoise, step: int) -> Loss:
        """See `DitModule.loss`."""
        return self.base.loss(network, batch, noise, step)

    def evaluate(self, batch: Batch, noise: SampleNoise) -> Mapping[str, tuple[float, float]]:
        """See `DitModule.evaluate`."""
        return self.base.evaluate(batch, noise)

    def exported(self, layout: Layout, *, merged: bool) -> Export:
        """The motion modules; or `merged`, the image model with them, which `objective.start` takes.

        Raises:
            ValueError: the layout has no place for them.
        """
        if merged:
            return self.base.exported(layout, merged=False)
        if layout != "safetensors":
            raise ValueError(f"layout {layout} has no place for motion modules: safetensors has")
        own = self.base.model.state_dict()
        return Export(tensors={name: value for name, value in own.items() if _is_motion(name)})


def _is_motion(name: str) -> bool:
    return ".motion." in name
