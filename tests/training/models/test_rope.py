import math

import pytest
import torch

from training.models.rope import axis_sizes, rotate, rotation_3d


def _rotation(grid, head_dim=32, base_grid=None):
    return rotation_3d(grid, head_dim, base_grid=base_grid, device="cpu")


def test_heads_are_split_two_three_three():
    assert axis_sizes(64) == (16, 24, 24)
    assert axis_sizes(16) == (4, 6, 6)
    with pytest.raises(ValueError, match="multiple of 16"):
        axis_sizes(24)


def test_attention_depends_on_differences_of_position_only():
    grid = (4, 5, 6)
    cos, sin = _rotation(grid)
    q, k = torch.randn(2, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    queries = rotate(q.expand(math.prod(grid), 32), (cos, sin)).view(*grid, 32)
    keys = rotate(k.expand(math.prod(grid), 32), (cos, sin)).view(*grid, 32)

    def score(a, b):
        return float(queries[a] @ keys[b])

    assert score((0, 0, 0), (1, 2, 3)) == pytest.approx(score((2, 1, 2), (3, 3, 5)), abs=1e-4)
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert abs(score((0, 0, 0), (1, 2, 3)) - score((0, 0, 0), other)) > 1e-3


def test_rotation_keeps_lengths_and_leaves_the_first_token():
    x = torch.randn(2, 3, 4 * 5 * 6, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turned = rotate(x, _rotation((4, 5, 6)))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1), rtol=1e-5, atol=0)
    assert torch.equal(turned[:, :, 0], x[:, :, 0])


def test_known_angles():
    """Head of 16: 2 angles for time, 3 for rows, 3 for columns, theta 10,000."""
    cos, sin = _rotation((2, 2, 3), head_dim=16)
    token = 1 * 6 + 1 * 3 + 2  # frame 1, row 1, column 2
    angles = [1.0, 10_000**-0.5, 1.0, 10_000 ** (-1 / 3), 10_000 ** (-2 / 3)]
    angles += [2 * angle for angle in angles[2:]]
    torch.testing.assert_close(cos[token], torch.tensor(angles).cos())
    torch.testing.assert_close(sin[token], torch.tensor(angles).sin())


@pytest.mark.parametrize(
    ("grid", "columns"), [((30, 45), (0, 44)), ((60, 90), (0, 44.5)), ((32, 32), (8, 8 + 30 * 31 / 32))]
)
def test_pictures_are_scaled_into_the_middle_of_the_base_grid(grid, columns):
    """A square one takes 30 of 45 columns; (45 - 30) / 2 rounds to 8."""
    cos, sin = _rotation((1, *grid), head_dim=16, base_grid=(30, 45))
    positions = torch.atan2(sin[:, 7], cos[:, 7]) / 10_000 ** (-2 / 3)  # the slowest of the columns' angles
    row = positions.view(grid)[0]
    assert float(row[0]) == pytest.approx(columns[0], abs=1e-3)
    assert float(row[-1]) == pytest.approx(columns[1], abs=1e-3)
