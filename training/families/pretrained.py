"""The objective of other people's models: a LoRA on one of diffusers' video transformers, or all of its weights.

`pretrained_settings` has what is set of it, `pretrained_module` what is computed in a step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from training.families.pretrained_module import PretrainedModule
from training.families.pretrained_settings import PretrainedSettings
from training.families.pretrained_video import latent_source, text_source
from training.models.grid import Shape, TokenGrid
from training.models.on_demand import LatentSource, TextSource
from training.run.config import TrainConfig
from training.run.module import Batch
from training.run.planned import Planned, from_caches


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedObjective(PretrainedSettings):
    """Which pipeline, of which family, and how much of its transformer is trained."""

    def grid(self) -> TokenGrid:
        """The pipeline's.

        Raises:
            ValueError: there is no such pipeline.
        """
        return self.family.grid(self.folder)

    def starts_from(self) -> str:
        """See `start`; all weights begin as the pipeline's."""
        if self.method == "lora" or self.start:
            return self.start
        return str(self.folder.path / self.family.part)

    def latents_of(self) -> LatentSource:
        """The pipeline's autoencoder."""
        return latent_source(self.family, self.folder)

    def texts_of(self, *, seed: int) -> TextSource | None:
        """The pipeline's text encoders; None where captions are read along with the first frame."""
        folder = self.folder
        return None if self.family.reads_first_frames(folder) else text_source(self.family, folder)

    def planned(self, config: TrainConfig) -> Planned:
        """Trained from caches."""
        module = self.build(config)
        text_dim = self.family.text_width(module.transformer)
        planned = from_caches(module, module.video, text_dim=text_dim, heads=1)

        def batch(shape: Shape, count: int) -> Batch:
            made = planned.batch(shape, count)
            return replace(made, video=module.video.with_nothing_seen(made.video))

        return replace(planned, batch=batch)

    def build(self, config: TrainConfig) -> PretrainedModule:
        """The transformer, on the meta device; `first_weights` reads it from the pipeline's folder."""
        return PretrainedModule(self, seed=config.trainer.seed)
