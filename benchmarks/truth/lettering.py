"""Lines of text in many scripts, drawn on pictures, with the corners of their ink: truth for what finds text.

Fonts are those of the machine (`fc-list`, from fontconfig); a script without one is left out. Pillow shapes Arabic,
Indic and other lines with Raqm, which its wheels bring along.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from benchmarks.truth.joins import blend
from examples.demo_films.landscapes import Image

LINES = {
    ("Latin", "en"): ("Where have you been all this time", "The last train leaves at nine", "Chapter three: the river"),
    ("Cyrillic", "ru"): ("Где ты был всё это время", "Последний поезд уходит в девять", "Глава третья: река"),
    ("Greek", "el"): ("Πού ήσουν όλο αυτό τον καιρό", "Εδώ στάση τρένου", "Πρέπει λοιπόν ύπνος"),
    ("Arabic", "ar"): ("أين كنت طوال هذا الوقت", "القطار الأخير يغادر في التاسعة", "ماذا تفعل هنا"),
    ("Hebrew", "he"): ("איפה היית כל הזמן הזה", "הרכבת האחרונה יוצאת בתשע", "מה אתה עושה כאן"),
    ("Devanagari", "hi"): ("तुम इतने समय कहाँ थे", "आखिरी ट्रेन नौ बजे जाती है", "तुम यहाँ क्या कर रहे हो"),
    ("Thai", "th"): ("คุณไปอยู่ที่ไหนมาตลอดเวลานี้", "รถไฟขบวนสุดท้ายออกเก้าโมง", "คุณทำอะไรที่นี่"),
    ("Korean", "ko"): ("그동안 어디에 있었어", "마지막 기차는 아홉 시에 떠난다", "여기서 뭐 하고 있어"),
    ("Chinese", "zh-cn"): ("这段时间你去哪儿了", "最后一班火车九点开", "我不知道该说什么"),
    ("Japanese", "ja"): ("今までどこにいたの", "最終列車は九時に出ます", "ここで何をしているの"),
    ("Bengali", "bn"): ("তুমি এতদিন কোথায় ছিলে", "শেষ ট্রেন নয়টায় ছাড়ে", "তুমি এখানে কী করছ"),
    ("Tamil", "ta"): ("இவ்வளவு நேரம் எங்கே இருந்தாய்", "கடைசி ரயில் ஒன்பது மணிக்கு", "நாம் உடனே போக வேண்டும்"),
    ("Telugu", "te"): ("ఇంతసేపు ఎక్కడ ఉన్నావు", "చివరి రైలు తొమ్మిది గంటలకు", "మనం వెంటనే వెళ్ళాలి"),
    ("Georgian", "ka"): ("სად იყავი მთელი ეს დრო", "ბოლო მატარებელი ცხრაზე გადის", "რას აკეთებ აქ"),
    ("Armenian", "hy"): ("Որտեղ էիր այսքան ժամանակ", "Վերջին գնացքը մեկնում է իննին", "Ինչ ես անում այստեղ"),
    ("Ethiopic", "am"): ("ይህን ሁሉ ጊዜ የት ነበርክ", "የመጨረሻው ባቡር በዘጠኝ ይሄዳል", "ወዲያውኑ መሄድ አለብን"),
    ("Khmer", "km"): ("តើអ្នកនៅឯណាពេលនេះ", "ខ្ញុំមិនដឹងថាត្រូវនិយាយអ្វី"),
    ("Burmese", "my"): ("ဒီအချိန်အထိ ဘယ်မှာရှိနေလဲ", "ဘာပြောရမှန်းမသိဘူး"),
}
"""By name of the script and a language that fontconfig knows it by."""
STYLES = ("outline", "plain", "plate", "shadow", "yellow")

Font = tuple[str, int]
"""File, and number of the face in it."""
Mask = npt.NDArray[np.float32]
"""(H, W), 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lettered:
    """A picture with a line."""

    image: Image
    corners: npt.NDArray[np.float32]
    """(4, 2), x and y in pixels: the rectangle around the line's ink, turned as the line is."""


def readable_here() -> dict[str, tuple[Sequence[str], Sequence[Font]]]:
    """Lines and fonts by script, of the scripts that this machine has a font for."""
    found = {script: (lines, fonts(language)) for (script, language), lines in LINES.items()}
    return {script: its for script, its in found.items() if its[1]}


@lru_cache
def fonts(language: str) -> tuple[Font, ...]:
    """Regular and bold faces of any family for a language, in order of file name; none without fontconfig."""
    asked = [f":lang={language}:style={style}:variable=false" for style in ("Regular", "Bold", "Book")]
    said = set[Font]()
    for pattern in asked:
        try:
            listed = subprocess.run(
                ["fc-list", "-f", "%{file}|%{index}\n", pattern], capture_output=True, text=True, check=False
            ).stdout
        except FileNotFoundError:
            return ()
        pairs = (line.split("|") for line in listed.splitlines())
        said |= {(file, int(index)) for file, index in pairs if file.endswith((".ttf", ".otf", ".ttc"))}
    return tuple(sorted(said))


def lettered(
    image: Image,
    line: str,
    font: Font,
    *,
    high: float,
    at: tuple[float, float] = (0.5, 0.88),
    degrees: float = 0.0,
    style: str = "outline",
) -> Lettered | None:
    """A copy of the picture (H, W, 3), BGR, with a line whose ink is `high` of the picture's height.

    `at` is the middle of the line, as shares of width and height; it is turned counterclockwise about it. None where
    the line does not fit in.
    """
    height, width = image.shape[:2]
    ink = _ink(line, font, max(4.0, high * height))
    centre = (at[0] * width, at[1] * height)
    turn = cv2.getRotationMatrix2D((ink.shape[1] / 2, ink.shape[0] / 2), degrees, 1)
    turn[:, 2] += (centre[0] - ink.shape[1] / 2, centre[1] - ink.shape[0] / 2)
    far = np.array([[[0, 0], [ink.shape[1], 0], ink.shape[::-1], [0, ink.shape[0]]]], np.float32)
    corners: npt.NDArray[np.float32] = cv2.transform(far, turn)[0]
    if (corners < 0).any() or (corners >= (width, height)).any():
        return None
    thick = max(1, round(high * height / 14))
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * thick + 1, 2 * thick + 1))
    fill = cv2.warpAffine(ink, turn, (width, height))
    back = {
        "outline": lambda: cv2.dilate(fill, around),
        "yellow": lambda: cv2.dilate(fill, around),
        "shadow": lambda: np.roll(cv2.GaussianBlur(cv2.dilate(fill, around), (0, 0), thick), thick, (0, 1)),
        "plate": lambda: cv2.warpAffine(np.ones_like(ink), turn, (width, height)),
        "plain": lambda: np.zeros_like(fill),
    }[style]()
    under = float(image[fill > 0.1].mean()) if (fill > 0.1).any() else 0.0
    shade = 15 if style == "plain" and under > 140 else 250
    colour = (60, 230, 250) if style == "yellow" else (shade, shade, shade)
    drawn = blend(image, np.zeros_like(image), back[..., None])
    drawn = blend(drawn, np.full_like(image, colour), fill[..., None])
    return Lettered(image=drawn, corners=corners)


@lru_cache(64)
def _ink(line: str, font: Font, high: float) -> Mask:
    """A line whose ink is that many pixels high, cut to its ink."""
    file, face = font
    trial = ImageFont.truetype(file, 64, index=face).getbbox(line)
    fitted = ImageFont.truetype(file, max(4, round(64 * high / max(1.0, trial[3] - trial[1]))), index=face)
    left, top, right, bottom = fitted.getbbox(line)
    page = PillowImage.new("L", (max(1, round(right - left)), max(1, round(bottom - top))))
    ImageDraw.Draw(page).text((-left, -top), line, 255, font=fitted)
    return np.asarray(page, np.float32) / np.float32(255)
