"""Samples: the frames of a clip that a plan asks for, in the size it asks for.

What a sample shows depends on the clip, the seed and the epoch alone, so it is the same with any number of workers. A
clip that cannot be read is reported with its reason, and another of the same shape is shown, the same one each time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from preprocess.clip import Clip
from preprocess.errors import MediaError
from preprocess.io.bounds import at_least, check
from preprocess.io.settings import OPERATIONAL
from preprocess.io.storage import is_remote
from preprocess.records import shapes_repr
from training.data.plan.config import SamplerConfig
from training.data.plan.hashing import shuffled
from training.data.plan.plan import RankStep
from training.data.plan.table import ClipTable
from training.data.read.beside import Cameras, Clock, beside, cameras_of, control_clip, moment
from training.data.read.crop import Box, cropped
from training.data.read.frames import BackendName, clip_frames
from training.data.read.frames_pyav import Rgb
from training.data.read.placement import PlacedClip, Placement, Request, caption_of, placed_clip, requests, similar_rows
from training.models.grid import Shape
from training.run.module import Batch, Beside

Frames = npt.NDArray[np.uint8]
"""(F, H, W, 3) RGB."""
BadClip = tuple[str, str]
"""clip_id, and why it could not be read."""

_MIDDLE = (0.5, 0.5, 0.5)


class UnreadableError(ValueError):
    """Clip after clip cannot be read: the videos are gone, or their storage is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetConfig:
    """How clips are read."""

    backend: BackendName = field(default="pyav", metadata=OPERATIONAL)
    """Both give the same frames. decord is for files of one clip each: it reads a whole file's index."""
    place: Literal["random", "middle"] = "random"
    """Where in time and in the picture a sample is taken: anew each epoch, or always the middle."""
    max_stride: int = field(default=1, metadata=at_least(1))
    """Frames of videos lie 1 to so many times as far apart as the sampler has them, by chance and as far as the clip is
    long enough: an autoencoder is to know slow films and quick ones. Always 1 in the middle."""
    max_substitutes: int = field(default=8, metadata=at_least(0))
    """How many other clips are tried in place of one that cannot be read, before the run stops."""
    control: str = ""
    """What names the control video of a clip (poses, depths, edges, tracks): a column of the manifest's `clips/`, or
    else a key of the JSON file beside its video; "" for none. Beside the video, too, where it is no whole location."""
    camera: str = ""
    """The same for a text file of cameras, of RealEstate10K's lines, one for each of the video's frames."""
    beside_clock: Clock = "film"
    """Whether such a file begins where the film does or where its clip does."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One sample, still of 8 bits."""

    frames: Frames
    caption: str
    clip_id: str
    control: Frames | None = None
    """Of the same times and the same part of the picture."""
    cameras: Cameras | None = None
    """Of the same."""
    bad: Sequence[BadClip] = ()
    """Clips that were to be shown here and could not be read."""
    unread: Sequence[BadClip] = ()
    """The clip whose control or cameras could not be read."""

    __repr__ = shapes_repr


class ClipDataset:
    """Reads the samples that plans ask for from the clips of a manifest."""

    def __init__(self, table: ClipTable, sampler: SamplerConfig, config: DatasetConfig = DatasetConfig()) -> None:
        self.table = table
        self.fps = Fraction(sampler.fps).limit_denominator(1001)
        """Frames a second of samples; 23.976 is 24000/1001."""
        self._sampler = sampler
        self._config = config

    @property
    def remote(self) -> bool:
        """Whether some of the clips lie in a bucket."""
        clips = self.table.clips
        return clips is not None and any(is_remote(uri) for uri in clips["source_uri"].unique().to_pylist())

    def batch(self, step: RankStep) -> Batch:
        """A step's samples as they are handed over by a worker: 8-bit (B, F, H, W, 3), a quarter of the float32."""
        samples = [self.sample(request) for request in requests(step)]
        return Batch(
            video=torch.from_numpy(np.stack([sample.frames for sample in samples])),
            captions=[sample.caption for sample in samples],
            clip_ids=[sample.clip_id for sample in samples],
            tokens=step.tokens,
            control=_beside([sample.control for sample in samples]) if self._config.control else None,
            cameras=_beside([sample.cameras for sample in samples]) if self._config.camera else None,
            bad_clips=[bad for sample in samples for bad in sample.bad],
            unread=[unread for sample in samples for unread in sample.unread],
        )

    def sample(self, request: Request) -> Sample:
        """What the plan asks for, or what is shown instead.

        Raises:
            UnreadableError: neither the clip nor any of its substitutes can be read.
        """
        bad: list[BadClip] = []
        for row in itertools.chain([request.row], self._substitutes(request)):
            clip = placed_clip(self.table, row)
            placement = self.placement(clip, request)
            try:
                frames = self.read(clip, request.shape, placement)
            except MediaError as error:
                bad.append((clip.clip_id, str(error)))
                continue
            caption = caption_of(self.table, row, request.caption)
            alone = Sample(frames=frames, caption=caption, clip_id=clip.clip_id, bad=tuple(bad))
            return self._with_beside(alone, row, clip, request.shape, placement)
        (first, reason), shape = bad[0], request.shape
        raise UnreadableError(
            f"clip {first} cannot be read ({reason}), nor can any of {len(bad) - 1} others tried in its place as "
            f"{shape.frames}x{shape.height}x{shape.width}; if the videos have moved: --root A=B"
        )

    def placement(self, clip: PlacedClip, request: Request) -> Placement:
        """Which part of the clip a sample shows."""
        if self._config.place == "middle":
            return clip.placement(request.shape, self.fps, _MIDDLE)
        longest = min(self._config.max_stride, clip.longest_stride(request.shape.frames, self.fps))
        stride = 1 + int(request.stride_chance * longest) if request.shape.frames > 1 else 1
        return clip.placement(request.shape, self.fps, request.chances, stride=stride)

    def rate(self, placement: Placement) -> Fraction:
        """Frames a second of a sample."""
        return self.fps / placement.stride

    def read(self, clip: PlacedClip, shape: Shape, placement: Placement) -> Frames:
        """Decode a sample.

        Raises:
            MediaError: the media is at fault, or is no longer what the manifest says.
        """
        start_seconds = placement.start_ticks * clip.clip.time_base
        return self._read(clip.clip, clip.displayed, placement.crop, shape, start_seconds, self.rate(placement))

    def _read(
        self,
        clip: Clip,
        displayed: tuple[int, int],
        crop: Box,
        shape: Shape,
        start_seconds: Fraction,
        fps: Fraction,
    ) -> Frames:
        """`crop` is told in the `displayed` (height, width)."""
        sample = np.empty((shape.frames, shape.height, shape.width, 3), np.uint8)
        frames = clip_frames(
            clip,
            num_frames=shape.frames,
            fps=fps,
            start_seconds=start_seconds,
            backend=self._config.backend,
        )
        previous: Rgb | None = None
        for index, frame in enumerate(frames):
            if frame is previous:
                sample[index] = sample[index - 1]
                continue
            if not (frame.shape[0] == clip.height or frame.shape[1] == clip.width):
                found, listed = f"{frame.shape[1]}x{frame.shape[0]}", f"{clip.width}x{clip.height}"
                raise MediaError("source_changed", f"a frame of {found} pixels, not {listed}")
            sample[index] = cropped(frame, crop, displayed=displayed, height=shape.height, width=shape.width)
            previous = frame
        return sample

    def _with_beside(self, sample: Sample, row: int, clip: PlacedClip, shape: Shape, placement: Placement) -> Sample:
        """With its control video and cameras, as far as the clip has them and they can be read."""
        config, unread = self._config, []
        start_seconds, fps = placement.start_ticks * clip.clip.time_base, self.rate(placement)
        for name, kind in ((config.control, "control"), (config.camera, "camera")):
            try:
                file = beside(self.table, row, clip.clip, name, config.beside_clock) if name else None
                if file is None:
                    continue
                first = moment(file, clip.clip, start_seconds, fps)
                if kind == "camera":
                    cameras = cameras_of(file, clip, placement.crop, shape, fps=fps, first=first)
                    sample = replace(sample, cameras=cameras)
                else:
                    video = self._read(control_clip(file, clip), clip.displayed, placement.crop, shape, first, fps)
                    sample = replace(sample, control=video)
            except MediaError as error:
                unread.append((sample.clip_id, f"{kind}: {error}"))
        return replace(sample, unread=tuple(unread))

    def _substitutes(self, request: Request) -> Iterator[int]:
        """Other rows to show in this shape, in an order of their own for each clip and epoch."""
        similar = similar_rows(self.table, request.shape, self._sampler)
        others = similar[similar != request.row]
        order = shuffled(len(others), "substitute", request.seed)
        yield from (int(other) for other in others[order[: self._config.max_substitutes]])


def _beside(each: Sequence[Frames | Cameras | None]) -> Beside | None:
    """What samples have, in one tensor; None where none has it."""
    like = next((one for one in each if one is not None), None)
    if like is None:
        return None
    values = np.stack([np.zeros_like(like) if one is None else one for one in each])
    return torch.from_numpy(values), torch.tensor([one is not None for one in each])
