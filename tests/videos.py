"""Small videos with truth by construction, of every kind that a bucket holds: `from tests.videos import ...`.

Each builder writes one file of a few dozen kilobytes and returns its path. Frames of counter videos tell their own
number (`read_counter`), so that a test can say which frame it was given, whatever the codec did to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.stream import Disposition

from examples.demo_films.encode import write_video
from examples.demo_films.landscapes import Image, Scene, SceneMaker, Size, fractal_noise
from examples.demo_films.scenes import cyclic, window
from examples.demo_films.videos import Film, Opening, Shot, VideoTruth

SIZE: Size = (160, 90)
FPS = Fraction(24)

COUNTER_COLUMNS, COUNTER_ROWS = 4, 3
"""12 bits: blocks of a quarter by a third of the frame are still clear in a picture of 32 pixels."""


def counter_frame(index: int, size: Size = SIZE) -> Image:
    """A frame that shows `index` (0 to 4095) as dark and light blocks, the highest bit at the top left."""
    if not 0 <= index < 4096:
        raise ValueError(f"index {index}, allowed are 0 to 4095")
    bits = np.array([index >> bit & 1 for bit in range(11, -1, -1)], np.uint8)
    blocks = np.where(bits, 225, 30).astype(np.uint8).reshape(COUNTER_ROWS, COUNTER_COLUMNS)
    big = cv2.resize(blocks, size, interpolation=cv2.INTER_NEAREST)
    frame: Image = cv2.cvtColor(big, cv2.COLOR_GRAY2BGR)
    return frame


def read_counter(luma: np.ndarray) -> int:
    """The number that a counter frame shows, from its luma or grey (H, W) of any size from 32 pixels on."""
    centres = cv2.resize(luma, (4 * COUNTER_COLUMNS, 4 * COUNTER_ROWS), interpolation=cv2.INTER_AREA)
    blocks = centres.reshape(COUNTER_ROWS, 4, COUNTER_COLUMNS, 4)[:, 1:3, :, 1:3].mean(axis=(1, 3))
    return int("".join("1" if block > 128 else "0" for block in blocks.ravel()), 2)


def read_counters(path: Path) -> list[int]:
    """The numbers of all frames as a plain decoder gives them, before rotation: for tests of the builders."""
    with av.open(str(path)) as container:
        return [read_counter(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]


def counter_video(
    path: Path,
    *,
    num_frames: int = 36,
    fps: Fraction = FPS,
    size: Size = SIZE,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: Mapping[str, str] | None = None,
    seconds: Iterable[Fraction] | None = None,
    pixel_aspect: Fraction | None = None,
    tone_hertz: float | None = None,
) -> Path:
    """Frame number i shows i, at i / fps or at `seconds[i]`. The path's suffix names the container."""
    write_video(
        path,
        (counter_frame(index, size) for index in range(num_frames)),
        fps=fps,
        codec=codec,
        pixel_format=pixel_format,
        options=options,
        seconds=seconds,
        pixel_aspect=pixel_aspect,
        tone_hertz=tone_hertz,
    )
    return path


VARIABLE_SECONDS = tuple(Fraction(index * index + 10 * index, 1000) for index in range(36))
"""Presentation times of `variable_rate`: each frame is shown a little longer than the one before."""


def variable_rate(path: Path) -> Path:
    """36 counter frames at `VARIABLE_SECONDS`."""
    return counter_video(path, seconds=VARIABLE_SECONDS)


def late_start(path: Path, *, start_seconds: Fraction = Fraction(3, 2)) -> Path:
    """36 counter frames at 24 fps, the first of them shown at `start_seconds`."""
    return counter_video(path, seconds=[start_seconds + index / FPS for index in range(36)])


def b_frames(path: Path) -> Path:
    """H.264 with three B frames in a row and a keyframe every 12: packets come in another order than frames."""
    return counter_video(path, options={"preset": "fast", "bf": "3", "g": "12", "x264-params": "b-adapt=0:scenecut=0"})


def ten_bit(path: Path, *, codec: str = "libx264") -> Path:
    """10 bits a sample: High 10 in H.264, Main 10 in HEVC."""
    return counter_video(path, codec=codec, pixel_format="yuv420p10le")


def full_chroma_odd_size(path: Path) -> Path:
    """4:4:4 with 321x241 pixels, a size that no subsampled format has."""
    return counter_video(path, size=(321, 241), pixel_format="yuv444p")


def half_chroma(path: Path) -> Path:
    """4:2:2."""
    return counter_video(path, pixel_format="yuv422p")


def gray(path: Path) -> Path:
    """Frames of one plane (`.mkv`). FFV1, because FFmpeg decodes H.264's grey profile to 4:2:0."""
    return counter_video(path, codec="ffv1", pixel_format="gray")


def rotated(path: Path, *, degrees: int = 90) -> Path:
    """Counter frames of 90x160 or 160x90 that are upright only after the header's clockwise turn by `degrees`."""
    undo = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}[degrees]
    upright = SIZE if degrees == 180 else SIZE[::-1]
    frames = (cv2.rotate(counter_frame(index, upright), undo) for index in range(36))
    write_video(path, frames, fps=FPS, rotation=degrees)
    return path


def anamorphic(path: Path, *, pixel_aspect: Fraction = Fraction(4, 3)) -> Path:
    """160x90 coded pixels, each `pixel_aspect` times as wide as high."""
    return counter_video(path, pixel_aspect=pixel_aspect)


def mpeg4_avi(path: Path) -> Path:
    """MPEG-4 with B frames in AVI, which stores no presentation times: readers work them out, and start late."""
    return counter_video(path, codec="mpeg4", options={"bf": "2", "b": "2M"})


def webm(path: Path, *, codec: str = "libvpx-vp9") -> Path:
    """VP9, or VP8 with `codec="libvpx"`, in a file with a duration."""
    return counter_video(path, codec=codec)


def webm_without_duration(path: Path, *, codec: str = "libvpx-vp9") -> Path:
    """As a browser records: the header was written before anybody knew how long it would be."""
    return _remuxed([webm(path.with_suffix(".whole.webm"), codec=codec)], path, options={"live": "1"})


def mpeg_ts(path: Path) -> Path:
    """H.264 in a transport stream, whose clock does not start at 0."""
    return counter_video(path)


def with_sound(path: Path) -> Path:
    """A video stream and an AAC track."""
    return counter_video(path, tone_hertz=440.0)


def two_video_streams(path: Path) -> Path:
    """160x90 counter frames in stream 0, 64x64 noise in stream 1."""
    first = counter_video(path.with_suffix(".first.mp4"))
    second = moving_texture(path.with_suffix(".second.mp4"), size=(64, 64), seconds=1.5)
    return _remuxed([first, second], path)


def with_cover(path: Path) -> Path:
    """A counter video with a cover picture of 64x64, which containers list as a video stream too."""
    return _remuxed([counter_video(path.with_suffix(".film.mp4"))], path, cover=np.full((64, 64, 3), 200, np.uint8))


def tagged(video: Path, path: Path, tags: Mapping[str, str]) -> Path:
    """The pictures of a video in another container, which says of them what `tags` say."""
    with av.open(str(video)) as source, av.open(str(path), "w") as out:
        out.metadata.update(tags)
        copy = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    return path


def sound_only(path: Path) -> Path:
    """An MP4 file with an AAC track and no video stream."""
    return _remuxed([with_sound(path.with_suffix(".both.mp4"))], path, kind="audio")


def moving_texture(
    path: Path,
    *,
    percent_per_second: float = 10.0,
    seconds: float = 3.0,
    fps: Fraction = FPS,
    size: Size = (256, 144),
    seed: int = 0,
) -> Path:
    """A noise texture that moves left by `percent_per_second` of the frame's width."""
    scene = texture(percent_per_second=percent_per_second)(np.random.default_rng(seed), size)
    frames = (scene(float(index / fps)) for index in range(round(seconds * fps)))
    write_video(path, frames, fps=fps)
    return path


def texture(*, percent_per_second: float = 10.0, tint: Sequence[float] = (1.0, 1.0, 1.0)) -> SceneMaker:
    """Noise of `tint` (blue, green, red) that moves left by `percent_per_second` of the frame's width."""

    def make(rng: np.random.Generator, size: Size) -> Scene:
        width, height = size
        noise = fractal_noise(rng, (height, 2 * width), cell=width / 8, octaves=4, wrap=True)
        strip = cyclic((noise[:, :, None] * 255 * np.array(tint)).clip(0, 255).astype(np.uint8), width)
        return lambda seconds: window(strip, percent_per_second / 100 * width * seconds, width)

    return make


TINTS = ((0.2, 0.3, 1.0), (1.0, 0.5, 0.1), (0.2, 0.9, 0.3), (0.9, 0.9, 0.9), (0.9, 0.2, 0.8))


def shots_video(
    path: Path,
    *,
    seconds: Sequence[float] = (4.0, 3.5, 4.0),
    openings: Sequence[Opening] = ("cut", "cut", "cut"),
    fps: Fraction = FPS,
    size: Size = SIZE,
    percent_per_second: float = 10.0,
    write: Callable[..., None] = write_video,
) -> VideoTruth:
    """Moving textures of different colours, one shot after the other, and the truth about them.

    `openings` says how each shot begins: `cut`, `dissolve`, or a fade through `black` or `white`.
    """
    film = Film(
        name=path.name,
        shots=tuple(
            Shot(
                scene=texture(percent_per_second=percent_per_second, tint=TINTS[order % len(TINTS)]),
                seconds=length,
                opening=opening,
            )
            for order, (length, opening) in enumerate(zip(seconds, openings, strict=True))
        ),
        fps=fps,
        size=size,
    )
    write(path, film.frames(seed=0), fps=fps)
    return film.truth()


def empty_file(path: Path) -> Path:
    """No bytes at all."""
    path.write_bytes(b"")
    return path


def without_index(path: Path) -> Path:
    """The first half of an MP4 whose index (moov) came last: no frame can be read."""
    content = counter_video(path).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def cut_short(path: Path) -> Path:
    """The first 60 % of an MP4 whose index came first: the header promises 96 frames, only the first ones are there."""
    whole = moving_texture(path.with_suffix(".film.mp4"), seconds=4)
    content = _remuxed([whole], path, options={"movflags": "faststart"}).read_bytes()
    path.write_bytes(content[: int(0.6 * len(content))])
    return path


def flipped_bytes(path: Path, *, seed: int = 0) -> Path:
    """A 4 s texture with every 40th byte or so of its middle third overwritten: some packets decode wrongly or not."""
    content = bytearray(moving_texture(path, seconds=4).read_bytes())
    rng = np.random.default_rng(seed)
    for at in rng.integers(len(content) // 3, 2 * len(content) // 3, len(content) // 120):
        content[at] ^= int(rng.integers(1, 256))
    path.write_bytes(content)
    return path


def text_file(path: Path) -> Path:
    """Prose, whatever the name says."""
    path.write_text("This is a text file that somebody named as a video.\n" * 20, encoding="utf-8")
    return path


def picture_file(path: Path) -> Path:
    """A PNG picture, whatever the name says."""
    _, encoded = cv2.imencode(".png", counter_frame(1))
    path.write_bytes(encoded.tobytes())
    return path


def single_frame(path: Path) -> Path:
    """A video of one frame."""
    return counter_video(path, num_frames=1)


def playlist(path: Path, target: Path) -> Path:
    """An HLS playlist, whatever the name says, that leads a careless reader to another file."""
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:10", "#EXTINF:10,", str(target), "#EXT-X-ENDLIST", ""]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _remuxed(
    parts: Sequence[Path],
    path: Path,
    *,
    kind: str = "video",
    options: Mapping[str, str] | None = None,
    cover: Image | None = None,
) -> Path:
    """One stream of `kind` of each part, and perhaps a cover picture, in a new container. Removes the parts."""
    with av.open(str(path), "w", options=dict(options or {})) as out:
        inputs = [av.open(str(part)) for part in parts]
        streams = [source.streams.get({kind: 0})[0] for source in inputs]
        copies = [out.add_stream_from_template(stream) for stream in streams]
        packets: list[av.Packet[Any]] = list(_cover_packets(out, cover)) if cover is not None else []
        for source, stream, copy in zip(inputs, streams, copies, strict=True):
            for packet in source.demux(stream):
                if packet.dts is not None:
                    packet.stream = copy
                    packets.append(packet)
        for packet in packets:
            out.mux(packet)
    for source, part in zip(inputs, parts, strict=True):
        source.close()
        part.unlink()
    return path


def _cover_packets(out: av.container.OutputContainer, cover: Image) -> Iterator[av.Packet[Any]]:
    stream = out.add_stream("mjpeg")
    stream.height, stream.width = cover.shape[:2]
    stream.pix_fmt = "yuvj420p"
    stream.disposition = Disposition.attached_pic
    frame = av.VideoFrame.from_ndarray(cover, format="bgr24")
    frame.pts = 0
    yield from stream.encode(frame)
    yield from stream.encode()


COUNTER_BUILDERS: Mapping[str, Callable[[Path], Path]] = {
    "plain.mp4": counter_video,
    "variable.mp4": variable_rate,
    "variable.mkv": variable_rate,
    "late.mp4": late_start,
    "late.mkv": late_start,
    "b_frames.mp4": b_frames,
    "high10.mp4": ten_bit,
    "main10.mp4": partial(ten_bit, codec="libx265"),
    "odd_444.mp4": full_chroma_odd_size,
    "422.mp4": half_chroma,
    "gray.mkv": gray,
    "rotated_90.mp4": rotated,
    "rotated_180.mp4": partial(rotated, degrees=180),
    "rotated_270.mp4": partial(rotated, degrees=270),
    "anamorphic.mp4": anamorphic,
    "mpeg4.avi": mpeg4_avi,
    "vp9.webm": webm,
    "vp8.webm": partial(webm, codec="libvpx"),
    "unfinished.webm": webm_without_duration,
    "stream.ts": mpeg_ts,
    "sound.mp4": with_sound,
    "two_streams.mp4": two_video_streams,
    "cover.mp4": with_cover,
}
"""Every readable counter video by file name: each shows 0 to 35 in order, once displayed as its header says."""

UNREADABLE_BUILDERS: Mapping[str, Callable[[Path], Path]] = {
    "empty.mp4": empty_file,
    "no_index.mp4": without_index,
    "text.mp4": text_file,
    "sound_only.mp4": sound_only,
}
"""Files in which there is no video to find, whatever one tries."""
