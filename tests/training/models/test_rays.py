"""A camera's rays are those through what its pixels show, whatever the crop and wherever the first camera stands."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.models.rays import SCALE, camera_rays, rays_condition


def pose(*, turn: float = 0.0, centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> np.ndarray:
    """World to camera (3, 4): turned about y by an angle, at a place."""
    turned = np.array([[np.cos(turn), 0, -np.sin(turn)], [0, 1, 0], [np.sin(turn), 0, np.cos(turn)]])
    return np.concatenate([turned, -turned @ np.array(centre)[:, None]], axis=1)


def cameras(*poses: np.ndarray, focal: tuple[float, float] = (0.8, 1.2)) -> torch.Tensor:
    rows = [[*focal, 0.5, 0.5, *pose.ravel()] for pose in poses]
    return torch.tensor(rows, dtype=torch.float32)[None]


def test_the_ray_through_a_pixel_meets_the_point_that_is_seen_there() -> None:
    """p x d = o x d for each point p of the ray, which is how two rays are told to meet a point."""
    poses = [pose(), pose(turn=0.3, centre=(0.5, -0.2, 0.1)), pose(turn=-0.2, centre=(0.0, 1.0, -2.0))]
    rays = camera_rays(cameras(*poses), 24, 40)
    point = np.array([0.3, 0.2, 4.0])
    for frame, world_to_camera in enumerate(poses):
        seen = world_to_camera @ np.append(point, 1.0)
        column, row = (0.8 * seen[0] / seen[2] + 0.5) * 40 - 0.5, (1.2 * seen[1] / seen[2] + 0.5) * 24 - 0.5
        left, top = int(column), int(row)
        right_share, low_share = column - left, row - top
        found = torch.zeros(6)
        for down, across in ((0, 0), (0, 1), (1, 0), (1, 1)):
            weight = (low_share if down else 1 - low_share) * (right_share if across else 1 - right_share)
            found += weight * rays[0, :, frame, top + down, left + across]
        moment, direction = found[:3], found[3:]
        met = torch.linalg.cross(torch.tensor(point, dtype=torch.float32), direction)
        torch.testing.assert_close(moment, met, atol=2e-3, rtol=0)
        assert float(direction.norm()) == pytest.approx(1.0, abs=2e-3)


def test_the_first_camera_is_where_the_world_begins() -> None:
    one, other = pose(turn=0.4, centre=(1.0, 2.0, 3.0)), pose(turn=0.1, centre=(0.0, 2.5, 3.0))
    moved = np.concatenate([pose(turn=1.1)[:, :3], [[4.0], [-2.0], [0.3]]], axis=1)
    square = np.vstack([moved, [0, 0, 0, 1]])
    elsewhere = [each @ square for each in (one, other)]
    there, here = camera_rays(cameras(*elsewhere), 8, 8), camera_rays(cameras(one, other), 8, 8)
    torch.testing.assert_close(there, here, atol=1e-5, rtol=0)
    assert float(here[:, :3, 0].abs().max()) < 1e-6  # its rays start at the origin
    middle = here[0, 3:, 0, 3:5, 3:5].mean(dim=(1, 2))
    assert torch.allclose(middle / middle.norm(), torch.tensor([0.0, 0.0, 1.0]), atol=1e-6)


def test_of_latents_the_first_frame_is_for_itself() -> None:
    still = cameras(*[pose()] * 9)
    condition = rays_condition(still, (32, 48), (3, 4, 6))
    assert condition.shape == (1, 6, 3, 4, 6)
    assert torch.allclose(condition[:, :, 0], condition[:, :, 2], atol=1e-6)
    assert torch.allclose(condition[:, 3:].norm(dim=1), torch.full((1, 3, 4, 6), SCALE), rtol=0.02)
    panned = cameras(*[pose(centre=(0.1 * frame, 0.0, 0.0)) for frame in range(9)])
    across = rays_condition(panned, (32, 48), (3, 4, 6))[0, :3].norm(dim=0).mean(dim=(1, 2))
    assert across[0] == 0
    assert float(across[2] / across[1]) == pytest.approx(6.5 / 2.5, rel=0.01)


def test_released_models_are_told_the_same() -> None:
    control = pytest.importorskip("diffusers.pipelines.easyanimate.pipeline_easyanimate_control")
    given = cameras(*[pose(turn=0.05 * frame, centre=(0.1 * frame, 0.0, 0.0)) for frame in range(9)])
    theirs = 6 * control.resize_mask(camera_rays(given, 32, 48), torch.empty(1, 16, 3, 4, 6))
    assert torch.equal(rays_condition(given, (32, 48), (3, 4, 6)), theirs)


def test_impossible_cameras_are_refused() -> None:
    with pytest.raises(ValueError, match=r"cameras are \(1, 9, 12\), must be \(B, F, 16\)"):
        camera_rays(torch.ones(1, 9, 12), 8, 8)
    with pytest.raises(ValueError, match="focal length is not positive"):
        camera_rays(cameras(pose(), focal=(0.0, 1.0)), 8, 8)
