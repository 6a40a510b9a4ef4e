"""What is set of the training of other people's models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from preprocess.io.bounds import above, at_least, check, within
from training.families.family import Family
from training.families.folder import PipelineFolder
from training.run.config import WEIGHTS, Objective, Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedSettings(Objective):
    """Which pipeline, of which family, and how much of its transformer is trained."""

    model: str = field(metadata=WEIGHTS)
    """Folder of a pipeline as diffusers saves it, or its hub id."""
    family: Family
    method: Literal["lora", "full"] = "lora"
    """Whether a change of the transformer is trained, or all of it."""
    rank: int = field(default=32, metadata=at_least(1))
    """Of the change of each layer."""
    alpha: float = field(default=32.0, metadata=above(0))
    """The change is alpha / rank times the product of its two matrices."""
    targets: str = ""
    """Parts of the names of the layers that are changed, with commas between; "" for those of the family."""
    dropout: float = field(default=0.0, metadata=within("[0, 1)"))
    """Share of the values that enter a change and are left out, in training."""
    base_precision: Precision = "bf16"
    """Of frozen weights; what is trained is float32 in either."""
    text_dropout: float = field(default=0.1, metadata=within("[0, 1]"))
    """Share of samples that are shown without text, so that guidance has something to lead away from."""
    first_frame_share: float = field(default=0.0, metadata=within("[0, 1]"))
    """Share of videos of which the first frame is told, where the model can be told one."""
    start: str = field(default="", metadata=WEIGHTS)
    """A run, a file or a hub id to begin with: of a LoRA of the same rank, or of whole weights; "" is the pipeline."""

    def __post_init__(self) -> None:
        check(self)

    @property
    def folder(self) -> PipelineFolder:
        """Of the pipeline.

        Raises:
            ValueError: none is named, or it is of another family.
        """
        if not self.model:
            raise ValueError("no pretrained model is named: --set objective.model=FOLDER or OWNER/NAME")
        folder = PipelineFolder(self.model)
        self.family.check(folder)
        return folder

    def check_first_frames(self, folder: PipelineFolder) -> None:
        """See that first frames are told as often as the pipeline wants.

        Raises:
            ValueError: they are not.
        """
        family, share = self.family, self.first_frame_share
        if share and not family.tells_first_frames(folder):
            raise ValueError(f"objective.first_frame_share is {share}: {self.model} takes no first frame")
        if not share and family.sees_first_frames(folder):
            raise ValueError(
                f"objective.first_frame_share is 0, and {self.model} is for videos that go on from a first frame: "
                "--set objective.first_frame_share=1, or less for some without"
            )
        if share < 1 and family.needs_first_frames(folder):
            raise ValueError(
                f"objective.first_frame_share is {share}: {self.model} takes the first latent for that of a frame that "
                "is told, always: set it to 1"
            )
