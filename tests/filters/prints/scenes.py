"""Samples of synthetic films, two a second, and their prints, with what repeats what known by construction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import cv2
import numpy as np

from filters.prints.film_print import FilmPrint
from filters.prints.squares import squares_of
from preprocess.frames import ANALYSIS_LONG_SIDE
from preprocess.planes import resized
from tests.filters.views import Frame, texture

FPS = 2
SIZE = (216, 384)
WORDS = ("RIVER", "MOUNTAIN", "HOUSE OF", "SILENCE", "THE LAST", "STAR", "CHAPTER", "NIGHT AND", "FIRST", "STREET")


def walk(seed: int, *, seconds: float = 5.0, start: float = 0.0, fps: int = FPS) -> list[Frame]:
    """A camera that wanders over a landscape; other seeds are other landscapes, and other starts later moments."""
    scene = texture(500, 700, seed=seed)
    draw = np.random.default_rng(seed)
    speed, turn = draw.uniform(30, 60, 2), draw.uniform(0, 6)
    return [
        _part(scene, 90 * np.sin(0.5 * t + turn) + speed[0] * 0.3 * t, 60 * np.cos(0.7 * t + turn))
        for t in start + np.arange(round(seconds * fps)) / fps
    ]


def street(seed: int, *, place: int = 0, walkers: int = 6, seconds: float = 5.0, fps: int = FPS) -> list[Frame]:
    """A camera that stands still; other seeds are other minutes of the same place."""
    height, width = SIZE
    scene, draw = texture(height, width, seed=place), np.random.default_rng(seed)
    paths = draw.uniform((0, 0.3, -0.3, -0.1, 0), (1, 0.9, 0.3, 0.1, 255), (walkers, 5))
    frames = []
    for t in np.arange(round(seconds * fps)) / fps:
        frame = scene.copy()
        for x, y, across, down, level in paths:
            at = int((x + across * t) * width), int((y + down * t) * height)
            cv2.ellipse(frame, at, (9, 22), 0, 0, 360, float(level), -1)
        frames.append(frame)
    return frames


def title(words: Sequence[str], *, seconds: float = 4.0) -> list[Frame]:
    """White words on black, one layout for all."""
    card = np.full(SIZE, 16, np.uint8)
    for line, text in enumerate(words):
        (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, 0.9, 2)
        place = ((SIZE[1] - width) // 2, 80 + 45 * line)
        cv2.putText(card, text, place, cv2.FONT_HERSHEY_DUPLEX, 0.9, 235, 2, cv2.LINE_AA)
    return [card] * round(seconds * FPS)


def titles(count: int) -> list[list[Frame]]:
    """Of other words each."""
    draw = np.random.default_rng(3)
    return [title([" ".join(draw.choice(WORDS, 2, replace=False)) for _ in range(3)]) for _ in range(count)]


def print_of(frames: Iterable[Frame]) -> FilmPrint | None:
    """As the column has it."""
    return FilmPrint.from_bytes(hash_of(frames))


def hash_of(frames: Iterable[Frame]) -> bytes:
    """What the column holds."""
    film = FilmPrint.of(squares_of([_luma(frame) for frame in frames]))
    return b"" if film is None else film.to_bytes()


def encoded(
    frames: Iterable[Frame], change: Callable[[Frame], Frame] = lambda frame: frame, quality: int = 30
) -> list[Frame]:
    """Changed, then through a codec's loss."""
    coded = []
    for frame in frames:
        _, data = cv2.imencode(".jpg", change(frame), [cv2.IMWRITE_JPEG_QUALITY, quality])
        coded.append(np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8))
    return coded


def _part(scene: Frame, x: float, y: float) -> Frame:
    height, width = SIZE
    place = np.array([[1, 0, x + 158], [0, 1, y + 142]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    frame: Frame = cv2.warpAffine(scene, place, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)
    return frame


def _luma(frame: Frame) -> Frame:
    scale = min(1.0, ANALYSIS_LONG_SIDE / max(frame.shape))
    return resized(frame, *(round(side * scale) for side in frame.shape[::-1]))
