"""Tasks of a model that is told more than a text, from pixels as files have them to what `generate` takes.

A task is what is told (`Told`), and for a video that is made from another, where sampling starts:

    told = ends(first, last, shape)                       # image to video; `known_frames` for inpainting
    told = control(poses, reference)                      # `camera(cameras)`, or any of these `together`
    condition = condition_of(generator, told, shape, count)
    latents = generate(generator, captions, noise, config, condition=condition)
    start = start_of(generator, frames, count)            # video to video: generate(..., start=start, strength=0.6)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import numpy.typing as npt
import torch

from training.film import Frames, Picture
from training.models.conditions import Told
from training.models.generator import VideoGenerator
from training.models.grid import Shape
from training.models.pixels import as_model_input

Mask = npt.NDArray[np.bool_]
"""(F,) frames, or (F, H, W) pixels; True is known."""


def known_frames(frames: Frames, known: Mask) -> Told:
    """A video (F, H, W, 3) of which a part is to be kept: frames, or places in them. What is not known may be anything.

    Raises:
        ValueError: the mask is not one of the video, or leaves nothing to make or nothing known.
    """
    if known.shape not in (frames.shape[:1], frames.shape[:3]):
        raise ValueError(f"a mask of {known.shape} for a video of {frames.shape}: must be (F,) or (F, H, W)")
    if known.all() or not known.any():
        raise ValueError(f"the mask has {int(known.sum())} of {known.size} known: some must be, and some not")
    whole = np.broadcast_to(known.reshape(len(known), *known.shape[1:] or (1, 1)), frames.shape[:3])
    return Told(video=_video(frames), known=torch.from_numpy(whole.astype(np.float32))[None, None])


def ends(first: Picture | None, last: Picture | None, shape: Shape) -> Told:
    """The first frame, the last one, or both, of shape.height x shape.width pixels.

    Raises:
        ValueError: neither is given, one is of another size, or the shape has no other frames.
    """
    frames = np.zeros((shape.frames, shape.height, shape.width, 3), np.uint8)
    known = np.zeros(shape.frames, np.bool_)
    for place, picture in ((0, first), (shape.frames - 1, last)):
        if picture is None:
            continue
        if picture.shape != frames.shape[1:]:
            raise ValueError(f"a picture of {picture.shape} to begin or end with, must be {frames.shape[1:]}")
        frames[place], known[place] = picture, True
    return known_frames(frames, known)


def control(frames: Frames, reference: Picture | None = None) -> Told:
    """A control video (F, H, W, 3) of the poses, depths, edges or tracks to follow, and what things look like."""
    return Told(control=_video(frames), reference=None if reference is None else _video(reference[None]))


def camera(cameras: npt.NDArray[np.float32], reference: Picture | None = None) -> Told:
    """Where a camera is and looks in each frame (F, 16), see `training.models.rays.CAMERA_VALUES`."""
    given = torch.from_numpy(np.ascontiguousarray(cameras, np.float32))[None]
    return Told(cameras=given, reference=None if reference is None else _video(reference[None]))


def together(tasks: Sequence[Told]) -> Told:
    """What several tasks tell; of what two tell, the later one counts."""
    told: dict[str, torch.Tensor] = {}
    for task in tasks:
        told |= {each.name: value for each in fields(Told) if (value := getattr(task, each.name)) is not None}
    return Told(**told)


@torch.no_grad()
def condition_of(generator: VideoGenerator, told: Told, shape: Shape, count: int) -> torch.Tensor:
    """(count, C, T, h, w) for as many samples of a shape, each told the same: `generate`'s `condition`.

    Raises:
        ValueError: nothing is told, the model has no channels for it, or it is not of the shape's size.
    """
    if not told.parts:
        raise ValueError("nothing is told")
    return generator.told(told.to(generator.device), shape).expand(count, -1, -1, -1, -1)


@torch.no_grad()
def start_of(generator: VideoGenerator, frames: Frames, count: int) -> torch.Tensor:
    """(count, C, T, h, w): the latents of a video (F, H, W, 3), for `generate`'s `start`."""
    return generator.latents_of(_video(frames).to(generator.device)).expand(count, -1, -1, -1, -1)


def _video(frames: Frames) -> torch.Tensor:
    """(1, 3, F, H, W) float32."""
    return as_model_input(torch.from_numpy(np.ascontiguousarray(frames))[None])
