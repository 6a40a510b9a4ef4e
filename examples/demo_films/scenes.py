"""Synthetic scenes built from flat layers: rows of towers, trunks or flowers that slide past each other.

They come and go as the landscapes of `examples.demo_films.landscapes` do.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from examples.demo_films.landscapes import Color, Image, Scene, Size, fractal_noise


def city(rng: np.random.Generator, size: Size) -> Scene:
    """A skyline after sunset, three rows of towers sliding past each other above still water."""
    width, height = size
    shore = int(0.78 * height)
    rise = np.linspace(0, 1, shore, dtype=np.float32)[:, None, None] ** 1.5
    dusk = np.array((95, 40, 30), np.float32) * (1 - rise) + np.array((110, 120, 235), np.float32) * rise
    sky = np.broadcast_to(dusk, (shore, width, 3)).astype(np.uint8)
    rows = [
        (cyclic(_towers(rng, (3 * width, shore), reach, tint, lit), width), speed)
        for reach, tint, lit, speed in (
            (0.50, (120, 85, 95), 0.15, 0.03), (0.72, (80, 50, 50), 0.35, 0.06), (0.55, (45, 28, 26), 0.55, 0.12),
        )
    ]  # fmt: skip
    depth = np.arange(height - shore, dtype=np.float32)[:, None]
    columns = np.arange(width, dtype=np.float32)[None, :]
    image_rows = np.repeat(shore - 1 - 2.6 * depth, width, axis=1)

    def picture(seconds: float) -> Image:
        frame = sky
        for layer, speed in rows:
            frame = _over(frame, window(layer, speed * width * seconds, width))
        ripple = columns + (0.6 + 0.08 * depth) * np.sin(depth * (9 / (6 + 0.25 * depth)) + 4 * seconds)
        mirrored = cv2.remap(frame, ripple, image_rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        water = cv2.addWeighted(mirrored, 0.6, np.full_like(mirrored, (60, 32, 20)), 0.4, 0)
        return np.vstack([frame, water])

    return picture


def _towers(rng: np.random.Generator, size: Size, reach: float, tint: Color, lit: float) -> Image:
    """A row of towers with lit windows, as premultiplied BGRA."""
    width, height = size
    layer = np.zeros((height, width, 4), np.uint8)
    x = 0
    while x < width:
        wide = int(rng.integers(26, 62))
        top = int(height * (1 - reach * rng.uniform(0.35, 1)))
        color = np.array(tint) * rng.uniform(0.8, 1.15)
        layer[top:, x : x + wide, :3] = np.clip(color * np.linspace(0.8, 1.3, height - top)[:, None, None], 0, 255)
        layer[top:, x : x + wide, 3] = 255
        for row in range(top + 6, height - 4, 9):
            for column in range(x + 4, min(x + wide, width) - 6, 8):
                if rng.random() < lit:
                    glow = np.array((110, 195, 250)) * rng.uniform(0.6, 1)
                    layer[row : row + 5, column : column + 4, :3] = glow
        x += wide + int(rng.integers(0, 14))
    return layer


def birches(rng: np.random.Generator, size: Size) -> Scene:
    """A walk past birch trunks in an autumn wood."""
    width, height = size
    leaves = fractal_noise(rng, (height, 2 * width), cell=26, octaves=4, wrap=True)
    ground = np.linspace(0, 1, height, dtype=np.float32)[:, None] ** 3
    paint = np.stack([40 + 50 * leaves, 90 + 120 * leaves - 40 * ground, 190 + 65 * leaves - 60 * ground], axis=2)
    wood = cyclic(cv2.GaussianBlur(paint, None, 3).clip(0, 255).astype(np.uint8), width)
    layers = [
        (cyclic(_trunks(rng, (4 * width, height), thickness, light), width), speed)
        for thickness, light, speed in ((9, 0.55, 0.05), (17, 0.8, 0.09), (34, 1.0, 0.16))
    ]

    def picture(seconds: float) -> Image:
        frame = window(wood, 0.03 * width * seconds, width)
        for layer, speed in layers:
            frame = _over(frame, window(layer, speed * width * seconds, width))
        return frame

    return picture


def _trunks(rng: np.random.Generator, size: Size, thickness: int, light: float) -> Image:
    """White trunks with dark marks, as premultiplied BGRA."""
    width, height = size
    layer = np.zeros((height, width, 4), np.uint8)
    bark = fractal_noise(rng, (height, 256), cell=9, octaves=3)
    x = float(rng.uniform(0, 4 * thickness))
    while x < width - 3 * thickness:
        lean = rng.uniform(-0.06, 0.06)
        wide = max(4, int(thickness * rng.uniform(0.7, 1.2)))
        round_light = np.sin(np.linspace(0.35, 2.7, wide))[None, :, None]
        trunk = np.full((height, wide, 3), (205, 215, 225)) * round_light * light
        patch = bark[:, int(rng.integers(0, 256 - wide)) :][:, :wide]
        trunk[patch > 0.62] *= 0.3
        shear = np.array([[1, lean, x], [0, 1, 0]], np.float32)
        full = np.dstack([trunk, np.full((height, wide), 255)]).clip(0, 255).astype(np.uint8)
        layer = _over_at(layer, full, shear)
        x += thickness * rng.uniform(2.5, 7)
    return layer


def fields(rng: np.random.Generator, size: Size) -> Scene:
    """Farmland from above, slowly turning under the camera."""
    side = 1400
    canvas = _patchwork(rng, side)
    width, height = size
    heading = float(rng.uniform(0, 360))

    def picture(seconds: float) -> Image:
        zoom = 1.0 + 0.02 * seconds
        matrix = cv2.getRotationMatrix2D((side / 2, side / 2), heading + 3 * seconds, zoom)
        matrix[:, 2] += (width / 2 - side / 2 - 22 * (seconds - 4), height / 2 - side / 2)
        turned: Image = cv2.warpAffine(canvas, matrix, size, borderMode=cv2.BORDER_REFLECT)
        return turned

    return picture


def whip_pan(rng: np.random.Generator, size: Size) -> Scene:
    """The same farmland rushing past a shaken camera, at 130 % of the width a second: too fast to be of use."""
    width, height = size
    strip = cyclic(_patchwork(rng, 1400), width)

    def picture(seconds: float) -> Image:
        top = int(520 + 0.2 * height * math.sin(9 * seconds))
        return window(strip[top : top + height], 1.3 * width * seconds, width)

    return picture


def _patchwork(rng: np.random.Generator, side: int) -> Image:
    """Fields of different crops with furrows, hedges between them, and trees with shadows."""
    crops = np.array([(60, 140, 110), (70, 190, 215), (50, 110, 70), (90, 130, 165), (75, 165, 140), (60, 200, 225)])
    sites = rng.uniform(0, side, (70, 2)).astype(np.float32)
    bend = [60 * (fractal_noise(rng, (side // 2, side // 2), cell=200, octaves=3) - 0.5) for _ in range(2)]
    half_y, half_x = 2 * np.indices((side // 2, side // 2), dtype=np.float32) + np.array(bend)
    owner = np.zeros(half_x.shape, np.uint8)
    nearest = np.full(half_x.shape, np.inf, np.float32)
    for site, (x, y) in enumerate(sites):
        gap = np.abs(half_x - x) + 1.3 * np.abs(half_y - y)
        owner[gap < nearest] = site
        np.minimum(nearest, gap, out=nearest)
    owner = cv2.resize(owner, (side, side), interpolation=cv2.INTER_NEAREST)
    angles, pitches = rng.uniform(0, math.pi, len(sites)), rng.uniform(0.5, 1.1, len(sites))
    along, down = ((pitches * wave(angles)).astype(np.float32)[owner] for wave in (np.cos, np.sin))
    full = np.arange(side, dtype=np.float32)
    furrow = np.sin(full[None, :] * along + full[:, None] * down)
    soil = fractal_noise(rng, (side, side), cell=60, octaves=6)
    shade = 0.72 + 0.5 * soil + 0.09 * furrow
    paint = crops[rng.integers(0, len(crops), len(sites))[owner]] * shade[:, :, None]
    hedge = cv2.morphologyEx(owner, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8))
    paint[hedge > 0] = np.array((45, 85, 55)) * (0.5 + soil[hedge > 0, None])
    canvas: Image = paint.clip(0, 255).astype(np.uint8)
    rows, columns = np.nonzero(hedge)
    for pick in rng.integers(0, len(rows), 420):
        at, radius = (int(columns[pick]), int(rows[pick])), int(rng.integers(4, 9))
        cv2.circle(canvas, (at[0] + 4, at[1] + 4), radius, (25, 45, 30), -1, cv2.LINE_AA)
        cv2.circle(canvas, at, radius, (40, int(rng.integers(80, 130)), 60), -1, cv2.LINE_AA)
        cv2.circle(canvas, (at[0] - 2, at[1] - 2), radius // 2, (70, 160, 110), -1, cv2.LINE_AA)
    return canvas


def flowers(rng: np.random.Generator, size: Size) -> Scene:
    """Poppies and daisies close up, swaying before a soft meadow."""
    width, height = size
    green = fractal_noise(rng, (height, 2 * width), cell=70, octaves=4, wrap=True)
    meadow = np.stack([40 + 60 * green, 110 + 110 * green, 70 + 80 * green], axis=2)
    layers = []
    for count, radius, blur in ((60, 13, 2.2), (26, 26, 0.0), (10, 44, 0.0)):
        layer = np.zeros((height, 2 * width, 4), np.uint8)
        for _ in range(count):
            at = (int(rng.integers(radius, 2 * width - radius)), int(rng.uniform(0.2, 0.95) * height))
            _flower(rng, layer, at, radius * rng.uniform(0.75, 1.2))
        layers.append(cyclic(cv2.GaussianBlur(layer, None, blur) if blur else layer, width))
    back = cyclic(meadow.clip(0, 255).astype(np.uint8), width)

    def picture(seconds: float) -> Image:
        frame = window(back, 0.02 * width * seconds, width)
        for order, layer in enumerate(layers):
            sway = 0.01 * (order + 1) * math.sin(1.7 * seconds + order)
            frame = _over(frame, window(layer, (0.03 * (order + 1) * seconds + sway) * width, width))
        return frame

    return picture


def _flower(rng: np.random.Generator, layer: Image, at: tuple[int, int], radius: float) -> None:
    petals = [(60, 60, 225), (245, 245, 250), (215, 95, 170), (60, 190, 250)][int(rng.integers(0, 4))]
    stem = (at[0] + int(rng.integers(-20, 20)), layer.shape[0])
    cv2.line(layer, at, stem, (50, 120, 60, 255), max(2, int(radius / 8)), cv2.LINE_AA)
    count, turn = int(rng.integers(6, 11)), float(rng.uniform(0, 1))
    for petal in range(count):
        angle = 2 * math.pi * (petal / count + turn)
        tip = (int(at[0] + 0.6 * radius * math.cos(angle)), int(at[1] + 0.6 * radius * math.sin(angle)))
        color = tuple(float(c) for c in np.array(petals) * rng.uniform(0.8, 1))
        axes = (int(0.48 * radius), int(0.24 * radius))
        cv2.ellipse(layer, tip, axes, math.degrees(angle), 0, 360, (*color, 255), -1, cv2.LINE_AA)
    cv2.circle(layer, at, max(2, int(0.27 * radius)), (40, 150, 235, 255), -1, cv2.LINE_AA)
    cv2.circle(layer, at, max(1, int(0.15 * radius)), (30, 90, 150, 255), -1, cv2.LINE_AA)


def balls(rng: np.random.Generator, size: Size) -> Scene:
    """Glossy balls bouncing on a floor before a tiled wall."""
    width, height = size
    floor = int(0.72 * height)
    back = np.empty((height, width, 3), np.uint8)
    back[:floor] = np.linspace((215, 190, 150), (250, 235, 215), floor)[:, None]
    back[floor:] = np.linspace((200, 175, 150), (150, 120, 100), height - floor)[:, None]
    tiles = 0.85 + 0.3 * fractal_noise(rng, (height, width), cell=30, octaves=5)
    tiles[36:floor:36] *= 0.75
    tiles[:floor, ::36] *= 0.75
    back = (back * tiles[:, :, None]).clip(0, 255).astype(np.uint8)
    hues = [
        (60, 60, 230),
        (60, 180, 250),
        (90, 190, 80),
        (220, 130, 50),
        (190, 80, 200),
        (200, 190, 60),
        (90, 120, 240),
    ]
    sprites = [_ball(int(rng.integers(26, 56)), hue) for hue in hues]
    starts = (np.arange(len(hues)) + rng.uniform(0.2, 0.8, len(hues))) / len(hues)
    paces, hops, lanes = (
        rng.uniform(0.05, 0.13, len(hues)),
        rng.uniform(0.7, 1.3, len(hues)),
        rng.uniform(0, 1, len(hues)),
    )
    order = np.argsort(lanes)

    def picture(seconds: float) -> Image:
        frame = back.copy()
        for ball in order:
            sprite = sprites[ball]
            radius = sprite.shape[0] / 2
            base = floor + (0.2 + 0.7 * lanes[ball]) * (height - floor)
            path = (starts[ball] + paces[ball] * seconds) % 2
            x = (path if path < 1 else 2 - path) * (width - 2 * radius) + radius
            beat = (hops[ball] * seconds + lanes[ball]) % 1
            lift = 4 * beat * (1 - beat) * 0.5 * height
            shadow = (int(x), int(base)), (int(radius * 0.9), int(radius * 0.22))
            cv2.ellipse(frame, *shadow, 0, 0, 360, (135, 108, 92), -1, cv2.LINE_AA)
            frame = _over_at(
                frame, sprite, np.array([[1, 0, x - radius], [0, 1, base - lift - 2 * radius]], np.float32)
            )
        return frame

    return picture


def _ball(radius: int, hue: Color) -> Image:
    """A lit sphere as premultiplied BGRA."""
    y, x = np.mgrid[-1 : 1 : 2j * radius, -1 : 1 : 2j * radius]
    inside = np.clip((1 - np.hypot(x, y)) * radius, 0, 1)
    z = np.sqrt(np.clip(1 - x * x - y * y, 0, 1))
    light = np.clip(0.35 + 0.75 * (-0.5 * x - 0.6 * y + 0.62 * z), 0.2, 1.1)
    shine = np.clip(-0.5 * x - 0.6 * y + 0.62 * z, 0, 1) ** 30
    color = np.clip(np.array(hue) * light[:, :, None] + 200 * shine[:, :, None], 0, 255)
    return np.dstack([color * inside[:, :, None], 255 * inside]).astype(np.uint8)


def cyclic(strip: Image, width: int) -> Image:
    """A strip that a `window` of `width` can run along for ever: its beginning is repeated after its end."""
    return np.hstack([strip, strip[:, : width + 1]])


def window(strip: Image, x: float, width: int) -> Image:
    """`width` columns of a cyclic strip from `x` (a fraction of a pixel too) on, round and round."""
    whole, part = divmod(x % (strip.shape[1] - width - 1), 1)
    left = int(whole)
    near, far = strip[:, left : left + width], strip[:, left + 1 : left + 1 + width]
    between: Image = cv2.addWeighted(near, 1 - part, far, part, 0)
    return between


def _over(back: Image, front: Image) -> Image:
    """Premultiplied BGRA `front` laid over `back` (BGR or BGRA) of the same size."""
    see_through = cv2.merge([255 - front[:, :, 3]] * back.shape[2])
    color = front if back.shape[2] == 4 else cv2.cvtColor(front, cv2.COLOR_BGRA2BGR)
    laid: Image = cv2.add(cv2.multiply(back, see_through, scale=1 / 255), color)
    return laid


def _over_at(back: Image, sprite: Image, matrix: npt.NDArray[np.float32]) -> Image:
    """A small premultiplied BGRA sprite moved by `matrix` (2, 3) and laid over `back`, in place."""
    height, width = sprite.shape[:2]
    corners = matrix @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]], np.float32)
    left, top = (max(0, int(edge) - 1) for edge in corners.min(axis=1))
    right, bottom = (int(edge) + 2 for edge in corners.max(axis=1))
    target = back[top:bottom, left:right]
    if target.size:
        moved = matrix - np.array([[0, 0, left], [0, 0, top]], np.float32)
        target[:] = _over(target, cv2.warpAffine(sprite, moved, (target.shape[1], target.shape[0])))
    return back
