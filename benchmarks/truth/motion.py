"""How true `motion` and `camera` are: against clips whose motion is known, and on takes of which only the light, the
focus or the noise was changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from benchmarks.truth.bounds import Bound, Bounds
from benchmarks.truth.material import Material
from benchmarks.truth.moving import AS_IS, SECONDS, SIZE, Change, Gray, Moving, scenes
from filters.motion import MotionScorer
from preprocess.clip import Clip, Source
from preprocess.decode import Video
from preprocess.frames import FrameView
from preprocess.observe import revisit

PICTURES = 4
"""Each kind of motion is made over so many pictures."""
TAKES = 8
"""So many takes are changed in every way."""
LEAST_MOTION = 0.03
"""Takes that move less have no ratio."""
CHANGES = {
    "light_x0.25": Change(light=0.25),
    "contrast_x0.3": Change(contrast=0.3),
    "noise_8": Change(noise=8),
    "blur_2_of_640": Change(blur=2),
}


BOUNDS: Bounds = {
    "pan*_error": Bound(most=0.04),
    "formats_error": Bound(most=0.04),
    "subject_*_error": Bound(most=0.3),
    "handheld_subject_*_error": Bound(most=0.3),
    "same_take_blur*": Bound(most=0.25),
    "same_take_*": Bound(most=0.15),
    "static_*": Bound(most=0.1),
    "words_wrong": Bound(most=0.0),
}


def rows(material: Material, seed: int) -> dict[str, float]:
    """The motions over pictures of the material, and its takes changed."""
    rng = np.random.default_rng(seed)
    pictures = [
        cv2.cvtColor(next(take.frames(take.size, start=take.num_frames // 2)), cv2.COLOR_BGR2GRAY)
        for take in material.chosen(rng, PICTURES)
    ]
    figures = tables(pictures, seed)
    takes = [_grays(list(take.frames(SIZE)), take.fps) for take in material.chosen(rng, TAKES, least_seconds=3.0)]
    return figures | changed(takes, seed)


def tables(pictures: Sequence[Gray], seed: int) -> dict[str, float]:
    """By kind of motion: the median error as a share of the true speed, or the median speed where nothing moves on; and
    the shares of the clips whose word for the camera is right, and wrong. That is one that is not the kind's, or
    `static` where the camera moves."""
    errors: dict[str, list[float]] = defaultdict(list)
    right, wrong = [], []
    for clip in scenes(pictures, np.random.default_rng(seed)):
        measured, word = _measured(clip, seed)
        kind = f"{clip.kind}_error" if clip.speed else f"{clip.kind}_percent_a_second"
        errors[kind].append(abs(measured / clip.speed - 1) if clip.speed else measured)
        if clip.word is None:
            wrong.append(word == "static" and clip.moves)
        else:
            right.append(word == clip.word)
            wrong.append(word is not None and word != clip.word)
    figures = {kind: float(np.median(all_)) for kind, all_ in errors.items()}
    return figures | {"words_right": float(np.mean(right)), "words_wrong": float(np.mean(wrong))}


def changed(takes: Sequence[tuple[list[Gray], float]], seed: int) -> dict[str, float]:
    """By change: the median error as a share of what the same take measures unchanged."""
    errors: dict[str, list[float]] = defaultdict(list)
    for pictures, fps in takes:
        plain, _ = _score(pictures, fps, AS_IS, seed)
        for name, change in CHANGES.items():
            if plain >= LEAST_MOTION:
                errors[name].append(abs(_score(pictures, fps, change, seed)[0] / plain - 1))
    return {f"same_take_{name}_error": float(np.median(all_)) for name, all_ in errors.items()}


def _grays(pictures: list[Gray], fps: float) -> tuple[list[Gray], float]:
    return [cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in pictures[: round(2 * SECONDS * fps)]], fps


def _measured(clip: Moving, seed: int) -> tuple[float, str | None]:
    pictures = (clip.look(number / clip.fps) for number in range(round(SECONDS * clip.fps)))
    return _score(pictures, clip.fps, clip.change, seed)


def _score(pictures: Iterator[Gray] | list[Gray], fps: float, change: Change, seed: int) -> tuple[float, str | None]:
    rng = np.random.default_rng(seed)
    with TemporaryDirectory() as folder:
        view = _view(Path(folder) / "clip.mp4", (change(picture, rng) for picture in pictures), fps)
    scores = MotionScorer().score(view)
    motion, word = scores["motion"], scores["camera"]
    assert isinstance(motion, float)
    assert word is None or isinstance(word, str)
    return motion, word


def _view(path: Path, pictures: Iterator[Gray], fps: float) -> FrameView:
    """Of a video of these pictures, as a run would see it."""
    count = 0
    with av.open(str(path), "w") as container:
        stream: VideoStream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.options = {"crf": "14", "preset": "ultrafast"}
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            if count == 0:
                stream.height, stream.width = picture.shape
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
            count += 1
        container.mux(stream.encode(None))
    with Video(Source(uri=str(path), size_bytes=path.stat().st_size, modified_ns=0)) as video:
        info = video.info
        clip = Clip(
            source_id=info.source_id,
            source_uri=str(path),
            start_pts=0,
            end_pts=round(count / info.fps / info.time_base),
            time_base=info.time_base,
            num_frames=count,
            fps=info.fps,
            width=info.width,
            height=info.height,
        )
        view = next(revisit(video, [clip])).view
    assert view is not None
    return view
