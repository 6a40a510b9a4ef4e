"""What hearing costs: CPU time of the columns of sound, where a bare decode of the pictures is 1.

    python -m benchmarks.sound FILM [--rounds 3]

Both sides in turn, in one process, on one core: the pictures decoded by PyAV and thrown away; and the file read with
its sound kept, in clips of five seconds one after the other, of which all is heard and measured. What reading alone
takes is no part of the sound's. Each line is JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from fractions import Fraction

import av

from filters.base import SoundScorer
from filters.clipping import ClippingScorer
from filters.has_sound import HasSoundScorer
from filters.loudness import LoudnessScorer
from preprocess.sound.beside import Beside

CLIP_SECONDS = 5
SCORERS: tuple[SoundScorer, ...] = (HasSoundScorer(), LoudnessScorer(), ClippingScorer())


def main(film: str, rounds: int) -> None:
    """Measure so many times, and print each."""
    for _ in range(rounds):
        pictures = picture_seconds(film)
        heard = sound_seconds(film)
        ratios = {name: round(seconds / pictures, 4) for name, seconds in heard.items()}
        print(json.dumps({"picture_seconds": round(pictures, 2), "sum": round(sum(ratios.values()), 4), **ratios}))


def picture_seconds(film: str) -> float:
    """CPU time of a bare decode."""
    began = time.process_time()
    with av.open(film) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            packet.decode()
    return time.process_time() - began


def sound_seconds(film: str) -> dict[str, float]:
    """CPU time of each part: to keep packets, to decode clips, and each scorer's."""
    spent: defaultdict[str, float] = defaultdict(float)
    with av.open(film) as container:
        beside = Beside(container, container.streams.video[0], listens=True)
        beside.begin()
        start = Fraction(0)
        began = time.process_time()
        while True:
            try:
                packet = beside.next_picture()
            except StopIteration:
                break
            if (packet.pts or 0) * (packet.time_base or 0) >= start + CLIP_SECONDS:
                _hear(beside, start, spent)
                start += CLIP_SECONDS
        spent["kept"] = time.process_time() - began - sum(spent.values()) - _reading_seconds(film)
    return spent


def _hear(beside: Beside, start: Fraction, spent: defaultdict[str, float]) -> None:
    began = time.process_time()
    heard = beside.heard(start, start + CLIP_SECONDS)
    spent["decoded"] += time.process_time() - began
    assert heard is not None, "a film without sound"
    for scorer in SCORERS:
        began = time.process_time()
        scorer.score(heard)
        spent[scorer.name] += time.process_time() - began
    beside.forget(float(start + CLIP_SECONDS))


def _reading_seconds(film: str) -> float:
    began = time.process_time()
    with av.open(film) as container:
        for _ in container.demux(container.streams.video[0]):
            pass
    return time.process_time() - began


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("film")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    main(arguments.film, arguments.rounds)
