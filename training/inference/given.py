"""What a sample is given beside its prompt, read from files and fitted to its shape."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Protocol

import av
import numpy as np
import numpy.typing as npt
import torch

from preprocess.clip import Source
from preprocess.decode import Video
from preprocess.errors import MediaError
from preprocess.picking import EARLY_SECONDS, on_screen
from preprocess.rgb import rgb_of
from training.data.read.crop import Box, choose_crop, cropped
from training.film import FILM_SUFFIXES, Frames, Picture, read_picture
from training.models.conditions import Told
from training.models.generator import VideoGenerator
from training.models.grid import Shape
from training.models.pixels import as_model_input
from training.models.rays import CAMERA_VALUES
from training.objectives.tasks import Mask, camera, condition_of, control, ends, known_frames, start_of, together

_WHITE = 128
"""From which level of a mask on a place is made anew."""


class Begun(Protocol):
    """What samples begin with, and are told."""

    @property
    def strength(self) -> float:
        """How much of where they start is noise."""
        ...

    def steps(self, num_steps: int) -> int:
        """How many of a schedule's steps are gone."""
        ...

    def condition(self, generator: VideoGenerator, shape: Shape, count: int) -> torch.Tensor | None:
        """What `count` samples of a model are told; None of text alone."""
        ...

    def start(self, generator: VideoGenerator, count: int) -> torch.Tensor | None:
        """Latents to begin with in place of noise; None for noise."""
        ...

    def known(self, shape: Shape) -> Told | None:
        """The part of the video that is known; None: no part is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Given:
    """All of the shape's size, and films of its frames. What is None is not given."""

    first: Picture | None = None
    """The frame to begin with."""
    last: Picture | None = None
    """The one to end with."""
    video: Frames | None = None
    """To be made another one of: without a mask from its `strength` on, or where the mask leaves it unknown."""
    kept: Mask | None = None
    """(F,) frames or (F, H, W) pixels of `video`, True where it stays."""
    strength: float = 1.0
    """How much of the video is noise at the beginning: 1 is all, 0 nothing."""
    control: Frames | None = None
    """Poses, depths, edges or tracks to follow."""
    reference: Picture | None = None
    """What things look like, where the model is told of that."""
    cameras: npt.NDArray[np.float32] | None = None
    """(F, 16), see `training.models.rays.CAMERA_VALUES`."""

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1:
            raise ValueError(f"strength is {self.strength}, must be above 0 and at most 1")
        if self.video is None and (self.kept is not None or self.strength < 1):
            raise ValueError("a mask and a strength are those of a video: there is none")
        if self.video is not None and self.kept is None and self.strength == 1:
            raise ValueError("of a video with the strength 1 nothing is left: take less, such as 0.6, or a mask")
        if self.kept is not None and (self.first is not None or self.last is not None):
            raise ValueError("a mask says what is known, and so do pictures to begin and end with: give either")

    def steps(self, num_steps: int) -> int:
        """How many of a schedule's steps are gone."""
        return math.ceil(num_steps * self.strength - 1e-6)

    @property
    def tells(self) -> bool:
        """Whether there is more than a first frame."""
        others = (self.last, self.video, self.control, self.reference, self.cameras)
        return any(other is not None for other in others)

    def condition(self, generator: VideoGenerator, shape: Shape, count: int) -> torch.Tensor | None:
        """What `count` samples of a model are told; None of text alone.

        Raises:
            ValueError: it takes no such thing.
        """
        told = self._told(shape)
        if self.first is not None and not self.tells:
            return first_frames(generator, self.first[None].repeat(count, axis=0), shape)
        if "known" in told.parts and "known" in generator.told_parts and not generator.takes_first_frames:
            raise ValueError(
                "the model was never shown a part of a video: objective.first_frame_share and masks.share are 0"
            )
        return condition_of(generator, told, shape, count) if told.parts else None

    def start(self, generator: VideoGenerator, count: int) -> torch.Tensor | None:
        """Latents to begin with in place of noise."""
        return None if self.video is None or self.strength == 1 else start_of(generator, self.video, count)

    def known(self, shape: Shape) -> Told | None:
        """The frames and places that are known, for all samples alike."""
        told = self._told(shape)
        return None if told.known is None else Told(video=told.video, known=told.known)

    def _told(self, shape: Shape) -> Told:
        tasks = []
        if self.first is not None or self.last is not None:
            if shape.frames == 1:
                raise ValueError(f"{shape}: nothing is left to make where the first frame is given")
            tasks.append(ends(self.first, self.last, shape))
        if self.video is not None and self.kept is not None:
            tasks.append(known_frames(self.video, self.kept))
        if self.control is not None:
            tasks.append(control(self.control))
        if self.cameras is not None:
            tasks.append(camera(self.cameras))
        if self.reference is not None:
            tasks.append(Told(reference=as_model_input(torch.from_numpy(self.reference)[None, None])))
        return together(tasks)


@dataclass(frozen=True, slots=True, eq=False)
class Continued:
    """The last frames (B, N, H, W, 3) of videos that go on."""

    frames: Frames
    strength: float = 1.0

    def steps(self, num_steps: int) -> int:
        """All."""
        return num_steps

    def condition(self, generator: VideoGenerator, shape: Shape, count: int) -> torch.Tensor | None:
        """Each video's own frames: one as first frames are, several as a part that is known."""
        num_known = self.frames.shape[1]
        if num_known == 1:
            return first_frames(generator, self.frames[:, 0], shape)
        return generator.told(self.known(shape).to(generator.device), shape)

    def known(self, shape: Shape) -> Told:
        """Those frames."""
        count, num_known = self.frames.shape[:2]
        video = np.zeros((count, shape.frames, *self.frames.shape[2:]), np.uint8)
        video[:, :num_known] = self.frames
        known = torch.zeros(count, 1, shape.frames, shape.height, shape.width)
        known[:, :, :num_known] = 1
        return Told(video=as_model_input(torch.from_numpy(video)), known=known)

    def start(self, generator: VideoGenerator, count: int) -> torch.Tensor | None:
        """Noise."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenFiles:
    """What each of `Given` is read from."""

    image: Path | None = None
    last_image: Path | None = None
    video: Path | None = None
    mask: Path | None = None
    strength: float = 1.0
    control: Path | None = None
    reference: Path | None = None
    camera: Path | None = None

    def read(self, shape: Shape, fps: float) -> Given:
        """Fitted to a shape.

        Raises:
            ValueError: one is of no kind that can be read, or is too short, or they do not go together.
            OSError: one cannot be opened.
        """
        return Given(
            first=None if self.image is None else fitted(read_picture(self.image), shape),
            last=None if self.last_image is None else fitted(read_picture(self.last_image), shape),
            video=None if self.video is None else read_film(self.video, shape, fps),
            kept=None if self.mask is None else read_mask(self.mask, shape, fps),
            strength=self.strength,
            control=None if self.control is None else read_film(self.control, shape, fps),
            reference=None if self.reference is None else fitted(read_picture(self.reference), shape),
            cameras=None if self.camera is None else read_cameras(self.camera, shape),
        )


def first_frames(generator: VideoGenerator, first_BHWC: Frames, shape: Shape) -> torch.Tensor:
    """What tells a model the first frame of each video.

    Raises:
        ValueError: it takes none.
    """
    frames = torch.from_numpy(np.ascontiguousarray(first_BHWC))[:, None].to(generator.device)
    return generator.first_frame(as_model_input(frames), generator.grid.latents(shape)[0])


def fitted(picture: Picture, shape: Shape) -> Picture:
    """The largest part of a picture (H, W, 3) with the shape's aspect, from its middle, in the shape's size."""
    height, width = picture.shape[:2]
    whole = Box(left=0, top=0, right=width, bottom=height)
    crop = choose_crop(whole, height=shape.height, width=shape.width, place=(0.5, 0.5))
    return cropped(picture, crop, displayed=(height, width), height=shape.height, width=shape.width)


def read_film(path: Path, shape: Shape, fps: float) -> Frames:
    """A film's first frames (F, H, W, 3), as many a second as the model makes, upright and fitted.

    Raises:
        ValueError: it is no film, or too short.
        OSError: there is no such file.
    """
    path.open("rb").close()
    frames: list[Picture] = []
    try:
        with Video(Source(uri=os.fspath(path), size_bytes=0, modified_ns=0), source_id="") as video:
            base = video.info.time_base
            step, early = 1 / Fraction(fps).limit_denominator(1001) / base, EARLY_SECONDS / base
            decoded = iter(video.frames(0))
            first = next(decoded)
            times = {"first": Fraction(first.pts), "step": step, "early": early}
            for frame in on_screen(chain([first], decoded), **times, count=shape.frames):
                upright = np.rot90(rgb_of(frame.raw), -(frame.info.rotation // 90))
                frames.append(fitted(np.ascontiguousarray(upright), shape))
    except (MediaError, av.FFmpegError, StopIteration) as error:
        if not frames:
            raise ValueError(f"{path}: no film that can be read: {error}") from error
        raise ValueError(
            f"{path}: {len(frames)} frames at {fps:g} a second, and {shape.frames} are needed: ask for fewer"
        ) from error
    return np.stack(frames)


def read_mask(path: Path, shape: Shape, fps: float) -> Mask:
    """(F, H, W) what is kept: white, in a picture for all frames or in a film, is made anew.

    Raises:
        ValueError: it is neither, or too short.
        OSError: there is no such file.
    """
    if path.suffix.lower() in FILM_SUFFIXES:
        levels = read_film(path, shape, fps).mean(axis=-1)
    else:
        levels = fitted(read_picture(path), shape).mean(axis=-1)[None].repeat(shape.frames, axis=0)
    kept: Mask = levels < _WHITE
    return kept


def read_cameras(path: Path, shape: Shape) -> npt.NDArray[np.float32]:
    """(F, 16) of a text file with a camera on each line: fx, fy, cx and cy as shares of width and height, then the
    matrix (3, 4) from world to camera; or as RealEstate10K has them, with a time before and two zeros between.

    Raises:
        ValueError: a line is none, or there are too few.
        OSError: there is no such file.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        words = line.replace(",", " ").split()
        if len(words) == CAMERA_VALUES + 3:
            words = [*words[1:5], *words[7:]]
        if len(words) != CAMERA_VALUES:
            if not words or number == 1:  # RealEstate10K begins with an address
                continue
            raise ValueError(f"{path}, line {number}: {len(words)} numbers, expected {CAMERA_VALUES} or 19")
        try:
            rows.append([float(word) for word in words])
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    if len(rows) < shape.frames:
        raise ValueError(f"{path}: {len(rows)} cameras, and {shape.frames} are needed: one for each frame")
    return np.array(rows[: shape.frames], np.float32)
