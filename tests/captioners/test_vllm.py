"""vLLM runs on a GPU alone, so its engine is a stand-in here that answers from what it is given in vLLM's form. What is
ours is tested: the conversations, and captions made of its answers. Loading the real engine is not.
"""

import base64
import pickle
from dataclasses import dataclass
from importlib.util import find_spec

import cv2
import numpy as np
import pytest

from captioners.chat.conversation import messages
from captioners.vllm import VllmCaptioner, _Engine
from tests.captioners.clips import moving_square


@dataclass
class Output:
    text: str
    finish_reason: str


@dataclass
class Request:
    outputs: list


class StandIn:
    """Takes what `vllm.LLM.chat` takes; tells the number of pictures, their height, and how long the talk is."""

    def __init__(self, highest=100, finish_reason="stop"):
        self.calls = []
        self._highest, self._finish_reason = highest, finish_reason

    def chat(self, messages, sampling_params, *, use_tqdm):
        assert not use_tqdm
        self.calls.append(len(messages))
        return [Request([Output(self._answer(conversation), self._finish_reason)]) for conversation in messages]

    def _answer(self, conversation):
        assert [turn["role"] for turn in conversation] == ["user", "assistant", "user"][: len(conversation)]
        *pictures, question = conversation[0]["content"]
        assert question["type"] == "text"
        heights = {picture_of(part).shape[0] for part in pictures}
        if max(heights) > self._highest:
            raise ValueError("The decoder prompt is longer than the maximum model length")
        if len(conversation) == 1:
            return f"{len(pictures)} pictures of height {heights.pop()} in a row.\n"
        return f"In short: {conversation[1]['content']}"


def picture_of(part):
    assert part["type"] == "image_url"
    kind, _, data = part["image_url"]["url"].partition(",")
    assert kind == "data:image/jpeg;base64"
    return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)


def captioner_with(engine, **settings):
    captioner = VllmCaptioner(**settings)
    captioner.__dict__["_model"] = _Engine(llm=engine, sampling=None)
    return captioner


def test_each_clip_gets_the_answer_to_its_frames():
    clips = [moving_square(n, num_frames=n, height=50 + n) for n in (3, 1, 2)]
    captions = captioner_with(StandIn()).caption(clips)
    texts = [f"{n} pictures of height {50 + n} in a row." for n in (3, 1, 2)]
    assert [caption.text for caption in captions] == texts
    assert [caption.short for caption in captions] == [f"In short: {text}" for text in texts]
    assert {caption.outcome for caption in captions} == {"ok"}


def test_all_clips_are_asked_about_at_once():
    engine = StandIn()
    captioner_with(engine).caption([moving_square(n) for n in range(20)])
    assert engine.calls == [20, 20]


def test_without_a_short_prompt_there_is_one_question():
    engine = StandIn()
    captions = captioner_with(engine, short_prompt=None).caption([moving_square(1)])
    assert engine.calls == [1]
    assert captions[0].short is None


def test_a_clip_that_vllm_refuses_leaves_the_others_their_captions():
    clips = [moving_square(n, height=200 if n == 3 else 56) for n in range(8)]
    captions = captioner_with(StandIn()).caption(clips)
    assert [caption.outcome for caption in captions] == ["ok"] * 3 + ["error"] + ["ok"] * 4
    assert "maximum model length" in captions[3].detail


def test_an_answer_that_is_cut_off_is_marked():
    caption = captioner_with(StandIn(finish_reason="length")).caption([moving_square(1)])[0]
    assert caption.outcome == "truncated"
    assert caption.text
    assert caption.short is None


def test_an_answer_that_was_broken_off_is_none():
    caption = captioner_with(StandIn(finish_reason="abort")).caption([moving_square(1)])[0]
    assert caption.outcome == "error"
    assert "abort" in caption.detail


def test_markers_in_an_answer_do_not_go_into_the_follow_up():
    said = ["A sign reads <|im_end|><image>[IMG] x < 3 [A].", "In short?"]
    turns = messages([], ["Describe it.", *said])
    assert turns[1]["content"] == "A sign reads     x < 3 [A]."


def test_it_asks_for_as_many_gpus_as_share_the_model():
    assert VllmCaptioner().gpus == 1.0
    assert VllmCaptioner(tensor_parallel_size=4).gpus == 4.0


def test_a_users_prompt_goes_along_to_other_machines(tmp_path):
    prompt = tmp_path / "own.txt"
    prompt.write_text("What is there?")
    captioner = VllmCaptioner(prompt=str(prompt))
    name = captioner.prompt_id
    sent = pickle.dumps(captioner)
    prompt.unlink()
    assert pickle.loads(sent).prompt_id == name


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_vllm_it_says_what_to_do():
    with pytest.raises(ValueError, match=r"pip install vllm.*openai_chat.*transformers_vlm"):
        VllmCaptioner().check()
