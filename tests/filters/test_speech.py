"""Frames reach the network as it wants them, and their share is told."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from filters.base import Heard
from filters.speech import SpeechScorer, framed
from preprocess.io.weights import MissingWeightsError
from tests.sound_films import tone


class Loud:
    """Hears speech in what is loud."""

    def run(self, names: list[str], given: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert given["h"].shape == given["c"].shape == (1, 1, 128)
        return [(np.abs(given["input"][:, 64:]).max(axis=1) > 0.1).astype(np.float32)]


def test_each_frame_has_the_end_of_the_one_before_it_in_front() -> None:
    samples = np.arange(1, 1201, dtype=np.float32)
    frames = framed(samples)
    assert frames.shape == (3, 576)
    assert not frames[0, :64].any()
    assert np.array_equal(frames[:, 64:].ravel()[:1200], samples)
    assert np.array_equal(frames[1:, :64], frames[:-1, -64:])
    assert not frames[2, 64 + 1200 - 1024 :].any()


@pytest.mark.parametrize(
    ("rate", "layout", "channels"), [(48_000, "stereo", 2), (44_100, "5.1", 6), (8_000, "mono", 1)]
)
def test_share_of_the_time(rate: int, layout: str, channels: int) -> None:
    scorer = SpeechScorer()
    scorer.__dict__["_session"] = Loud()
    samples = np.pad(tone(-6, 2, hertz=300, rate=rate, channels=channels), ((0, 0), (0, 2 * rate)))
    assert scorer.score(Heard(samples=samples, rate=rate, layout=layout)) == pytest.approx(0.5, abs=0.02)
    assert scorer.score(Heard(samples=0 * samples, rate=rate, layout=layout)) == 0


def test_the_package_is_looked_at_and_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "silero_vad").mkdir()
    (tmp_path / "silero_vad" / "__init__.py").write_text("raise ImportError('torch')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "silero_vad", raising=False)
    with pytest.raises(MissingWeightsError, match="pip install"):
        SpeechScorer().check()
    (tmp_path / "silero_vad" / "data").mkdir()
    (tmp_path / "silero_vad" / "data" / "silero_vad_16k_sequence.onnx").write_bytes(b"a network")
    SpeechScorer().check()
    assert "silero_vad" not in sys.modules


def test_noise_and_tones_are_no_speech() -> None:
    scorer = SpeechScorer()
    try:
        scorer.check()
    except MissingWeightsError as error:
        pytest.skip(str(error))
    scorer.setup()
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 96_000)).astype(np.float32)
    for samples in (noise, tone(-20, 2, hertz=440, channels=1)):
        assert scorer.score(Heard(samples=samples, rate=48_000, layout="mono")) == 0
    scorer.close()
