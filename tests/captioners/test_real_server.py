"""Captions over HTTP from a real server with a real, tiny model, which is killed while it works."""

import threading
import time

import pytest

from captioners.base import OUTCOMES
from captioners.openai_chat import OpenAIChatCaptioner
from tests.captioners.clips import assorted_clips
from tests.tiny_vlm import tiny_qwen2_vl
from tests.vlm_server import vlm_server

for library in ("accelerate", "fastapi", "openai", "torch", "transformers", "uvicorn"):
    pytest.importorskip(library)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with vlm_server(tiny_qwen2_vl(tmp_path_factory.mktemp("server") / "weights")) as server:
        yield server


def captions_of(server, clips, **settings):
    captioner = OpenAIChatCaptioner(base_url=server.base_url, model=server.model, max_tokens=24, **settings)
    captioner.setup()
    try:
        return captioner.caption(clips)
    finally:
        captioner.close()


def test_every_clip_is_captioned_by_its_own_frames(server):
    clips = assorted_clips(6)
    captions = captions_of(server, clips)
    assert {caption.outcome for caption in captions} <= set(OUTCOMES) - {"error"}
    assert len({caption.text for caption in captions}) == len(clips)
    assert captions_of(server, clips[::-1]) == captions[::-1]


def test_a_server_that_is_killed_and_comes_back_costs_no_caption(server):
    clips = assorted_clips(16)
    undisturbed = captions_of(server, clips)
    assert all(caption.text for caption in undisturbed)
    answered = server.num_answers()
    found = []
    asking = threading.Thread(target=lambda: found.extend(captions_of(server, clips, concurrency=4)), daemon=True)
    asking.start()
    while server.num_answers() < answered + 8:
        assert asking.is_alive()
        time.sleep(0.01)
    server.kill()
    assert asking.is_alive(), "it was to be killed amid its work"
    server.start()
    asking.join()
    assert found == undisturbed
