"""Open one source and read what its header says: codec, displayed size, frame rate, and an id made of its bytes."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from fractions import Fraction
from typing import IO, cast

import av
import av.container
import av.video
from av.stream import Disposition

from preprocess.clip import Source, VideoInfo
from preprocess.clocks import DECODING_FORMATS, RAW_FORMATS, WRAPPING_FORMATS
from preprocess.container_tags import provenance_of
from preprocess.errors import MediaError
from preprocess.file_bounds import ORDINARY
from preprocess.io.ranged import RangedFile
from preprocess.io.storage import bucket, is_remote, local_path
from preprocess.kinds import PICTURE_FORMATS, PICTURE_SUFFIXES, UNREAD_SUFFIXES, suffix_of
from preprocess.mov_index import check_mov_index, check_repeats

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,ogg,mxf,gxf,rm,nut,dv,ivf,h264,"
    "hevc,av1,obu,m4v,mpegtsraw,wtv,y4m,yuv4mpegpipe,swf,gif,apng"
)
"""Demuxers that may open a source. Playlists (HLS, concat, DASH) are left out: a text file named .mp4 must not make us
open other files or addresses that it names."""

MAX_PIXEL_ASPECT = 16
"""Pixels at most so many times as wide as high, or as high as wide, are believed. Anamorphic film has 2; headers that
say 100000000:1 are broken, and the picture is what its pixels are."""

LONGEST_SECONDS = 3.6e6
"""A thousand hours: a clock or a header that says more is wrong, and would drown all others in a sum."""
MAX_FPS = 10_000
"""Frames that come faster are in no clip: the file's clock counts in ticks that are no time."""
_ORDINARY_FPS = 480
_BLOCK = 1 << 20
_WHOLE_FILE_BYTES = 32 << 20
_SAMPLED_BLOCKS = 16


def open_source(source: Source) -> IO[bytes]:
    """The bytes of a source, seekable.

    Raises:
        MediaError: it is empty, is gone, may not be read, is a picture of a kind that is not read, or no file but a
            pipe, a socket, a device.
        OSError: the machine, the network or the storage failed; so may every read.
    """
    if (suffix := suffix_of(source.uri)) in UNREAD_SUFFIXES:
        raise MediaError("not_a_video", f"a picture, and {suffix} is not read")
    try:
        file = _remote(source.uri) if is_remote(source.uri) else _local(source.uri)
    except FileNotFoundError as error:
        raise MediaError("not_found", str(error)) from error
    except PermissionError as error:
        raise MediaError("not_readable", str(error)) from error
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link to itself
            raise MediaError("not_found", str(error)) from error
        raise
    if file.seek(0, 2) == 0:
        file.close()
        raise MediaError("empty_file", "0 bytes")
    file.seek(0)
    return file


def _local(uri: str) -> IO[bytes]:
    path = local_path(uri)
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - bytes path
        raise MediaError("not_a_video", "no regular file")
    # a pipe that has taken its place since would be waited for for ever
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))


def _remote(uri: str) -> IO[bytes]:
    try:
        store, key = bucket(uri)
    except ValueError as error:  # what its scheme needs is not installed, or not set
        raise MediaError("not_readable", str(error)) from error
    return cast(IO[bytes], RangedFile(store.open(key)))


def content_id(file: IO[bytes]) -> str:
    """32 hex digits of blake2b over the size and the bytes; over 16 spread MiB for files above 32 MiB.

    A film of several GB would otherwise be fetched twice from its bucket; two encodes of equal size that agree in all
    sampled blocks, the first and the last among them, are the same file for every practical purpose.
    """
    size = file.seek(0, 2)
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    if size <= _WHOLE_FILE_BYTES:
        offsets = list(range(0, size, _BLOCK))
    else:
        offsets = [(size - _BLOCK) * block // (_SAMPLED_BLOCKS - 1) for block in range(_SAMPLED_BLOCKS)]
    for offset in offsets:
        file.seek(offset)
        digest.update(file.read(_BLOCK))
    file.seek(0)
    return digest.hexdigest()


def open_container(
    file: IO[bytes], max_pixels: int = ORDINARY.max_pixels, *, uri: str = ""
) -> av.container.InputContainer:
    """Open a container for demuxing; pictures of more than `max_pixels` are not decoded to learn more of them.

    `uri`: whose bytes they are; by that it may be a file of one picture.

    Raises:
        MediaError: no demuxer that is allowed knows it, its header is broken, or its tables are far too long.
    """
    check_mov_index(file)
    formats = f"{CONTAINERS},{PICTURE_FORMATS}" if suffix_of(uri) in PICTURE_SUFFIXES else CONTAINERS
    options = {"format_whitelist": formats, "protocol_whitelist": ""}
    try:
        # strict metadata would raise on tags that are not UTF-8
        return av.open(
            _Seekable(file),
            "r",
            options=decoder_options(max_pixels),
            container_options=options,
            metadata_errors="replace",
        )
    except (av.error.FFmpegError, ValueError, OverflowError) as error:
        text = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise MediaError("not_a_video", text) from error


def decoder_options(max_pixels: int) -> dict[str, str]:
    """Options by which no decoder takes memory for pictures that are far larger; some ask for a border as well."""
    return {"max_pixels": str(max_pixels + max_pixels // 4 + (1 << 16))}


class _Seekable:
    """A source's bytes for FFmpeg, which follows the offsets that a file names wherever they lead.

    A place before the begin is refused, one behind the end is the end, as for a C program's file. So what `read` raises
    is the storage's failure, and all that FFmpeg raises is about the file.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.tell = file.tell
        self._file = file
        self._failed = False
        self._size = file.seek(0, 2)
        file.seek(0)

    def read(self, num_bytes: int) -> bytes:
        """FFmpeg asks again and again where a read fails, and of several errors the last one would be raised, after as
        many times the patience that one has with a storage. So what has failed once has nothing more to say."""
        if self._failed:
            return b""
        self._failed = True
        data = self._file.read(num_bytes)
        self._failed = False
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """The new place; -1, which FFmpeg takes for an error, where there is none such."""
        place = offset + (0, self.tell(), self._size)[whence]
        if place < 0:
            return -1
        self._file.seek(min(place, self._size))
        return place


def video_stream(container: av.container.InputContainer) -> av.video.VideoStream:
    """The stream to use: ffmpeg's best video stream, cover pictures left out.

    Raises:
        MediaError: there is no video stream, no decoder for it, or an edit list plays it over and over.
    """
    moving = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not moving:
        raise MediaError("no_video_stream", f"streams: {', '.join(s.type for s in container.streams) or 'none'}")
    best = container.streams.best("video")
    stream = next((s for s in moving if best is not None and s.index == best.index), moving[0])
    if stream.codec_context is None:
        raise MediaError("no_decoder", f"stream {stream.index}")
    check_repeats(len(stream.index_entries), stream.frames)
    return stream


def header_seconds(source: Source) -> float | None:
    """How long a video is, by its header alone; None where that does not say, or where its clock may start again
    (broadcasts that were joined), so that no part of it can be found by time.

    Raises:
        MediaError: it cannot be opened as a video.
    """
    with open_source(source) as file, open_container(file) as container:
        if container_name(container) in WRAPPING_FORMATS:
            return None
        return _duration_seconds(container, video_stream(container))


def video_info(
    container: av.container.InputContainer,
    stream: av.video.VideoStream,
    source_id: str,
    first: av.VideoFrame | None = None,
) -> VideoInfo:
    """What the header says of `stream`, and the first decoded frame of its size and its turn, which headers leave out.

    Raises:
        MediaError: the header names no picture size or time base.
    """
    context = stream.codec_context
    coded = (context.width, context.height) if first is None else (first.width, first.height)
    if not (min(coded) > 0 and stream.time_base):
        raise MediaError("broken_header", f"picture {coded[0]}x{coded[1]}, time base {stream.time_base}")
    rotation = 0 if first is None else quarter_turns(first.rotation)
    still = is_picture(container)
    aspect = None if still else stream.sample_aspect_ratio  # viewers take the pixels of a picture for square
    width, height = displayed_size(*coded, aspect, rotation)
    return VideoInfo(
        source_id=source_id,
        container=container_name(container),
        codec=context.name,
        pixel_format=context.pix_fmt or "",
        width=width,
        height=height,
        coded_width=coded[0],
        coded_height=coded[1],
        rotation=rotation,
        fps=_frame_rate(container_name(container), stream, first),
        time_base=stream.time_base,
        start_pts=stream.start_time or 0,
        duration_seconds=None if still else _duration_seconds(container, stream),
        is_picture=still,
        has_audio=bool(container.streams.audio),
        provenance=tuple(provenance_of(container.metadata).items()),
    )


def is_picture(container: av.container.InputContainer) -> bool:
    """Whether what was opened is one picture, and not a video; a row of pictures in an AVIF is one."""
    name = container_name(container)
    return name in PICTURE_FORMATS.split(",") or (name == "mov" and container.metadata.get("major_brand") == "avif")


def quarter_turns(degrees: float) -> int:
    """FFmpeg's counterclockwise angle as the clockwise turn that displays a frame upright: 0, 90, 180 or 270."""
    return round(-degrees / 90) * 90 % 360


def displayed_size(width: int, height: int, pixel_aspect: Fraction | None, rotation: int) -> tuple[int, int]:
    """Width and height as displayed, of a coded size; a pixel aspect beyond `MAX_PIXEL_ASPECT` counts for none."""
    if pixel_aspect is not None and 1 / MAX_PIXEL_ASPECT <= pixel_aspect <= MAX_PIXEL_ASPECT:
        width = max(1, round(width * pixel_aspect))
    return (height, width) if rotation in (90, 270) else (width, height)


def container_name(container: av.container.InputContainer) -> str:
    """The demuxer's first name: `mov`, `matroska`, `mpegts`."""
    return container.format.name.split(",")[0]


def _frame_rate(container: str, stream: av.video.VideoStream, first: av.VideoFrame | None) -> Fraction:
    """The average rate where it is sane; containers also say 0, 1000 (a time base) or 90000. Of a raw stream what it
    says itself; FFmpeg's 25 where it says nothing. AVI may count fields, and ASF rounds to milliseconds: there the
    rate that FFmpeg finds in the decoding times is nearer."""
    average, guessed = stream.average_rate, stream.guessed_rate
    if container in RAW_FORMATS:
        rates: list[Fraction | None] = [stream.codec_context.framerate]
    elif container in DECODING_FORMATS and average and guessed and guessed < 1.1 * average:
        rates = [guessed, average]
    else:
        rates = [average, guessed, stream.base_rate]
    return next((Fraction(rate) for rate in rates if rate and _is_sane(rate, stream, first)), Fraction(25))


def _is_sane(rate: Fraction, stream: av.video.VideoStream, first: av.VideoFrame | None) -> bool:
    """Rates that no ordinary film has are believed where the first frame lasts as long."""
    if rate <= 0 or rate > MAX_FPS:
        return False
    if rate <= _ORDINARY_FPS:
        return True
    seconds = (first.duration if first is not None else 0) * (stream.time_base or 0)
    return abs(seconds * rate - 1) < 0.1


def has_sound_at(container: av.container.InputContainer, seconds: float) -> bool:
    """Whether sound goes on at that time of the container's clock. Where nothing can be sought, all of it is looked
    through, without decoding. Nothing else can be read of the container afterwards."""
    sound = list(container.streams.audio)
    if not sound:
        return False
    for place in (seconds, 0.0):
        try:
            container.seek(int(place * av.time_base))
            for packet in container.demux(sound):
                if packet.pts is not None and packet.pts * packet.time_base >= seconds:
                    return True
        except av.error.FFmpegError:  # there is no index, or nothing to be had there
            continue
    return False


def _duration_seconds(container: av.container.InputContainer, stream: av.video.VideoStream) -> float | None:
    own = (stream.duration or 0) * (stream.time_base or Fraction(0))
    said = (own, _tagged_seconds(stream), Fraction(container.duration or 0, av.time_base))
    seconds = (float(each) for each in said)
    return next((each for each in seconds if 0 < each <= LONGEST_SECONDS), None)


def _tagged_seconds(stream: av.video.VideoStream) -> Fraction:
    """How long the pictures last, which Matroska says in a tag (`00:00:08.023000000`); its header, with the sound."""
    found = re.fullmatch(r"(\d{1,4}):(\d\d):(\d\d(?:\.\d{1,9})?)", stream.metadata.get("DURATION", ""), re.ASCII)
    if found is None:
        return Fraction(0)
    hours, minutes, seconds = (Fraction(part) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds
