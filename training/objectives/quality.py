"""How far a reconstruction is from what it should be. Videos are (B, 3, F, H, W) in [-1, 1]; results (B,)."""

from __future__ import annotations

import torch
from torch.nn import functional

WINDOW = 11
"""Side of the square that SSIM looks at; Wang et al. 2004 take 11 with Gaussian weights of deviation 1.5."""
DEVIATION = 1.5


def psnr(video: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio in dB of each video, clamped to the range that pixels have; at most 100."""
    squared = (video.clamp(-1, 1) - reference).square().flatten(1).mean(1) / 4.0
    return -10.0 * torch.log10(squared.clamp_min(1e-10))


def ssim(video: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Structural similarity of the frames' luma (Wang et al. 2004), averaged over frames and places; 1 is equal."""
    a, b = _luma(video), _luma(reference)
    mean_a, mean_b = _blurred(a), _blurred(b)
    var_a = _blurred(a * a) - mean_a**2
    var_b = _blurred(b * b) - mean_b**2
    covariance = _blurred(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    upper = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    lower = (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    return (upper / lower).flatten(1).mean(1).view(len(video), -1).mean(1)


def box_blurred(video: torch.Tensor, side: int = 4) -> torch.Tensor:
    """Videos of which each pixel is the mean of `side` x `side` pixels around it; beyond the edge stand copies of it.

    An even box, which has no pixel in its middle, takes half of those at both ends.
    """
    frames = functional.pad(video.transpose(1, 2).flatten(0, 1), (side // 2,) * 4, mode="replicate")
    weights = torch.ones(side + 1 - side % 2, device=video.device)
    if side % 2 == 0:
        weights[0] = weights[-1] = 0.5
    box = torch.outer(weights, weights).expand(3, 1, -1, -1) / side**2
    blurred: torch.Tensor = functional.conv2d(frames, box, groups=3).unflatten(0, (len(video), -1)).transpose(1, 2)
    return blurred


def _luma(video_BCFHW: torch.Tensor) -> torch.Tensor:
    """Frames (B F, 1, H, W) in [0, 1]; BT.601."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=video_BCFHW.device).view(1, 3, 1, 1, 1)
    luma_BFHW = ((video_BCFHW.float().clamp(-1, 1) + 1) / 2 * weights).sum(1)
    return luma_BFHW.flatten(0, 1).unsqueeze(1)


def _blurred(frames_N1HW: torch.Tensor) -> torch.Tensor:
    side = min(WINDOW, *frames_N1HW.shape[2:])
    offsets = torch.arange(side, device=frames_N1HW.device) - (side - 1) / 2
    weights = torch.exp(-offsets.square() / (2 * DEVIATION**2))
    weights = weights / weights.sum()
    return functional.conv2d(functional.conv2d(frames_N1HW, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))
