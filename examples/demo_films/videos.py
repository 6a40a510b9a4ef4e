"""Makes the demo's bucket: small videos with known cuts, and among them the files that real buckets trip over.

The project ships no footage. What it shows and tests itself on is drawn here, so that the truth is known exactly.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from itertools import accumulate, count
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from examples.demo_films.encode import write_video
from examples.demo_films.landscapes import ALPS, CANYON, DUNES, HILLS, Image, Scene, SceneMaker, Size, landscape, sea
from examples.demo_films.scenes import balls, birches, city, fields, flowers, whip_pan, window

Opening = Literal["cut", "dissolve", "black", "white"]
Effect = Callable[[Image, float], Image]
"""Changes one frame, given the seconds since the video's start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoTruth:
    """What is true of one demo video by construction."""

    name: str
    num_frames: int
    """Frames a decoder gets out of it; 0 where it cannot be read."""
    fps: Fraction | None
    """None where it cannot be read; the mean where the rate varies."""
    cuts: tuple[int, ...]
    """First frame of each shot that starts with a hard cut, but the first."""
    transitions: tuple[tuple[int, int], ...]
    """Half-open frame ranges of fades and dissolves."""
    expected: str
    """What becomes of its clips: `kept`, or what one of their reasons starts with; `failed` where the source is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One scene on screen for `seconds`, and how it begins."""

    scene: SceneMaker
    seconds: float
    opening: Opening = "cut"
    """`black` and `white` are fades: the shot before goes to that colour, this one comes out of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """Shots in a row: a video's truth and its pixels both follow from it."""

    name: str
    shots: tuple[Shot, ...]
    fps: Fraction = Fraction(24)
    size: Size = (640, 360)
    expected: str = "kept"
    effect: Effect | None = None
    turn_seconds: float = 0.5
    """Length of a dissolve, and of each half of a fade."""
    write: Callable[..., None] | None = None
    """`write(path, frames, fps=fps)`; None means `write_video`."""

    def starts(self) -> tuple[int, ...]:
        """First frame of each shot, then the number of frames of the film."""
        return tuple(accumulate((round(shot.seconds * self.fps) for shot in self.shots), initial=0))

    def truth(self) -> VideoTruth:
        """The cuts and transitions, counted in frames."""
        starts, turn = self.starts(), round(self.turn_seconds * self.fps)
        later = list(zip(starts[1:], self.shots[1:], strict=False))
        return VideoTruth(
            name=self.name,
            num_frames=starts[-1],
            fps=self.fps,
            cuts=tuple(at for at, shot in later if shot.opening == "cut"),
            transitions=tuple(
                (at if shot.opening == "dissolve" else at - turn, at + turn)
                for at, shot in later
                if shot.opening != "cut"
            ),
            expected=self.expected,
        )

    def frames(self, seed: int) -> Iterator[Image]:
        """Every frame in order, uint8 BGR (height, width, 3)."""
        starts, turn = self.starts(), round(self.turn_seconds * self.fps)
        scene: Scene | None = None
        for order, shot in enumerate(self.shots):
            rng = np.random.default_rng([seed, zlib.crc32(self.name.encode()), order])
            before, scene = scene, shot.scene(rng, self.size)
            following = self.shots[order + 1].opening if order + 1 < len(self.shots) else "cut"
            for frame in range(starts[order], starts[order + 1]):
                picture = scene(float((frame - starts[order]) / self.fps))
                done = (frame - starts[order] + 1) / (turn + 1)
                left = (starts[order + 1] - frame) / (turn + 1)
                if shot.opening == "dissolve" and before is not None and done < 1:
                    earlier = before(float((frame - starts[order - 1]) / self.fps))
                    picture = cv2.addWeighted(picture, done, earlier, 1 - done, 0)
                elif order and shot.opening in _FADE_LEVELS and done < 1:
                    picture = _toward(picture, _FADE_LEVELS[shot.opening], 1 - done)
                elif following in _FADE_LEVELS and left < 1:
                    picture = _toward(picture, _FADE_LEVELS[following], 1 - left)
                yield self.effect(picture, float(frame / self.fps)) if self.effect else picture


_FADE_LEVELS = {"black": 0, "white": 255}


def make_demo_videos(folder: Path, seed: int = 0) -> list[VideoTruth]:
    """Fill `folder` with the demo's videos and say what is true of them.

    Files that an earlier call with this seed completed are left as they are. `truth.json`, written last, tells them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "truth.json"
    sizes = _completed(record, seed)
    films = _films()
    truths = []
    for film in films:
        path = folder / film.name
        if not path.exists() or path.stat().st_size != sizes.get(film.name):
            (film.write or write_video)(path, film.frames(seed), fps=film.fps)
        truths.append(film.truth())
    for name, content in _broken_files(folder / films[0].name).items():
        if sizes.get(name) != len(content) or not (folder / name).exists():
            (folder / name).write_bytes(content)
        truths.append(VideoTruth(name=name, num_frames=0, fps=None, cuts=(), transitions=(), expected="failed"))
    videos = [asdict(truth) | {"size_bytes": (folder / truth.name).stat().st_size} for truth in truths]
    text = json.dumps({"seed": seed, "videos": videos}, indent=1, default=str, ensure_ascii=False) + "\n"
    if not record.exists() or record.read_text(encoding="utf-8") != text:
        unfinished = folder / ".part-truth.json"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(record)
    return truths


def _films() -> tuple[Film, ...]:
    """The readable videos. Neighbouring shots differ in colour and structure."""
    alps, canyon, dunes, hills = (landscape(palette) for palette in (ALPS, CANYON, DUNES, HILLS))
    ntsc = Fraction(30_000, 1001)
    return (
        Film(
            name="cuts.mp4",
            shots=(
                Shot(scene=alps, seconds=4), Shot(scene=flowers, seconds=3.5), Shot(scene=city, seconds=4.5),
                Shot(scene=dunes, seconds=3.25), Shot(scene=fields, seconds=5), Shot(scene=birches, seconds=4),
            ),
        ),
        Film(
            name="fades.mp4",
            fps=Fraction(25),
            shots=(
                Shot(scene=_panned(sea), seconds=4), Shot(scene=hills, seconds=5, opening="black"),
                Shot(scene=_panned(balls), seconds=4, opening="white"),
            ),
        ),
        Film(
            name="dissolves.mp4",
            fps=ntsc,
            turn_seconds=0.8,
            shots=(
                Shot(scene=fields, seconds=4.5), Shot(scene=canyon, seconds=5, opening="dissolve"),
                Shot(scene=flowers, seconds=5, opening="dissolve"),
            ),
        ),
        Film(
            name="titles.mp4",
            shots=(Shot(scene=dunes, seconds=4), Shot(scene=flowers, seconds=4)),
            effect=_with_text,
            expected="text_area:above",
        ),
        Film(
            name="still.mp4",
            fps=Fraction(25),
            shots=(Shot(scene=_frozen(hills), seconds=5),),
            effect=_with_noise,
            expected="motion:below",
        ),
        Film(name="frantic.mp4", shots=(Shot(scene=whip_pan, seconds=5),), expected="motion:above"),
        Film(name="small.mp4", shots=(Shot(scene=city, seconds=5),), effect=_enlarged, expected="visual_quality:below"),
        Film(name="blur.mp4", shots=(Shot(scene=flowers, seconds=5),), effect=_soft, expected="visual_quality:below"),
        Film(name="bars.mp4", shots=(Shot(scene=dunes, seconds=4), Shot(scene=city, seconds=4)), effect=_letterboxed),
        Film(
            name="phone.mp4",
            fps=Fraction(30),
            size=(360, 640),
            shots=(Shot(scene=_panned(balls), seconds=5),),
            write=_write_turned,
        ),
        Film(name="too short.mp4", shots=(Shot(scene=fields, seconds=2),), expected="duration_seconds:below"),
        Film(name="long take.mp4", shots=(Shot(scene=fields, seconds=25),)),
        Film(
            name="with sound.mp4",
            fps=ntsc,
            shots=(Shot(scene=_panned(sea), seconds=4),),
            write=partial(write_video, tone_hertz=220.0),
        ),
        Film(name="variable rate.mkv", shots=(Shot(scene=city, seconds=4),), write=_write_uneven),
        Film(name='- a "quoted" name, c\'est déjà 日本.mp4', shots=(Shot(scene=_panned(balls), seconds=4),)),
    )  # fmt: skip


def _broken_files(good: Path) -> dict[str, bytes]:
    """Files that no decoder opens: the index of an MP4 comes last, so half of one is lost with it."""
    content = good.read_bytes()
    return {
        "truncated.mp4": content[: len(content) // 2],
        "empty.mp4": b"",
        "notes.mp4": b"This is a text file that somebody named .mp4.\n",
    }


def _completed(record: Path, seed: int) -> dict[str, int]:
    """Sizes of the files that an earlier call with this seed finished, by name."""
    if not record.exists():
        return {}
    content = json.loads(record.read_text(encoding="utf-8"))
    return {video["name"]: video["size_bytes"] for video in content["videos"]} if content["seed"] == seed else {}


def _toward(picture: Image, level: int, share: float) -> Image:
    mixed: Image = cv2.convertScaleAbs(picture, alpha=1 - share, beta=level * share)
    return mixed


def _with_text(picture: Image, seconds: float) -> Image:
    """A title over the first four seconds, then subtitles."""
    height, width = picture.shape[:2]
    lines = (
        [("THE LONG ROAD HOME", 1.55, 0.47), ("a film about sand and flowers", 0.9, 0.62)]
        if seconds < 4
        else [("We should have turned left", 0.95, 0.84), ("at the purple daisies.", 0.95, 0.94)]
    )
    for text, scale, line in lines:
        (wide, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, scale, 2)
        at = ((width - wide) // 2, int(line * height))
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_DUPLEX, scale, (20, 20, 20), 6, cv2.LINE_AA)
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_DUPLEX, scale, (250, 250, 250), 2, cv2.LINE_AA)
    return picture


def _with_noise(picture: Image, seconds: float) -> Image:
    """Faint sensor noise, new in each frame: a still picture is never bit-equal in a real file."""
    noise = np.random.default_rng(round(seconds * 1000)).integers(-2, 3, picture.shape[:2], dtype=np.int8)
    grainy: Image = cv2.add(picture, cv2.merge([noise] * 3), dtype=cv2.CV_8U)
    return grainy


def _enlarged(picture: Image, seconds: float) -> Image:
    """Ten times, from what is as small as a thumbnail."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (width // 10, height // 10), interpolation=cv2.INTER_AREA)
    large: Image = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return large


def _soft(picture: Image, seconds: float) -> Image:
    blurred: Image = cv2.GaussianBlur(picture, None, 7)
    return blurred


def _letterboxed(picture: Image, seconds: float) -> Image:
    """Black bars above and below a picture of 2.35:1."""
    bar = round((picture.shape[0] - picture.shape[1] / 2.35) / 2)
    picture[:bar] = picture[-bar:] = 0
    return picture


def _frozen(maker: SceneMaker) -> SceneMaker:
    """A scene in which nothing ever moves."""

    def make(rng: np.random.Generator, size: Size) -> Scene:
        picture = maker(rng, size)(0.0)
        return lambda seconds: picture.copy()

    return make


def _panned(maker: SceneMaker) -> SceneMaker:
    """A scene seen by a camera that pans at 8 % of the width a second, for up to six seconds."""

    def make(rng: np.random.Generator, size: Size) -> Scene:
        width, height = size
        scene = maker(rng, (round(0.75 * width) * 2, height))
        return lambda seconds: window(scene(seconds), 0.08 * width * seconds, width)

    return make


def _write_turned(path: Path, frames: Iterable[Image], *, fps: Fraction) -> None:
    """As a phone held upright does: the picture lies on its side, and the header says how to turn it."""
    lying = (cv2.rotate(frame, cv2.ROTATE_90_COUNTERCLOCKWISE) for frame in frames)
    write_video(path, lying, fps=fps, rotation=90)


def _write_uneven(path: Path, frames: Iterable[Image], *, fps: Fraction) -> None:
    """From 1.5 s on, with every third frame shown late, as screen recorders and phones write it."""
    times = (Fraction(3, 2) + (index + Fraction(index % 3 == 2, 3)) / fps for index in count())
    write_video(path, frames, fps=fps, seconds=times)
