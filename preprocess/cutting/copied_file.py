"""An MP4 file of packets that are there already, its times exact; and a look at it that decodes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.video

from preprocess.cutting.bitstream import Bitstream
from preprocess.cutting.joined_frames import Coded
from preprocess.cutting.refusal import CannotCopy
from preprocess.cutting.sound_track import SoundTrack
from preprocess.cutting.splice import decoding_times, durations

_SYNC_SECONDS = Fraction(1, 100)
"""How far sound may be off."""
_USUAL_TICKS, _LEAST_TICKS = 1000, 10_000
_MOST_TICKS = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """What is to be written."""

    packets: Sequence[Coded]
    """In the order of decoding; times from the clip's begin."""
    num_before: int
    """Of them, those that stand before what is copied."""
    bitstream: Bitstream
    time_base: Fraction
    """Of those times, in seconds."""
    end_pts: int
    """When the last frame stops being shown."""


def write(film: Film, like: av.video.VideoStream, sound: SoundTrack | None, dest: Path) -> None:
    """Write a file whose pictures are described as those of the source's stream `like`: size, colour tags, turn.

    Raises:
        CannotCopy: an MP4 file cannot hold them.
    """
    pts = [each.pts for each in film.packets]
    try:
        with av.open(str(dest), "w", format="mp4", options=_options(film)) as out:
            track = _track(out, film, like)
            if sound is not None:
                sound.add_to(out)
            lengths = durations(pts, film.end_pts)
            for each, dts, duration in zip(film.packets, decoding_times(pts), lengths, strict=True):
                if sound is not None:
                    out.mux(sound.until(dts * film.time_base))
                packet: av.Packet[Any] = av.Packet(each.data)
                packet.pts, packet.dts, packet.duration = each.pts, dts, duration
                packet.time_base, packet.stream, packet.is_keyframe = film.time_base, track, each.is_key
                out.mux(packet)
            if sound is not None:
                out.mux(sound.rest())
    except (av.error.InvalidDataError, av.error.ArgumentError, ValueError) as error:
        raise CannotCopy(f"it cannot be written: {error}") from error


def _options(film: Film) -> dict[str, str]:
    """An MP4 file's edit lists count in ticks of its own, a thousand a second, and end film at 29.97 fps early."""
    ticks = film.time_base.denominator
    while ticks < _LEAST_TICKS:  # as FFmpeg makes those of the track
        ticks *= 2
    ticks = ticks if ticks < _MOST_TICKS else _USUAL_TICKS
    return {"movflags": "+faststart", "use_editlist": "1", "movie_timescale": str(ticks)}


def _track(out: av.container.OutputContainer, film: Film, like: av.video.VideoStream) -> av.video.VideoStream:
    track = out.add_stream_from_template(like, opaque=True)
    track.time_base = film.time_base
    context = track.codec_context
    context.extradata = film.bitstream.header
    if like.sample_aspect_ratio is not None:
        context.sample_aspect_ratio = like.sample_aspect_ratio
    if film.bitstream.tag:
        context.codec_tag = film.bitstream.tag
    return track


def check(film: Film, sound: SoundTrack | None, dest: Path) -> None:
    """Read what was written, without decoding.

    Raises:
        CannotCopy: not each frame is there, at its time, or sound begins at another.
    """
    with av.open(str(dest)) as container:
        shown: dict[int, list[Fraction]] = {stream.index: [] for stream in container.streams}
        for packet in container.demux():
            if packet.pts is not None:
                shown[packet.stream_index].append(packet.pts * packet.time_base)
        stream = container.streams.video[0]
        pictures, length = shown[stream.index], (stream.duration or 0) * (stream.time_base or 0)
        heard = [shown[stream.index] for stream in container.streams.audio]
    due = [each.pts * film.time_base for each in film.packets]
    if pictures != due or length != film.end_pts * film.time_base:
        raise CannotCopy(f"written {len(pictures)} frames of {len(due)}, or at other times")
    if sound is not None and not any(heard and abs(each[0] - sound.begin()) <= _SYNC_SECONDS for each in heard):
        raise CannotCopy("its sound begins at another time")
