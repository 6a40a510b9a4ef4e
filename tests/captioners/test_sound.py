"""What a model that hears is sent, and what becomes of its answer."""

import base64
import io
import os
import wave
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from captioners.sound import MOST_SECONDS, RATE, wav
from preprocess.sound.heard import Heard
from tests.sound_films import film_with, tone

pytest.importorskip("openai")

from captioners.base import ClipToDescribe
from captioners.openai_chat import OpenAIChatCaptioner
from pipelines.caption import run_caption
from pipelines.curate import curate
from pipelines.recipe import recipes
from tests.answering_server import LONG, AnsweringServer, completion, describe, error
from tests.captioners.clips import moving_square

BARK = "A dog barks twice in a small room."
EARS = "ears-1"


def heard(samples, rate=48_000):
    layout = {1: "mono", 2: "stereo"}[samples.shape[0]]
    return Heard(samples=samples, rate=rate, layout=layout)


def read(file):
    with wave.open(io.BytesIO(file)) as reader:
        form = (reader.getnchannels(), reader.getsampwidth(), reader.getframerate())
        return form, np.frombuffer(reader.readframes(reader.getnframes()), "<i2") / 32767


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_a_tone_is_the_same_tone_in_the_file(rate):
    form, samples = read(wav(heard(tone(-6, 2, rate=rate, channels=1), rate)))
    assert form == (1, 2, RATE)
    assert len(samples) == pytest.approx(2 * RATE, abs=RATE / 100)
    spectrum = np.abs(np.fft.rfft(samples[: 2 * RATE - 400] * np.hanning(2 * RATE - 400)))
    assert np.argmax(spectrum) * RATE / (2 * RATE - 400) == pytest.approx(1000, abs=2)
    assert np.abs(samples[1000:-1000]).max() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("dbfs", [0, 12])
def test_what_is_beyond_full_scale_is_as_loud_as_a_file_can_be(dbfs):
    """Neither cut off nor wrapped round: a sine stays one, whose RMS is its peak over the root of 2."""
    _, samples = read(wav(heard(tone(dbfs, 1))))
    assert np.abs(samples).max() == pytest.approx(1, abs=1e-3)
    assert np.sqrt(np.square(samples[1000:-1000]).mean()) == pytest.approx(np.sqrt(0.5), abs=0.01)


def test_of_a_long_clip_the_begin_is_sent():
    _, samples = read(wav(heard(tone(-20, MOST_SECONDS + 5, rate=8_000, channels=1), 8_000)))
    assert len(samples) == MOST_SECONDS * RATE


@pytest.mark.parametrize("samples", [np.zeros((2, 48_000)), np.zeros((1, 0)), np.full((1, 1), 0.5)])
def test_of_nothing_no_file_is_made(samples):
    assert wav(heard(samples.astype(np.float32))) is None
    assert wav(None) is None


def answer(request):
    """Whoever is sent sound says what it is; all else is pictures."""
    if request["model"] != EARS:
        return describe(request)
    (message,) = request["messages"]
    kinds = [part["type"] for part in message["content"]]
    assert kinds == ["input_audio", "text"]
    sound = message["content"][0]["input_audio"]
    assert sound["format"] == "wav"
    assert read(base64.b64decode(sound["data"], validate=True))[1].any()
    return completion(BARK)


def captioned(server, *clips, **settings):
    captioner = OpenAIChatCaptioner(
        base_url=server.url, model="eyes-1", sound_model=EARS, short_prompt=None, **settings
    )
    try:
        return captioner.caption(clips)
    finally:
        captioner.close()


def with_sound(number):
    silent = moving_square(number)
    return ClipToDescribe(row=silent.row, frames=silent.frames, sound=wav(heard(tone(-20, 1))))


def test_the_model_that_hears_is_asked_about_what_can_be_heard():
    with AnsweringServer(answer=answer) as server:
        loud, silent = captioned(server, with_sound(1), moving_square(2))
    assert (loud.sound, silent.sound) == (BARK, None)
    assert (loud.text or "").startswith(LONG)
    assert [request["model"] for request in server.requests].count(EARS) == 1


@pytest.mark.parametrize(
    "trouble",
    [error(400, "no audio here"), completion(""), completion("I cannot process audio."), completion("a " * 900)],
)
def test_a_model_that_does_not_hear_takes_no_caption_away(trouble):
    def refuse(request):
        return trouble if request["model"] == EARS else describe(request)

    with AnsweringServer(answer=refuse) as server:
        (caption,) = captioned(server, with_sound(1))
    assert caption.outcome == "ok"
    assert (caption.text or "").startswith(LONG)
    assert caption.sound is None


def test_nobody_is_sent_sound_who_was_not_asked_for():
    with AnsweringServer(answer=answer) as server:
        captioner = OpenAIChatCaptioner(base_url=server.url, model="eyes-1", short_prompt=None)
        (caption,) = captioner.caption([with_sound(1)])
        captioner.close()
    assert caption.sound is None
    assert {request["model"] for request in server.requests} == {"eyes-1"}
    assert not OpenAIChatCaptioner().listens
    assert OpenAIChatCaptioner(sound_model=EARS).prompt_id.split()[-1].startswith("sound_v1@")


def test_the_sound_of_films_becomes_a_column(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    film_with(folder / "loud.mkv", tone(-23, 4), codec="flac")
    film_with(folder / "silent.mkv", np.zeros((2, 4 * 48_000), np.float32), codec="flac")
    film_with(folder / "dumb.mkv", None)
    out = os.fspath(tmp_path / "out")
    curate(os.fspath(folder), out, replace(recipes.default(), scorers=(), rules=()), engine="in-process")
    with AnsweringServer(answer=answer) as server:
        fields = [f"base_url={server.url}", "model=eyes-1", f"sound_model={EARS}", "short_prompt=none", "num_frames=1"]
        run_caption(
            out, captioner="openai_chat", assignments=[f"captioner.{field}" for field in fields], engine="local"
        )
    table = pd.read_parquet(f"{out}/clips")
    table = table.set_index(table["source_uri"].str.extract(r"(\w+)\.mkv")[0])
    assert table["caption_sound"]["loud"] == BARK
    assert table["caption_sound"][["silent", "dumb"]].isna().all()
    assert table["caption"].notna().all()
