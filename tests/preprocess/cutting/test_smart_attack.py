"""Spans at random places of films of all structures that encoders make: cut to the frame, or refused, never wrong."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import pytest

from examples.demo_films.encode import write_video
from preprocess.cutting.refusal import CannotCopy
from preprocess.cutting.smart import copy_span
from tests.preprocess.cutting.cuts import clip_of
from tests.preprocess.cutting.films import frames, psnr, shown

NUM_FRAMES = 100
SPANS = 12
RATES = [Fraction(24), Fraction(25), Fraction(30_000, 1001), Fraction(60), Fraction(24_000, 1001)]

FORMATS = {
    "libx264": (["mp4", "mov", "mkv", "ts"], ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuvj420p"]),
    "libx265": (["mp4", "mkv", "ts"], ["yuv420p", "yuv444p", "yuv420p10le"]),
    "libvpx-vp9": (["webm", "mp4", "mkv"], ["yuv420p", "yuv444p"]),
    "libsvtav1": (["mp4", "mkv"], ["yuv420p", "yuv420p10le"]),
}


def options(codec: str, suffix: str, rng: random.Random) -> dict[str, str]:
    """A structure of pictures that the encoder may be asked for."""
    key = rng.choice([8, 15, 24, 40])
    b_frames, is_open = rng.randint(0, 8), rng.randint(0, 1)
    if codec == "libx264":
        given = {
            "keyint": key,
            "bframes": b_frames,
            "open-gop": is_open,
            "b-pyramid": rng.choice(["none", "strict", "normal"]),
            "ref": rng.randint(1, 8),
            "cabac": rng.randint(0, 1),
            "slices": rng.choice([1, 3]),
            "weightp": rng.randint(0, 2),
            "direct": rng.choice(["spatial", "temporal"]),
            "aud": rng.randint(0, 1),
            "constrained-intra": rng.randint(0, 1),
        }
        return {"preset": "veryfast", "x264-params": ":".join(f"{name}={value}" for name, value in given.items())}
    if codec == "libx265":
        given = {
            "log-level": "none",
            "rc-lookahead": 20,
            "keyint": key,
            "bframes": b_frames,
            "open-gop": is_open,
            "ref": rng.randint(1, 5),
            "b-pyramid": rng.randint(0, 1),
            "aud": rng.randint(0, 1),
            "repeat-headers": rng.randint(0, 1) if suffix != "ts" else 1,  # it has no other place for them
        }
        given |= {"radl": 2} if not is_open and b_frames > 2 else {}
        return {"preset": "ultrafast", "x265-params": ":".join(f"{name}={value}" for name, value in given.items())}
    if codec == "libvpx-vp9":
        lag = rng.choice([0, 12, 25])
        return {"g": str(key), "crf": "35", "b": "0", "cpu-used": "6", "lag-in-frames": str(lag)}
    return {"g": str(key), "crf": "30", "preset": "8", "svtav1-params": f"pred-struct={rng.choice([1, 2])}"}


@pytest.mark.attack
@pytest.mark.parametrize("seed", range(200))
def test_spans_at_random_are_right_or_refused(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    codec = list(FORMATS)[seed % len(FORMATS)]
    suffix, pixel_format = (rng.choice(each) for each in FORMATS[codec])
    fps = rng.choice(RATES)
    times = [index / fps + (Fraction(rng.randint(0, 9), 1000) if seed % 3 == 0 else 0) for index in range(NUM_FRAMES)]
    path, dest = tmp_path / f"film.{suffix}", tmp_path / "clip.mp4"
    write_video(
        path,
        frames(NUM_FRAMES),
        fps=fps,
        codec=codec,
        pixel_format=pixel_format,
        options=options(codec, suffix, rng),
        seconds=times if seed % 3 == 0 else None,
    )
    source = shown(path)
    assert len(source) == NUM_FRAMES
    num_cut = 0
    spans = [(0, NUM_FRAMES)]
    for _ in range(SPANS):
        start = rng.randrange(NUM_FRAMES - 1)
        spans.append((start, rng.randint(start + 1, min(NUM_FRAMES, start + 60))))
    for start, end in spans:
        clip = clip_of(path, start, end)
        try:
            copy_span(clip.source, clip, dest)
        except CannotCopy:
            continue
        num_cut += 1
        got = shown(dest)
        begin = source[start].seconds
        assert [each.seconds for each in got] == [each.seconds - begin for each in source[start:end]]
        worst = min(psnr(ours.pixels, theirs.pixels) for ours, theirs in zip(got, source[start:end], strict=True))
        assert worst > 40, (seed, start, end)
    assert num_cut
