"""HDR and wide gamut as an SDR screen shows them: BT.709 primaries, full-range 8 bits.

The light is that of ITU-R BT.2100's displays (PQ's EOTF; HLG's with the system gamma 1.2 of a 1000 cd/m2 display). SDR
white stands at 203 cd/m2, HDR's reference white (ITU-R BT.2408, 2.1), and is shown with BT.1886's gamma, so that SDR
which was put into an HDR container as BT.2408 says comes out as it went in. What is brighter is rolled off by the curve
that FFmpeg's and libplacebo's tone mappers call Moebius: a straight line up to `KNEE`, and from there, without a kink,
a hyperbola that meets 1 at the brightest the format can say. It works on the largest of R, G and B, so that hues stay.
Colours outside of BT.709 are clipped (ITU-R BT.2407, 2).

A colour costs a look into a table: luma in 1024 levels, chroma interpolated between 33 nodes each way, which stand
closer where colours are: near grey.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from preprocess.light import LUMA_WEIGHTS, Light, to_rgb
from preprocess.planes import AnyPlane

REFERENCE_WHITE = 203.0
"""cd/m2."""
DISPLAY_GAMMA = 2.4
"""ITU-R BT.1886."""
KNEE = 0.9
"""Of the SDR signal: skin and paper lie below, so that only highlights give way. Reference white comes out at 0.95."""
PEAK = {"pq": 10_000.0, "hlg": 1000.0, "sdr": REFERENCE_WHITE}
"""cd/m2 at full signal."""
LUMA_LEVELS, CHROMA_NODES = 1024, 33
BEND = 0.1
"""Chroma at which nodes are four times as far apart as at grey; that of real films in PQ is seldom more than 0.2."""
_TILES = 32
"""The table is a picture of 32 x 32 tiles, one a luma level, of 33 x 33 chroma nodes each."""

Floats = npt.NDArray[np.float64]
Output = Literal["ycbcr", "rgb"]

_WHITE = (0.3127, 0.3290)
_CHROMATICITIES = {
    "bt709": ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    "bt2020": ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    "p3": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""x and y of R, G and B; white is D65 (SMPTE RP 431-2's own white is not kept: it would turn greys green)."""


def toned(luma: AnyPlane, cb: AnyPlane, cr: AnyPlane, light: Light, bits: int, output: Output) -> npt.NDArray[np.uint8]:
    """uint8 (h, w, 3), full-range BT.709 YCbCr or RGB, of three planes (h, w) of `bits` each, as coded."""
    level = luma >> (bits - 10) if bits > 10 else luma.astype(np.uint16) << (10 - bits)
    level = np.minimum(level, LUMA_LEVELS - 1)
    across, down = _tile_corners()
    place = _chroma_places(bits)
    x, y = cv2.add(across[level], place[cr]), cv2.add(down[level], place[cb])
    shown: npt.NDArray[np.uint8] = cv2.remap(_table(light, output), x, y, cv2.INTER_LINEAR)
    return shown


@lru_cache
def _tile_corners() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    level = np.arange(LUMA_LEVELS)
    across, down = (np.asarray(part * CHROMA_NODES, np.float32) for part in (level % _TILES, level // _TILES))
    return across, down


@lru_cache
def _chroma_places(bits: int) -> npt.NDArray[np.float32]:
    """Where among the nodes each coded level of chroma lies."""
    chroma = np.arange(1 << bits) / (1 << bits) - 0.5
    bent = chroma / (np.abs(chroma) + BEND)
    most = 0.5 / (0.5 + BEND)
    return ((bent / most + 1) * ((CHROMA_NODES - 1) / 2)).astype(np.float32)


def _chroma_nodes() -> Floats:
    """The level of each node over the range, around 0: the inverse of `_chroma_places`."""
    bent = np.linspace(-1, 1, CHROMA_NODES) * 0.5 / (0.5 + BEND)
    return np.asarray(BEND * bent / (1 - np.abs(bent)))


@lru_cache(maxsize=8)
def _table(light: Light, output: Output) -> npt.NDArray[np.uint8]:
    """What each node is shown as: (32 * 33, 32 * 33, 3)."""
    shown = _nodes_shown(light)
    eight = np.clip(np.rint((_ycbcr_709(shown) if output == "ycbcr" else shown) * 255), 0, 255).astype(np.uint8)
    tiles = eight.reshape(_TILES, _TILES, CHROMA_NODES, CHROMA_NODES, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(tiles.reshape(_TILES * CHROMA_NODES, _TILES * CHROMA_NODES, 3))


@lru_cache(maxsize=1)
def _nodes_shown(light: Light) -> Floats:
    """R'G'B' of 0-1, by luma level, Cb node and Cr node: (1024, 33, 33, 3)."""
    level = np.arange(LUMA_LEVELS) / (LUMA_LEVELS - 1)
    node = _chroma_nodes()
    if light.full_range:
        luma, chroma = level, node * 256 / 255
    else:
        luma, chroma = (level * 255.75 - 16) / 219, node * 256 / 224
    red, blue = LUMA_WEIGHTS[light.matrix]
    y, cb, cr = luma[:, None, None], chroma[None, :, None], chroma[None, None, :]
    r, b = y + 2 * (1 - red) * cr + 0 * cb, y + 2 * (1 - blue) * cb + 0 * cr
    g = (y - red * r - blue * b) / (1 - red - blue)
    return displayed(np.stack([r, g, b], axis=-1), light)


def displayed(signal_rgb: Floats, light: Light) -> Floats:
    """Non-linear R'G'B' (..., 3) of a frame's own kind, 0-1, as those of a BT.709 screen, 0-1."""
    nits = _nits(np.clip(signal_rgb, 0, 1), light)
    linear = np.clip(nits @ _to_709(light.primaries).T / REFERENCE_WHITE, 0, None)
    signal = linear ** (1 / DISPLAY_GAMMA)
    brightest = signal.max(axis=-1, keepdims=True)
    rolled = _rolled_off(brightest, (PEAK[light.transfer] / REFERENCE_WHITE) ** (1 / DISPLAY_GAMMA))
    return np.asarray(np.clip(signal * (rolled / np.maximum(brightest, 1e-9)), 0, 1))


def _rolled_off(signal: Floats, peak: float) -> Floats:
    """1 is reference white before, and the screen's white after."""
    if peak <= 1:
        return np.minimum(signal, 1.0)
    over, most = (signal - KNEE) / (1 - KNEE), (peak - KNEE) / (1 - KNEE)
    curve = KNEE + (1 - KNEE) * over / (1 + over * (most - 1) / most)
    return np.asarray(np.where(signal <= KNEE, signal, np.minimum(curve, 1.0)), np.float64)


def _nits(signal: Floats, light: Light) -> Floats:
    """Light of the display in cd/m2 for R'G'B' of 0-1: ITU-R BT.2100, tables 4 and 5, and BT.1886."""
    if light.transfer == "pq":
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
        root = signal ** (1 / m2)
        return np.asarray(10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1))
    if light.transfer == "hlg":
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
        luminance = scene @ np.array([0.2627, 0.6780, 0.0593])
        return np.asarray(PEAK["hlg"] * scene * luminance[..., None] ** 0.2)
    return np.asarray(REFERENCE_WHITE * signal**DISPLAY_GAMMA)


@lru_cache
def _to_709(primaries: str) -> Floats:
    """(3, 3): linear RGB of some primaries as that of BT.709."""
    return np.asarray(np.linalg.solve(_to_xyz("bt709"), _to_xyz(primaries)), np.float64)


def _to_xyz(primaries: str) -> Floats:
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in _CHROMATICITIES[primaries]]).T
    x, y = _WHITE
    return np.asarray(columns * np.linalg.solve(columns, np.array([x / y, 1, (1 - x - y) / y])))


def _ycbcr_709(rgb: Floats) -> Floats:
    """R'G'B' of 0-1 as Y, Cb and Cr of 0-1, chroma around 128 / 255."""
    rgb_from = to_rgb("bt709").astype(np.float64)[:, :3]
    return np.asarray(rgb @ np.linalg.inv(rgb_from).T + np.array([0, 128 / 255, 128 / 255]))
