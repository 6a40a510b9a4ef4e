"""What is set of the video transformer's training; `dit` makes a run of it, and `dit_module` has the loss."""

from __future__ import annotations

from dataclasses import dataclass, field

from preprocess.io.bounds import at_least, check, within
from preprocess.io.settings import OPERATIONAL
from training.models.conditions import ConditionLayout
from training.models.text import TextConfig
from training.models.transformer import TransformerConfig
from training.objectives.control import ControlConfig
from training.objectives.diffusion import Diffusion
from training.objectives.flow import Levels, check_shift
from training.objectives.masks import MaskConfig
from training.run.config import LOCATION, WEIGHTS, Objective


@dataclass(frozen=True, slots=True, kw_only=True)
class DitSettings(Objective):
    """One model for images (videos of one frame) and videos, from text and, in a share of the steps, a first frame."""

    vae: str = field(metadata=LOCATION)
    """Folder of the run that trained the autoencoder, or one of diffusers' `AutoencoderKLMagvit`; "" takes the `vae`
    of the pipeline that `start` names."""
    model: TransformerConfig
    text: TextConfig
    latent_scale: float | None = None
    """What latents are multiplied by, to have unit variance as the noise has; None: measured at the start."""
    text_dropout: float = field(default=0.1, metadata=within("[0, 1]"))
    """Share of samples that are shown without text, so that guidance has something to lead away from."""
    first_frame_share: float = field(default=0.2, metadata=within("[0, 1]"))
    """Share of videos of which the first frame is told."""
    masks: MaskConfig = field(default_factory=MaskConfig)
    """Of what else is told: other frames, and parts of frames."""
    told: tuple[str, ...] = ()
    """Parts of the condition, in the order of their channels: `known`, `control`, `reference`, `rays`; none: those of
    EasyAnimate's model with as many channels."""
    control: ControlConfig = field(default_factory=ControlConfig)
    """How often training shows control videos, reference pictures and cameras."""
    shift: float = 1.0
    """Of the noise levels; see `flow.shifted`."""
    levels: Levels = field(default_factory=Levels)
    diffusion: Diffusion = field(default_factory=Diffusion)
    """What is predicted; where that is not the velocity, `shift` and `levels` are not looked at."""
    decode_tile: int | None = field(default=None, metadata=OPERATIONAL | at_least(1))
    """Side in pixels of the squares, overlapping by a quarter, in which larger pictures are decoded; None decodes them
    whole."""
    start: str = field(default="", metadata=WEIGHTS)
    """A transformer's run, a safetensors file, a released pipeline's folder (with a `transformer` and a `vae`) or a hub
    id to begin with; "" begins with new weights."""

    def __post_init__(self) -> None:
        check(self)
        check_shift(self.shift)
        if (told := self.first_frame_share + self.masks.share) > 1:
            raise ValueError(f"first_frame_share and masks.share are {told:g} together, must be at most 1")
        if self.masks.share and "known" not in self.layout.parts:
            raise ValueError(
                "masks.share is set, and the model has no channels for a condition of what is known (model.in_channels)"
            )

    @property
    def layout(self) -> ConditionLayout:
        """The condition's channels.

        Raises:
            ValueError: `told` and the model's channels do not go together.
        """
        model = self.model
        return ConditionLayout.of(self.told, latent_channels=model.latent_channels, channels=model.condition_channels)
