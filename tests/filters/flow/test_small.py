"""Subjects that are no larger than what flow looks at, before a wall with texture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from filters.flow.planes import Field
from filters.flow.small import found_again

SHAPE = (72, 128)
SHIFT = (4.5, -2.0)


def texture(seed: int) -> Field:
    rough = np.random.default_rng(seed).normal(0, 1, (36, 64)).astype(np.float32)
    spread: Field = 128 + 40 * cv2.resize(rough, SHAPE[::-1], interpolation=cv2.INTER_CUBIC)
    return spread


def disc(radius: float, x: float, y: float) -> Field:
    rows, columns = np.indices(SHAPE, np.float32)
    inside: Field = np.clip(radius - np.hypot(columns - x, rows - y) + 0.5, 0, 1)
    return inside


def pictures(radius: float, subject: Field) -> tuple[Field, Field]:
    """A disc of a subject before a texture, that goes `SHIFT` further."""
    wall = texture(1)
    there = cv2.warpAffine(
        subject, np.array([[1, 0, SHIFT[0]], [0, 1, SHIFT[1]]]), SHAPE[::-1], borderMode=cv2.BORDER_REFLECT_101
    )
    before, after = disc(radius, 60, 40), disc(radius, 60 + SHIFT[0], 40 + SHIFT[1])
    return wall + before * (subject - wall), wall + after * (there - wall)


def looked_for(before: Field, after: Field, flow: Field) -> Field:
    change = np.abs(before - after)
    return found_again(before, after, flow, cv2.blur(change, (3, 3)) > 8, change**2)


@pytest.mark.parametrize("subject", [texture(2), np.full(SHAPE, 20, np.float32)], ids=["texture", "shape alone"])
def test_one_shift_explains_where_it_was_and_where_it_is(subject: Field) -> None:
    before, after = pictures(8, subject)
    found = looked_for(before, after, np.zeros((*SHAPE, 2), np.float32))
    assert np.abs(found[40, 60] - SHIFT).max() < 0.6
    assert not found[5:20, 5:40].any()


def test_what_flow_explains_is_left_alone() -> None:
    before, after = pictures(8, texture(2))
    flow = np.zeros((*SHAPE, 2), np.float32)
    changed = np.abs(before - after) > 8
    assert found_again(before, after, flow, changed, np.zeros(SHAPE, np.float32)) is flow


def test_large_things_and_those_that_did_not_move_are_left_alone() -> None:
    flow = np.zeros((*SHAPE, 2), np.float32)
    assert looked_for(*pictures(30, texture(2)), flow) is flow
    other = texture(1) + disc(8, 60, 40) * (texture(3) - texture(1))
    assert looked_for(texture(1), other, flow) is flow
