"""What decides an epoch's plan besides the clips themselves."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass, field

from preprocess.io.bounds import at_least, check, within
from training.data.plan.bounds import bounds_of
from training.models.grid import TokenGrid

STILL_FRAMES = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerConfig:
    """Which shapes there are and how often clips are shown. The default is EasyAnimate's setting: 49 frames of 1024 x
    1024 fill the budget (arXiv 2405.18991, section 4.2)."""

    budget_tokens: int = 53_248
    """Tokens of a rank in a step, filled by as many samples as it takes."""
    fps: float = 8.0
    """Frames a second of a training sample."""
    min_frames: int = 9
    """Of the shortest video; what is shorter is shown as a picture."""
    max_frames: int = 49
    """Frames of a video; every 4n+1 between them is used (with a VAE of temporal stride 4)."""
    min_side: int = 256
    """See `max_side`."""
    max_side: int = 1024
    """The side, in pixels, of the square with the area of the smallest and largest shapes."""
    sides: int = 7
    """How many areas there are from the smallest to the largest, in equal ratios."""
    max_upscale: float = 1.05
    """How much larger than its source a sample may be, along a side."""
    max_aspect_change: float = 0.09
    """Difference of log aspects; 0.09 crops 9 % of a picture away."""
    max_residue_aspect_change: float = 0.36
    """The same for the last clips of an epoch, which are less than a step: rather cropped than not shown."""
    image_weight: float = field(default=1.0, metadata=at_least(0))
    """How often pictures are shown, by the same measure as `source_weights`."""
    video_weight: float = field(default=1.0, metadata=at_least(0))
    """How often videos are."""
    source_weights: str = ""
    """Such as `*/films/*=2, */stock/*=0.5`: a weight for clips whose source_uri matches, 1 for others; the first match
    counts. A clip of the largest weight is shown in every epoch, one of half that weight in every second."""
    bounds: str = ""
    """Such as `motion>=0.5, text_area<=0.02, short_side>=512`: bounds on the manifest's columns that clips have to hold
    to; what was not measured counts for pictures alone. "": all kept clips."""
    still_share: float = field(default=0.0, metadata=within("[0, 1]"))
    """Share of videos that an epoch shows as one frame, each time others."""
    distinct_epochs: int = field(default=0, metadata=at_least(0))
    """After how many epochs the same samples come again, in another order of steps, so that a cache of so many serves
    all; 0: never. Weights go on choosing clips anew."""
    short_caption_share: float = field(default=0.1, metadata=within("[0, 1]"))
    """How often the short caption is shown to clips that have both."""

    def __post_init__(self) -> None:
        if not 1 <= self.min_frames <= self.max_frames or not 1 <= self.min_side <= self.max_side:
            raise ValueError(
                f"frames {self.min_frames}-{self.max_frames}, sides {self.min_side}-{self.max_side}: an empty range"
            )
        if self.sides < 1 or self.fps <= 0 or self.max_upscale < 1:
            raise ValueError(
                f"sides {self.sides}, fps {self.fps}, max_upscale {self.max_upscale}: "
                "must be at least 1, above 0, and at least 1"
            )
        for name, value in dataclasses.asdict(self).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name} is {value}, must be a number")
        check(self)
        self.weights_by_pattern()
        bounds_of(self.bounds)

    def on(self, grid: TokenGrid) -> GridSampler:
        """The same settings for a model.

        Raises:
            ValueError: samples of these frames and sides have no tokens of it.
        """
        settings = {field.name: getattr(self, field.name) for field in dataclasses.fields(SamplerConfig)}
        return GridSampler(**settings, grid=grid)

    def drawn_epoch(self, epoch: int) -> int:
        """The epoch by whose chances an epoch's samples are made."""
        return epoch % self.distinct_epochs if self.distinct_epochs else epoch

    def side_ladder(self) -> list[float]:
        """The nominal sides, in pixels."""
        if self.sides == 1 or self.min_side == self.max_side:
            return [float(self.max_side)]
        ratio = math.log(self.max_side / self.min_side) / (self.sides - 1)
        return [self.min_side * math.exp(ratio * index) for index in range(self.sides)]

    def weights_by_pattern(self) -> list[tuple[str, float]]:
        """`source_weights`, read.

        Raises:
            ValueError: it is not a list of pattern=weight.
        """
        pairs = []
        for part in filter(None, (part.strip() for part in self.source_weights.split(","))):
            pattern, _, weight = part.rpartition("=")
            try:
                pairs.append((pattern.strip(), float(weight)))
            except ValueError:
                raise ValueError(f"source_weights: {part!r} is not pattern=weight") from None
            if not pattern or pairs[-1][1] < 0 or not math.isfinite(pairs[-1][1]):
                raise ValueError(f"source_weights: {part!r} is not pattern=weight")
        return pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSampler(SamplerConfig):
    """All that an epoch's plan depends on besides the clips: the settings and the grid of the model that is trained."""

    grid: TokenGrid

    def __post_init__(self) -> None:
        SamplerConfig.__post_init__(self)  # slots make a new class, of which super() without arguments does not know
        stride = self.grid.temporal_stride
        for name, frames in (("min_frames", self.min_frames), ("max_frames", self.max_frames)):
            if (frames - 1) % stride:
                raise ValueError(f"{name} is {frames}, must be {stride}n+1")
        if self.min_side < self.grid.cell:
            raise ValueError(f"min_side is {self.min_side}, must be at least {self.grid.cell}, a token's pixels")

    @property
    def fingerprint(self) -> str:
        """12 hex digits that change whenever a setting or the grid does."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

    @property
    def fewest_frames(self) -> int:
        """Of a video; what has less is shown as an image."""
        return max(self.min_frames, self.grid.frames(2))

    def latent_frame_counts(self) -> list[int]:
        """Latent frames of the shapes: 1 for images, then those of videos."""
        first, last = self.grid.latent_frames(self.min_frames), self.grid.latent_frames(self.max_frames)
        return [1, *(count for count in range(first, last + 1) if count > 1)]
