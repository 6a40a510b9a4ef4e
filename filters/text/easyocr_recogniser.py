"""EasyOCR's recognisers: a CRNN reads pictures of lines in batches.

EasyOCR's `Reader` is not used: it unpickles its files, refuses those whose MD5 it does not know, and downloads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from filters.towers.batches import Batches, device, load_model

Gray = npt.NDArray[np.uint8]
"""(H, W)."""
Reading = tuple[str, float]
"""A line, and how sure the recogniser is of it, 0..1: EasyOCR's product of the character probabilities, raised to
2 / sqrt(their number)."""

RECOGNISERS: dict[str, tuple[str, str]] = {
    "english_g2": ("english_g2.pth", ""),
    "latin_g2": (
        "latin_g2.pth",
        "af az bs cs cy da de es et fr ga hr hu id is it ku la lt lv mi ms mt nl no oc pi pl pt ro rs_latin sk sl sq "
        "sv sw tl tr uz vi",
    ),
    "zh_sim_g2": ("zh_sim_g2.pth", "ch_sim"),
    "zh_tra_g1": ("chinese.pth", "ch_tra"),
    "japanese_g2": ("japanese_g2.pth", "ja"),
    "korean_g2": ("korean_g2.pth", "ko"),
    "thai_g1": ("thai.pth", "th"),
    "tamil_g1": ("tamil.pth", "ta"),
    "telugu_g2": ("telugu.pth", "te"),
    "kannada_g2": ("kannada.pth", "kn"),
    "bengali_g1": ("bengali.pth", "bn as"),
    "arabic_g1": ("arabic.pth", "ar fa ug ur"),
    "devanagari_g1": ("devanagari.pth", "hi mr ne bh mai ang bho mah sck new gom"),
    "cyrillic_g2": (
        "cyrillic_g2.pth",
        "ru rs_cyrillic be bg uk mn abq ady kbd ava dar inh che lbe lez tab tjk",
    ),
}
"""EasyOCR 1.7's networks: the file, and the languages it reads besides English (`en`). Repeated from its `config` and
`Reader`, since a missing file is to be found without importing it, which takes torch."""
LINE_HEIGHT = 64
"""Pixels, of a line as the recogniser sees it."""
FAINT, FAINT_CONTRAST = 0.1, 0.5
"""A line that is read with less confidence is read again with its contrast raised to this, as EasyOCR does."""


def recogniser_for(languages: str) -> str:
    """The network, a key of `RECOGNISERS`, that reads all of the comma-separated `languages`.

    Raises:
        ValueError: there is none.
    """
    asked = {language.strip() for language in languages.split(",")} - {"en"}
    for network, (_, readable) in RECOGNISERS.items():
        if asked <= set(readable.split()):
            return network
    known = " | ".join(readable for _, readable in RECOGNISERS.values() if readable)
    raise ValueError(f"languages is {languages!r}, must be en or some of one of these groups: {known}")


class Recogniser:
    """A CRNN for lines in some languages, on the GPU where there is one."""

    def __init__(self, file: Path, languages: str, batch_size: int) -> None:
        import easyocr.model.model as first
        import easyocr.model.vgg_model as second
        from easyocr.config import recognition_models
        from easyocr.utils import CTCLabelConverter

        network = recogniser_for(languages)
        generation, width, models = ("gen1", 512, first) if network.endswith("_g1") else ("gen2", 256, second)
        described = recognition_models[generation][network]
        self._converter = CTCLabelConverter(described["characters"])
        classes = len(self._converter.character)
        self._net = load_model(partial(models.Model, 1, width, width, classes), file)
        letters = set(described["symbols"]).union(*map(_letters_of, languages.split(",")))
        self._ignored = [n for n, character in enumerate(described["characters"], 1) if character not in letters]
        self._right_to_left = network == "arabic_g1"
        self._batches = Batches(batch_size)

    def read(self, crops: Sequence[Gray]) -> list[Reading]:
        """What each picture of one level line says."""
        readings = self._pass(crops, 0.0)
        faint = [index for index, (_, confidence) in enumerate(readings) if confidence < FAINT]
        for index, again in zip(faint, self._pass([crops[index] for index in faint], FAINT_CONTRAST), strict=True):
            readings[index] = max(readings[index], again, key=lambda reading: reading[1])
        if self._right_to_left:
            from bidi import get_display

            return [(get_display(line), confidence) for line, confidence in readings]
        return readings

    def _pass(self, crops: Sequence[Gray], contrast: float) -> list[Reading]:
        from easyocr.utils import compute_ratio_and_resize

        lines: list[Gray] = []
        by_width: defaultdict[int, list[int]] = defaultdict(list)
        for index, crop in enumerate(crops):
            line, ratio = compute_ratio_and_resize(crop, crop.shape[1], crop.shape[0], LINE_HEIGHT)
            lines.append(line)
            # Lines are padded to whole squares, so that a reading does not depend on the others in its batch.
            by_width[int(np.ceil(ratio)) * LINE_HEIGHT].append(index)
        found: dict[int, Reading] = {}
        for width, same in by_width.items():
            forward = partial(self._forward, width, contrast)
            found |= zip(same, self._batches.run(forward, [lines[index] for index in same]), strict=True)
        return [found[index] for index in range(len(crops))]

    def _forward(self, width: int, contrast: float, lines: Sequence[Gray]) -> list[Reading]:
        from easyocr.recognition import AlignCollate, recognizer_predict
        from PIL import Image

        batch = AlignCollate(LINE_HEIGHT, width, True, contrast)([Image.fromarray(line) for line in lines])
        # 0 / 0, where all probability is on letters of other languages, is read as a blank.
        with np.errstate(invalid="ignore"):
            found = recognizer_predict(
                self._net, self._converter, [batch], width // 10, self._ignored, {}, device=device()
            )
        return [(line, float(confidence)) for line, confidence in found]


def _letters_of(language: str) -> set[str]:
    import easyocr

    file = Path(easyocr.__file__).parent / "character" / f"{language.strip()}_char.txt"
    return set("".join(file.read_text("utf-8-sig").splitlines()))
