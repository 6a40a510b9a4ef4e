"""PP-OCRv6's recogniser: what a line says, and whether it is a line of text at all, in whatever script.

The network reads Latin, Greek, Chinese and Japanese. What it sees on its way to an answer, before the layer that names
characters, tells letters from texture in other scripts, too: `line_probe.npz` holds two small classifiers of these
features (probes, arXiv 1610.01644), which `benchmarks/text_probe.py` fits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from filters.onnx.session import session
from filters.onnx.weights import with_output, without_vanishing

PROBE_FILE = Path(__file__).parent / "line_probe.npz"
FEATURES = "p2o.pd_op.transpose.8.0"
"""Name of the tensor (1, steps, 120) from which the network's last layer makes characters."""
LINE_HEIGHT, LEAST_WIDTH = 48, 320
"""Pixels of the picture that the network takes, as rapidocr makes it: wider lines get wider pictures."""
BLANK = 0
"""Class that stands between characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the recogniser makes of the picture of one line."""

    line: str
    confidence: float
    """Mean probability of the characters, 0-1; 0 where there are none."""
    textness: float
    """Log odds of the first probe that this is text, in whatever script."""
    familiarity: float
    """Log odds of the second that, if it is text, its script is one that the recogniser reads."""


class LineReader:
    """The recogniser, on one thread of the CPU."""

    def __init__(self, models: Path) -> None:
        network = (models / "PP-OCRv6_rec_small.onnx").read_bytes()
        self._session = session(without_vanishing(with_output(network, FEATURES)))
        characters = self._session.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._characters = ["", *characters, " "]
        with np.load(PROBE_FILE, allow_pickle=False) as probe:
            self._probe = {name: probe[name].astype(np.float32) for name in probe.files}

    def read(self, crop: npt.NDArray[np.uint8]) -> Reading:
        """Of the picture (H, W, 3), BGR, of one level line."""
        probabilities, features = self._seen(crop)
        seen, probe = pooled(features), self._probe
        hidden = np.maximum(seen @ probe["hidden_weights"] + probe["hidden_bias"], 0)
        return Reading(
            line=self._line(probabilities),
            confidence=_confidence(probabilities),
            textness=float(hidden @ probe["text_weights"] + probe["text_bias"]),
            familiarity=float(seen @ probe["script_weights"] + probe["script_bias"]),
        )

    def features(self, crop: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """What the probes see of such a picture, (360,)."""
        return pooled(self._seen(crop)[1])

    def _seen(self, crop: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Probabilities of characters (steps, classes), and features (steps, 120) without those of the padding."""
        height, width = crop.shape[:2]
        canvas = int(LINE_HEIGHT * max(LEAST_WIDTH / LINE_HEIGHT, width / height))
        filled = min(canvas, math.ceil(LINE_HEIGHT * width / height))
        pixels = np.zeros((1, 3, LINE_HEIGHT, canvas), np.float32)
        pixels[0, :, :, :filled] = cv2.resize(crop, (filled, LINE_HEIGHT)).transpose(2, 0, 1) / np.float32(127.5) - 1
        (probabilities,), (features,) = self._session.run(None, {"x": pixels})
        return probabilities, features[: max(1, math.ceil(len(features) * filled / canvas))]

    def _line(self, probabilities: npt.NDArray[np.float32]) -> str:
        return "".join(self._characters[index] for index in probabilities.argmax(axis=1)[_spoken(probabilities)])


def pooled(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Features (steps, D) of a line of any length as one vector (3 D,): their mean, highest and lowest."""
    return np.concatenate([features.mean(axis=0), features.max(axis=0), features.min(axis=0)])


def _spoken(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """The steps (steps,) at which a character begins: CTC writes a long one several times."""
    best = probabilities.argmax(axis=1)
    begins: npt.NDArray[np.bool_] = best != BLANK
    begins[1:] &= best[1:] != best[:-1]
    return begins


def _confidence(probabilities: npt.NDArray[np.float32]) -> float:
    certain = probabilities.max(axis=1)[_spoken(probabilities)]
    return float(certain.mean()) if certain.size else 0.0
