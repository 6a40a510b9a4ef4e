"""Proposed cuts are PySceneDetect's, and it is asked seldom."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from scenedetect.detectors import AdaptiveDetector, ContentDetector

from preprocess.shots.proposals import JUMP_LEVELS, MAYBE_JUMP_LEVELS, CutProposer

HEIGHT, WIDTH = 18, 32


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    """Patches of colour that change every fourth frame by some levels, up to other pictures, and by little between."""
    rng = np.random.default_rng(5)
    picture = rng.uniform(60, 190, (HEIGHT, WIDTH, 3))
    made = []
    for at in range(240):
        picture = picture + rng.uniform(-1, 1, picture.shape) * (1 if at % 4 else at / 5)
        made.append(np.clip(picture, 0, 255).astype(np.uint8))
    return made


@pytest.mark.parametrize("detector", ["adaptive", "content"])
def test_proposals_are_those_of_pyscenedetect(frames: list[np.ndarray], detector: str) -> None:
    proposer = CutProposer(detector=detector, adaptive_threshold=3.0, min_content=15.0, content_threshold=12.0)
    proposed = [cut for frame in frames for cut in proposer.push(frame)] + proposer.finish()
    reference = (
        AdaptiveDetector(min_scene_len=1)
        if detector == "adaptive"
        else ContentDetector(threshold=12.0, min_scene_len=0)
    )
    levels = [0.0, *(float(cv2.norm(a, b, cv2.NORM_L1)) / a.size for a, b in itertools.pairwise(frames))]
    expected = {at for at, level in enumerate(levels) if level > JUMP_LEVELS}
    found = {cut for at, frame in enumerate(frames) for cut in reference.process_frame(at, _bgr(frame))}
    expected |= {at for at in found if levels[at] > MAYBE_JUMP_LEVELS}
    assert proposed == sorted(expected)
    asked = [at for at in proposed if levels[at] <= JUMP_LEVELS]
    assert asked
    assert len(asked) < sum(MAYBE_JUMP_LEVELS < level <= JUMP_LEVELS for level in levels)


def test_suspects_are_proposed_once(frames: list[np.ndarray]) -> None:
    proposer = CutProposer(detector="adaptive", adaptive_threshold=3.0, min_content=15.0, content_threshold=12.0)
    proposed = [cut for at in range(12) for cut in proposer.push(frames[1], suspect=at in (5, 11))]
    assert proposed + proposer.finish() == [5, 11]


def _bgr(frame: np.ndarray) -> np.ndarray:
    luma, cb, cr = cv2.split(frame)
    return cv2.cvtColor(cv2.merge((luma, cr, cb)), cv2.COLOR_YCrCb2BGR)
