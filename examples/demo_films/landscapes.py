"""Synthetic landscapes that look like footage: the demo needs moving pictures with real texture, and ships none.

A scene is made once (`sea(rng, size)`), then asked for the picture at any time: `scene(seconds)` gives uint8 BGR
(height, width, 3). Cameras move 2-15 % of the width a second at normal speed, so that a motion filter keeps them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Size = tuple[int, int]
"""Width, height."""
Color = tuple[int, int, int]
"""Blue, green, red."""
Scene = Callable[[float], Image]
SceneMaker = Callable[[np.random.Generator, Size], Scene]


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """What a landscape is painted with."""

    zenith: Color
    horizon: Color
    cloud: Color
    low: Color
    middle: Color
    high: Color
    water: Color
    sharp_ridges: bool = True
    relief: float = 120.0
    """Height of the tallest peak; a tile of land is 1024 wide."""
    sea_level: float = 0.0


ALPS = Palette(
    zenith=(190, 120, 50), horizon=(235, 215, 190), cloud=(255, 252, 250), low=(45, 130, 85), middle=(75, 110, 95),
    high=(252, 246, 240), water=(120, 95, 40), relief=120, sea_level=16,
)  # fmt: skip
DUNES = Palette(
    zenith=(150, 110, 80), horizon=(150, 195, 250), cloud=(190, 215, 255), low=(60, 110, 190), middle=(80, 145, 225),
    high=(120, 185, 245), water=(0, 0, 0), sharp_ridges=False, relief=75,
)  # fmt: skip
HILLS = Palette(
    zenith=(225, 160, 90), horizon=(245, 235, 215), cloud=(255, 255, 255), low=(50, 150, 90), middle=(60, 175, 140),
    high=(90, 190, 190), water=(0, 0, 0), sharp_ridges=False, relief=60,
)  # fmt: skip
CANYON = Palette(
    zenith=(110, 50, 90), horizon=(120, 160, 250), cloud=(150, 130, 240), low=(70, 75, 90), middle=(75, 60, 100),
    high=(95, 80, 140), water=(120, 70, 90), relief=75, sea_level=36,
)  # fmt: skip


def landscape(palette: Palette, *, speed: float = 45.0, pan: float = 0.07, altitude: float = 45.0) -> SceneMaker:
    """A flight over hazy land under drifting clouds: `speed` in land units a second, `pan` in widths.

    `altitude` is kept above the highest land on the way.
    """

    def make(rng: np.random.Generator, size: Size) -> Scene:
        heights, colors = _land(rng, palette)
        grain = fractal_noise(rng, (1024, 1024), cell=5, octaves=3, wrap=True) - np.float32(0.5)
        sky = _sky(rng, size, palette, pan)
        width, height = size
        focal, horizon = 0.85 * width, 0.34 * height
        depth = np.geomspace(85, 1000, 220, dtype=np.float32)[:, None]
        # Half the columns: twice the speed, and the stretch smooths the ridges' edges.
        columns = np.arange(width // 2)[None, :]
        rays = (2 * columns - width / 2).astype(np.float32) / focal
        haze = np.clip(1 - np.exp(-depth / 900), 0, 0.85)[:, :, None]
        near = 2.4 * np.exp(-depth / 320)[:, :, None]  # Farther off, grain this fine would only flicker.
        clear_air, haze_color = 1 - haze, haze * np.array(palette.horizon, dtype=np.float32)
        start = float(rng.uniform(200, 500))
        # The camera keeps clear of the land it will fly over in half a minute.
        corridor = heights[500:524, np.arange(int(start), int(start + 30 * speed) + 40) % 1024]
        eye = float(corridor.max()) + altitude

        def picture(seconds: float) -> Image:
            across = (rays + np.float32(pan * width / focal * seconds)) * depth
            x = np.broadcast_to(start + speed * seconds + depth, across.shape)
            y = across + np.float32(512 + 6 * math.sin(0.5 * seconds))
            land = cv2.remap(heights, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
            paint = cv2.remap(colors, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
            rough = cv2.remap(grain, 2.5 * x, 2.5 * y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)[:, :, None]
            ground = (paint * (clear_air + rough * near) + haze_color).clip(0, 255).astype(np.uint8)
            row = (horizon + (eye - land) * (focal / depth)).clip(0, height).astype(np.int32)
            row = np.minimum.accumulate(row, axis=0)
            # Each pixel shows the nearest slice whose top is at or above it: count the slices that end below it.
            hidden = np.bincount((row * columns.size + columns).ravel(), minlength=(height + 1) * columns.size)
            slices = hidden.astype(np.int16).reshape(height + 1, -1)[::-1].cumsum(axis=0, dtype=np.int16)[::-1][1:]
            top = int(row.min())
            behind = slices[top:] >= len(depth)
            nearest = np.where(behind, len(depth) - 1, slices[top:]).astype(np.int64) * columns.size + columns
            # The blur hides that a near slice is some three rows high.
            front = cv2.GaussianBlur(ground.reshape(-1, 3)[nearest], (1, 3), 0.8)
            front = cv2.resize(front, (width, height - top))
            cover = cv2.resize((~behind).astype(np.float32), (width, height - top))
            frame = sky(seconds)
            frame[top:] = cv2.blendLinear(front, frame[top:], cover, 1 - cover)
            return frame

        return picture

    return make


def sea(rng: np.random.Generator, size: Size) -> Scene:
    """A low sun over waves: two layers of noise run across each other on a plane in perspective."""
    width, height = size
    evening = replace(CANYON, zenith=(150, 90, 60), horizon=(90, 170, 255), cloud=(170, 190, 255))
    sky = _sky(rng, size, evening, pan=0)
    top = int(0.45 * height)
    waves = fractal_noise(rng, (512, 512), cell=48, octaves=4, wrap=True)
    below = np.linspace(0.02, 1, height - top, dtype=np.float32)[:, None]
    distance = 26 / below
    half = width // 2  # As with land, half the columns do.
    across = np.linspace(-2.4, 2.4, half, dtype=np.float32)[None, :] * distance
    away = np.broadcast_to(distance * 3, across.shape)
    sun_x, sun_y = int(width * rng.uniform(0.35, 0.65)), int(0.33 * height)
    glow = np.zeros((height, width), np.float32)
    cv2.circle(glow, (sun_x, sun_y), height // 16, 255, -1, cv2.LINE_AA)
    glow = cv2.GaussianBlur(glow, None, 1) + 1.6 * cv2.GaussianBlur(glow, None, height / 9)
    glow_color = cv2.merge([0.55 * glow, 0.8 * glow, glow]).clip(0, 255).astype(np.uint8)[:top]
    column = np.exp(-(((np.linspace(0, width, half)[None, :] - sun_x) / width / (0.05 + 0.12 * below)) ** 2)).astype(
        np.float32
    )
    shade = np.linspace(0, 1, height - top, dtype=np.float32)[:, None, None]
    water = np.array((120, 130, 190), np.float32) * (1 - shade) + np.array((85, 50, 20), np.float32) * shade

    def picture(seconds: float) -> Image:
        drift = np.float32(26 * seconds)
        near = cv2.remap(waves, 1.5 * across + drift, 2 * away + drift, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        far = cv2.remap(waves, 3.1 * across - drift, 3.7 * away + drift, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        swell = near + far
        glint = 420 * column * np.maximum(swell - 1.02, 0)
        frame = sky(seconds)
        frame[:top] = cv2.add(frame[:top], glow_color)
        lit = water * (0.35 + 0.65 * swell[:, :, None])
        lit += glint[:, :, None] * np.array((1.2, 2.0, 2.4), np.float32)
        frame[top:] = cv2.resize(np.minimum(lit, 255).astype(np.uint8), (width, height - top))
        return frame

    return picture


def _land(rng: np.random.Generator, palette: Palette) -> tuple[Floats, Image]:
    """Heights and lit colours of a square tile that repeats seamlessly: (1024, 1024) and (1024, 1024, 3)."""
    rough = fractal_noise(rng, (1024, 1024), cell=256, octaves=5 if palette.sharp_ridges else 3, wrap=True)
    if palette.sharp_ridges:
        rough = (1 - np.abs(2 * rough - 1)) ** 1.5 * (0.2 + rough)
        rough = 0.8 * cv2.GaussianBlur(rough, None, 9.0) + 0.2 * cv2.GaussianBlur(rough, None, 4.0)
    heights = palette.relief * cv2.normalize(rough, None, 0, 1, cv2.NORM_MINMAX)
    detail = fractal_noise(rng, (1024, 1024), cell=32, octaves=5, wrap=True)
    stops = np.array([palette.low, palette.middle, palette.high], dtype=np.float32)
    slope = 1.6 if palette.sharp_ridges else 2.2  # Snow lies on the highest ridges only.
    level = np.clip((heights / palette.relief + 0.5 * (detail - 0.5)) * slope - 0.2, 0, 1.999)
    index = level.astype(np.int64)
    blend = (level - index)[:, :, None]
    colors = stops[index] * (1 - blend) + stops[index + 1] * blend
    bumps = heights + (16 if palette.sharp_ridges else 3) * detail
    light = (np.roll(bumps, 1, 1) - np.roll(bumps, -1, 1)) * 0.6 + (np.roll(bumps, 1, 0) - np.roll(bumps, -1, 0)) * 0.8
    colors = colors * np.clip(0.85 + 0.28 * light + 0.3 * (detail - 0.5), 0.25, 1.25)[:, :, None]
    lake = heights < palette.sea_level
    colors[lake] = np.array(palette.water, dtype=np.float32) * (0.8 + 0.5 * detail[lake, None])
    return np.maximum(heights, palette.sea_level), np.clip(colors, 0, 255).astype(np.uint8)


def _sky(rng: np.random.Generator, size: Size, palette: Palette, pan: float) -> Scene:
    """A gradient with a deck of clouds in perspective, drifting, seen by a camera that pans `pan` widths a second."""
    width, height = size
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    rise = np.clip(rows / 0.45, 0, 1)
    zenith, horizon = np.array(palette.zenith, dtype=np.float32), np.array(palette.horizon, dtype=np.float32)
    clear = np.broadcast_to(zenith * (1 - rise) + horizon * rise, (height, width, 3)).astype(np.uint8)
    deck = np.clip((fractal_noise(rng, (1024, 1024), cell=128, octaves=6, wrap=True) - 0.47) * 4, 0, 1)
    top = int(0.45 * height)
    clouds = np.full((top, width, 3), palette.cloud, np.uint8)
    distance = 60 / (0.06 + (1 - rows[:top:2, :, 0] / 0.45))
    rays = np.linspace(-2.5, 2.5, width // 2, dtype=np.float32)
    fade = np.clip(1.1 - rows[:top:2, :, 0] / 0.45, 0, 1)

    def picture(seconds: float) -> Image:
        x = (rays + np.float32(5 * pan * seconds)) * distance
        y = np.broadcast_to(distance * 2 + np.float32(12 * seconds), x.shape)
        cover = cv2.remap(deck, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP) * fade
        frame = clear.copy()
        cover = cv2.resize(cover, (width, top), interpolation=cv2.INTER_LINEAR)
        frame[:top] = cv2.blendLinear(clear[:top], clouds, 1 - cover, cover)
        return frame

    return picture


def fractal_noise(
    rng: np.random.Generator, shape: tuple[int, int], *, cell: float, octaves: int, wrap: bool = False
) -> Floats:
    """Fractal noise in 0..1: random grids of halving cell size, each at half the weight of the one before."""
    height, width = shape
    total = np.zeros(shape, dtype=np.float32)
    for octave in range(octaves):
        step = cell / 2**octave
        grid = rng.random((max(2, round(height / step)), max(2, round(width / step))), dtype=np.float32)
        pad = 2 if wrap else 0
        padded = np.pad(grid, pad, mode="wrap")
        big = cv2.resize(
            padded, None, fx=width / grid.shape[1], fy=height / grid.shape[0], interpolation=cv2.INTER_CUBIC
        )
        y, x = (round(pad * length / cells) for length, cells in zip(shape, grid.shape, strict=True))
        total += 0.5**octave * big[y : y + height, x : x + width]
    scaled: Floats = cv2.normalize(total, None, 0, 1, cv2.NORM_MINMAX)
    return scaled
