"""Films made of pictures drawn here, and what the detector finds in them."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np

from preprocess.shots.detector import ShotConfig, ShotDetector
from preprocess.shots.shot import Shot, Transition

HEIGHT, WIDTH = 54, 96
BLACK, WHITE, TEAL = (0, 128, 128), (255, 128, 128), (110, 150, 90)


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A still of soft random blobs, float32 (height, width, 3), as unlike any other seed's as two scenes are."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform((20, 90, 90), (235, 166, 166), (6, 9, 3)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def still(seed: int, num_frames: int, noise: float = 1.5) -> np.ndarray:
    rng = np.random.default_rng(seed + 1000)
    return picture(seed) + rng.normal(0, noise, (num_frames, HEIGHT, WIDTH, 3)).astype(np.float32)


def pan(seed: int, num_frames: int, pixels_per_frame: float) -> np.ndarray:
    wide = picture(seed, width=WIDTH + int(num_frames * pixels_per_frame) + 2)
    matrices = [np.float32([[1, 0, -at * pixels_per_frame], [0, 1, 0]]) for at in range(num_frames)]
    return np.stack([cv2.warpAffine(wide, matrix, (WIDTH, HEIGHT)) for matrix in matrices])


def zoom(seed: int, num_frames: int, growth: float) -> np.ndarray:
    matrices = [cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 0, 1 + growth * at) for at in range(num_frames)]
    return np.stack([cv2.warpAffine(picture(seed), matrix, (WIDTH, HEIGHT)) for matrix in matrices])


def mix(before: np.ndarray, after: np.ndarray, num_frames: int) -> np.ndarray:
    """Linear dissolve whose every frame shows both pictures."""
    share = (np.arange(1, num_frames + 1) / (num_frames + 1))[:, None, None, None]
    return ((1 - share) * before + share * after).astype(np.float32)


def fade(before: np.ndarray, after: np.ndarray, colour: tuple[int, int, int], num_frames: int) -> np.ndarray:
    """Half fade-out and half fade-in, with one frame of the colour between them."""
    flat = np.broadcast_to(np.float32(colour), before.shape)
    half = num_frames // 2
    return np.concatenate([mix(before, flat, half), flat[None], mix(flat, after, num_frames - half - 1)])


def to_bytes(frames: np.ndarray) -> np.ndarray:
    return np.clip(np.round(frames), 0, 255).astype(np.uint8)


def detect(
    frames: np.ndarray, config: ShotConfig | None = None, fps: Fraction = Fraction(24)
) -> tuple[list[Transition], list[Shot]]:
    detector = ShotDetector(config or ShotConfig(), fps)
    shots = [shot for frame in to_bytes(frames) for shot in detector.push(frame)]
    shots += detector.finish()
    return detector.transitions, shots


def cuts(transitions: list[Transition]) -> list[int]:
    assert {transition.kind for transition in transitions} <= {"cut"}
    return [transition.start for transition in transitions]
