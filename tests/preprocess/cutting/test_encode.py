"""Files show what the clip shows at the same time: frame i of 16 fps is the one on screen after i/16 s."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import av.filter
import numpy as np
import pytest

from preprocess.cutting.format import CutFormat
from preprocess.errors import MediaError
from preprocess.light import to_rgb
from preprocess.picking import EARLY_SECONDS
from tests.preprocess.cutting.cuts import clip_of, cut, played
from tests.videos import COUNTER_BUILDERS, VARIABLE_SECONDS, anamorphic, counter_video, rotated, variable_rate

RATES = (Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60))


@pytest.mark.parametrize("target", [16.0, 24.0, 23.976])
@pytest.mark.parametrize("fps", RATES)
def test_frame_i_is_the_one_on_screen_then(fps: Fraction, target: float, tmp_path: Path) -> None:
    film = counter_video(tmp_path / "film.mp4", num_frames=80, fps=fps)
    clip = clip_of(film, 7, 71)
    form = CutFormat(fps=target)
    file, path = cut(clip, form, tmp_path)
    shown = played(path)
    assert form.rate is not None
    assert len(shown.numbers) == file.num_frames == form.num_frames(clip.duration_seconds, float(fps))
    for index, (number, seconds) in enumerate(zip(shown.numbers, shown.seconds, strict=True)):
        assert abs(seconds - index / form.rate) < Fraction(1, 10_000)
        at = index / form.rate + EARLY_SECONDS
        assert number == min(70, 7 + int(at * fps))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_rate_is_picked_by_time(suffix: str, tmp_path: Path) -> None:
    clip = clip_of(variable_rate(tmp_path / f"film{suffix}"), 4, 33)
    _, path = cut(clip, CutFormat(fps=24), tmp_path)
    for index, number in enumerate(played(path).numbers):
        at = VARIABLE_SECONDS[4] + Fraction(index, 24) + EARLY_SECONDS
        assert number == max(n for n in range(33) if VARIABLE_SECONDS[n] <= at)


@pytest.mark.parametrize("name", COUNTER_BUILDERS)
def test_as_they_are_every_frame_keeps_its_time(name: str, tmp_path: Path) -> None:
    clip = clip_of(COUNTER_BUILDERS[name](tmp_path / name), 5, 30)
    file, path = cut(clip, CutFormat(), tmp_path)
    shown = played(path)
    assert shown.numbers == list(range(5, 30))
    assert file.num_frames == 25
    assert shown.size == (clip.width // 2 * 2, clip.height // 2 * 2) == (file.width, file.height)
    spread = VARIABLE_SECONDS if name.startswith("variable") else [Fraction(index, 24) for index in range(36)]
    for index, seconds in enumerate(shown.seconds):
        assert abs(seconds - (spread[5 + index] - spread[5])) <= Fraction(1, 900)  # Matroska has milliseconds
    assert file.duration_seconds == pytest.approx(clip.duration_seconds)


@pytest.mark.parametrize("codec", ["h264", "h265", "av1", "vp9", "ffv1"])
def test_every_codec_has_every_frame(codec: str, tmp_path: Path) -> None:
    clip = clip_of(counter_video(tmp_path / "film.mp4"), 3, 28)
    file, path = cut(clip, CutFormat(codec=codec, frame_step=8, fps=24), tmp_path)  # type: ignore[arg-type]
    assert played(path).numbers == list(range(3, 28))
    assert (file.num_frames - 1) % 8 == 0


def test_rule_of_frames_and_sides(tmp_path: Path) -> None:
    clip = clip_of(counter_video(tmp_path / "film.mp4", size=(322, 182)), 0, 36)
    form = CutFormat(frame_step=4, max_frames=31, side_multiple=16, short_side=128)
    file, path = cut(clip, form, tmp_path)
    shown = played(path)
    assert shown.numbers == list(range(29))
    assert shown.size == (224, 128) == (file.width, file.height)
    assert file.duration_seconds == pytest.approx(29 / 24)


def test_portrait_stays_upright_and_pixels_become_square(tmp_path: Path) -> None:
    turned = clip_of(rotated(tmp_path / "turned.mp4"))
    _, path = cut(turned, CutFormat(short_side=64), tmp_path)
    assert played(path).size == (64, 114)
    assert played(path).numbers == list(range(36))
    wide = clip_of(anamorphic(tmp_path / "wide.mp4", pixel_aspect=Fraction(2)))
    _, path = cut(wide, CutFormat(fps=24), tmp_path)
    assert played(path).size == (320, 90)
    assert played(path).numbers == list(range(36))


def test_bars_are_cut_off_where_that_is_asked_for(tmp_path: Path) -> None:
    """The box holds the right lower quarter of the counter: its last two columns of the last row and a half."""
    clip = clip_of(counter_video(tmp_path / "film.mp4", size=(160, 96), num_frames=4))
    _, path = cut(clip, CutFormat(crop_bars=True), tmp_path, box=(79, 63, 160, 96))
    assert played(path).size == (80, 32)
    lights = played(path).last.to_ndarray(format="gray")[8:24].mean(axis=0)
    assert (lights[8:32].mean() > 128, lights[48:72].mean() > 128) == (True, True)  # 3: both low bits
    _, path = cut(clip, CutFormat(), tmp_path, box=(79, 63, 160, 96))
    assert played(path).size == (160, 96)


def test_missing_frames_and_short_clips_are_the_medias_fault(tmp_path: Path) -> None:
    clip = clip_of(counter_video(tmp_path / "film.mp4"))
    with pytest.raises(MediaError, match="frames_missing: 36 of 40"):
        cut(replace(clip, num_frames=40), CutFormat(), tmp_path)
    with pytest.raises(MediaError, match="too_short"):
        cut(clip, CutFormat(min_frames=37), tmp_path)
    with pytest.raises(MediaError, match="too_small: 160x90 reduced to 57x32 is smaller than 64"):
        cut(clip, CutFormat(short_side=32, side_multiple=64), tmp_path)
    tiny = clip_of(counter_video(tmp_path / "tiny.mp4", size=(16, 8)))
    with pytest.raises(MediaError, match="not_encodable: Invalid argument"):
        cut(tiny, CutFormat(codec="h265"), tmp_path)


def woven(path: Path, *, num_frames: int = 24) -> Path:
    """A bar that moves 4 pixels from field to field, over 25 frames a second, the upper field first."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "8", "flags": "+ildct+ilme"})
        stream.width, stream.height, stream.pix_fmt = 256, 64, "yuv420p"
        flags = av.filter.Graph()
        source = flags.add_buffer(width=256, height=64, format=av.VideoFormat("yuv420p"), time_base=Fraction(1, 25))
        flags.link_nodes(source, flags.add("setfield", "tff"), flags.add("buffersink")).configure()
        for number in range(num_frames):
            picture = np.full((64, 256), 30, np.uint8)
            for field in range(2):
                at = bar_at(2 * number + field)
                picture[field::2, at : at + 8] = 220
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
            frame.pts = number
            flags.vpush(frame)
            container.mux(stream.encode(flags.vpull()))
        container.mux(stream.encode())
    return path


def bar_at(field: int) -> int:
    return 8 + 4 * field


def test_interlaced_frames_show_one_moment_unless_they_stay_as_they_are(tmp_path: Path) -> None:
    clip = clip_of(woven(tmp_path / "film.mp4"))
    _, path = cut(clip, CutFormat(fps=25), tmp_path, woven=True)
    with av.open(str(path)) as container:
        frames = [each.to_ndarray(format="gray").astype(int) for each in container.decode(video=0)]
    assert len(frames) == 24
    for number, frame in enumerate(frames):
        bright = np.flatnonzero(frame[8:-8].mean(axis=0) > 125)
        assert abs(bright.mean() - (bar_at(2 * number) + 3.5)) < 1
        assert np.abs(np.diff(frame[8:-8], axis=0)).mean() < 3  # no combs
    _, path = cut(clip, CutFormat(), tmp_path, woven=True)
    with av.open(str(path)) as container:
        frame = list(container.decode(video=0))[5]
    assert frame.interlaced_frame
    picture = frame.to_ndarray(format="gray").astype(int)
    assert [int(np.flatnonzero(picture[row::2].mean(axis=0) > 125)[0]) for row in range(2)] == [bar_at(10), bar_at(11)]


COLOURS = np.array([(180, 40, 30), (30, 160, 60), (40, 60, 190), (200, 190, 40), (120, 120, 120), (235, 235, 235)])


def patches(path: Path, *, matrix: str, tags: tuple[int, int, int, int], pixel_format: str = "yuv420p") -> Path:
    """Six solid patches side by side, 64 x 64 each: limited-range YCbCr by the standard's own weights."""
    to = np.linalg.inv(to_rgb(matrix)[:, :3].astype(np.float64))
    planes = COLOURS @ to.T  # full range, chroma around 0
    full = tags[1] == 2
    luma = planes[:, 0] if full else 16 + planes[:, 0] * 219 / 255
    chroma = 128 + planes[:, 1:] * (1 if full else 224 / 255)
    rows = [np.tile(np.repeat(np.rint(luma), 64), (64, 1))]
    rows += [np.tile(np.repeat(np.rint(chroma[:, channel]), 32), (32, 1)) for channel in range(2)]
    packed = np.concatenate([rows[0], *(each.reshape(-1, 384) for each in rows[1:])]).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": "1", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 384, 64, pixel_format
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_trc, context.color_primaries = tags
        for _ in range(12):
            frame = av.VideoFrame.from_ndarray(packed, format="yuv420p")
            frame.color_range = tags[1]
            container.mux(stream.encode(frame.reformat(format=pixel_format) if pixel_format != "yuv420p" else frame))
        container.mux(stream.encode())
    return path


def colours_of(frame: av.VideoFrame, matrix: str, *, full: bool) -> np.ndarray:
    """What the patches of a frame look like, by the same weights."""
    packed = frame.to_ndarray(format="yuv420p")
    height, width = frame.height, frame.width
    luma = packed[:height]
    chroma = packed[height:].reshape(2, height // 2, width // 2)
    edges = [round(width * (index + 0.5) / 6) for index in range(6)]
    found = []
    for at in edges:
        y = luma[height // 4 : -height // 4, at - 4 : at + 4].mean()
        cb, cr = (plane[height // 8 : -height // 8, at // 2 - 2 : at // 2 + 2].mean() for plane in chroma)
        y = y if full else (y - 16) * 255 / 219
        scale = 1 if full else 255 / 224
        found.append(to_rgb(matrix) @ np.array([y, (cb - 128) * scale + 128, (cr - 128) * scale + 128, 1]))
    return np.array(found)


@pytest.mark.parametrize(
    ("matrix", "tags"),
    [("bt709", (1, 1, 1, 1)), ("bt601", (6, 1, 6, 6)), ("bt709", (1, 2, 1, 1)), ("bt601", (2, 0, 2, 2))],
)
@pytest.mark.parametrize("form", [CutFormat(), CutFormat(fps=16, short_side=32, side_multiple=16)])
def test_colours_stay_what_they_were(
    matrix: str, tags: tuple[int, int, int, int], form: CutFormat, tmp_path: Path
) -> None:
    clip = clip_of(patches(tmp_path / "film.mp4", matrix=matrix, tags=tags))
    _, path = cut(clip, form, tmp_path)
    shown = played(path)
    found = colours_of(shown.last, matrix, full=shown.tags[1] == 2)
    assert np.abs(found - COLOURS).max() <= 3
    if form.as_they_are:
        assert shown.tags == (tags if tags[1] else (2, shown.tags[1], 2, 2))
    else:
        assert shown.tags == {"bt709": (1, 1, 1, 1), "bt601": (6, 1, 6, 6)}[matrix]


@pytest.mark.slow
def test_hdr_stays_as_it_is_and_is_toned_for_trainers(tmp_path: Path) -> None:
    pq = (9, 1, 16, 9)
    clip = clip_of(patches(tmp_path / "film.mp4", matrix="bt709", tags=pq, pixel_format="yuv420p10le"))
    _, path = cut(clip, CutFormat(), tmp_path)
    assert (played(path).tags, played(path).pixel_format) == (pq, "yuv420p10le")
    _, path = cut(clip, CutFormat(fps=16), tmp_path)
    assert (played(path).tags, played(path).pixel_format) == ((1, 1, 1, 1), "yuv420p")
