"""Where a camera looks, as six values for each latent: the Pluecker coordinates of the ray through it.

After CameraCtrl (arXiv 2404.02101, section 3.1): for a camera centre o and a unit direction d, both in the space of the
first camera, (o x d, d). As EasyAnimate v5.1 has them: resampled to the latents, the first frame for itself, times 6.
"""

from __future__ import annotations

import torch
from torch.nn import functional

CHANNELS = 6
CAMERA_VALUES = 16
"""Of a camera: fx, fy, cx, cy as shares of the picture's width and height, then world to camera (3, 4), by rows."""
SCALE = 6.0
"""By which EasyAnimate multiplies what its camera models are told."""


def camera_rays(cameras_BFC: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(B, 6, F, height, width) float32: the ray through each pixel's middle; see `CAMERA_VALUES`.

    Raises:
        ValueError: cameras have other than 16 values, or a focal length that is not positive.
    """
    if cameras_BFC.ndim != 3 or cameras_BFC.shape[2] != CAMERA_VALUES:
        raise ValueError(f"cameras are {tuple(cameras_BFC.shape)}, must be (B, F, {CAMERA_VALUES})")
    cameras = cameras_BFC.double()
    focal, middle = cameras[..., :2], cameras[..., 2:4]
    if not bool((focal > 0).all()):
        raise ValueError("a camera's focal length is not positive")
    to_world = torch.linalg.inv(_square(cameras[..., 4:].unflatten(-1, (3, 4))))
    to_first = torch.linalg.inv(to_world[:, :1]) @ to_world
    across = (torch.arange(width, device=cameras.device).double() + 0.5) / width
    down = (torch.arange(height, device=cameras.device).double() + 0.5) / height
    places = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1)
    slopes = (places - middle[:, :, None, None]) / focal[:, :, None, None]
    seen = functional.normalize(functional.pad(slopes, (0, 1), value=1.0), dim=-1)
    directions = torch.einsum("bfij,bfhwj->bfhwi", to_first[..., :3, :3], seen)
    centres = to_first[..., :3, 3][:, :, None, None].expand_as(directions)
    rays = torch.cat([torch.linalg.cross(centres, directions), directions], dim=-1)
    return rays.permute(0, 4, 1, 2, 3).float()


def rays_condition(cameras_BFC: torch.Tensor, pixels: tuple[int, int], latents: tuple[int, int, int]) -> torch.Tensor:
    """(B, 6, T, h, w) for latents of such a size of videos of (height, width) pixels."""
    rays = camera_rays(cameras_BFC, *pixels)
    parts = [(rays[:, :, :1], 1), (rays[:, :, 1:], latents[0] - 1)]
    return SCALE * torch.cat(
        [
            functional.interpolate(part, (frames, *latents[1:]), mode="trilinear", align_corners=False)
            for part, frames in parts
            if frames
        ],
        dim=2,
    )


def _square(poses: torch.Tensor) -> torch.Tensor:
    """(..., 4, 4) of (..., 3, 4)."""
    last = poses.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*poses.shape[:-2], 1, 4)
    return torch.cat([poses, last], dim=-2)
