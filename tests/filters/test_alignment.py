"""Alignment and the clip's own vector, on vectors by construction and through a tower that reads text."""

from __future__ import annotations

import numpy as np
import pytest

from filters.alignment import AlignmentScorer
from filters.base import Embedded
from filters.embedding import EmbeddingColumnScorer
from filters.towers.tower import Tower
from tests.tiny_models import tiny_siglip

X, Y, Z = np.eye(3, dtype=np.float32)


def test_alignment_is_the_mean_cosine_of_the_uniform_frames():
    frames = np.stack([Z, X, (X + Y) / np.sqrt(2), Z]).astype(np.float32)
    scores = AlignmentScorer().score(Embedded(frames=frames, uniform=(1, 2), caption=X))
    assert scores == pytest.approx((1 + np.sqrt(0.5)) / 2, abs=1e-6)
    assert type(scores) is float


def test_alignment_without_a_caption_is_not_measured():
    assert AlignmentScorer.needs_caption
    assert AlignmentScorer().score(Embedded(frames=np.stack([X, Y]), uniform=(0, 1))) is None


def test_a_caption_that_says_the_opposite_is_negative():
    assert AlignmentScorer().score(Embedded(frames=X[None], uniform=(0,), caption=-X)) == -1.0


def test_alignment_through_a_tower_equals_its_own_logits(tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tiny_siglip(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    text = "a red car runs at night"
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer([text], padding="max_length", max_length=16, return_tensors="pt").input_ids
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        its = model(input_ids=tokens, pixel_values=processor(images=list(pixels), return_tensors="pt").pixel_values)
    expected = ((its.logits_per_text - model.logit_bias) / model.logit_scale.exp()).mean().item()

    tower = Tower(name="siglip", weights=str(folder), image_size=32, fit="squash").load()
    caption = tower.embed_texts([text])[0]
    scores = AlignmentScorer(tower="siglip").score(
        Embedded(frames=tower.embed_images(pixels), uniform=(0, 1, 2), caption=caption)
    )
    assert scores == pytest.approx(expected, abs=1e-4)


def test_embedding_is_the_direction_of_the_uniform_frames():
    frames = np.stack([Z, X, Y, Z]).astype(np.float32)
    found = EmbeddingColumnScorer().score(Embedded(frames=frames, uniform=(1, 2)))
    assert type(found) is list
    assert all(type(value) is float for value in found)
    assert found == pytest.approx([np.sqrt(0.5), np.sqrt(0.5), 0])


def test_frames_that_cancel_out_have_no_direction():
    assert EmbeddingColumnScorer().score(Embedded(frames=np.stack([X, -X]), uniform=(0, 1))) is None
