"""Aesthetic heads: each layout equals torch's own module; hostile and damaged files are refused."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace

import numpy as np
import pytest

from filters.aesthetic import AestheticScorer
from filters.aesthetic_v2_5 import AestheticV25Scorer
from filters.base import Embedded
from filters.towers.aesthetic_head import load_head
from filters.towers.tower import Tower
from preprocess.io.weights import MissingWeightsError
from tests.tiny_models import laion_linear_head, laion_mlp_head, siglip_v2_5_head, tiny_open_clip

torch = pytest.importorskip("torch")

MAKERS = {"linear": laion_linear_head, "mlp": laion_mlp_head, "v2.5": siglip_v2_5_head}


def unit_vectors(count, width, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("layout", MAKERS)
def test_head_equals_the_module_it_was_saved_from(layout, suffix, tmp_path):
    module = MAKERS[layout](tmp_path / f"head{suffix}", width=24)
    vectors = unit_vectors(5, 24)
    with torch.inference_mode():
        expected = module(torch.from_numpy(vectors))[:, 0].numpy()
    found = load_head(tmp_path / f"head{suffix}")(vectors)
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-5)


def test_prefixes_and_half_precision_are_taken(tmp_path):
    module = siglip_v2_5_head(tmp_path / "plain.pth")
    halves = {f"model.layers.scoring_head.{name}": one.half() for name, one in module.state_dict().items()}
    torch.save(halves, tmp_path / "halves.pth")
    vectors = unit_vectors(3, 32)
    assert np.allclose(
        load_head(tmp_path / "halves.pth")(vectors), load_head(tmp_path / "plain.pth")(vectors), atol=0.01
    )


class _Planted:
    """What a hostile pickle holds: code that runs when it is read."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


@pytest.mark.parametrize("write", [torch.save, lambda what, file: file.write_bytes(pickle.dumps(what, protocol=2))])
def test_code_in_a_head_is_not_run(write, tmp_path):
    file, planted = tmp_path / "head.pth", tmp_path / "planted"
    write({"weight": torch.zeros(1, 4), "bias": torch.zeros(1), "more": _Planted(planted)}, file)
    with pytest.raises(ValueError, match=re.escape(str(file))):
        load_head(file)
    assert not planted.exists()


@pytest.mark.parametrize("name", ["head.pth", "head.safetensors"])
def test_damaged_file_is_named(name, tmp_path):
    file = tmp_path / name
    laion_mlp_head(file)
    whole = file.read_bytes()
    for damaged in (b"", b"\xff" * 64, whole[: len(whole) // 2]):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=re.escape(str(file))):
            load_head(file)


def linear(inputs, outputs, place, prefix="layers."):
    return {
        f"{prefix}{place}.weight": torch.zeros(outputs, inputs),
        f"{prefix}{place}.bias": torch.zeros(outputs),
    }


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "got nothing"),
        ([1, 2], "expected tensors by name, got list"),
        ({"weight": "x"}, "expected tensors by name"),
        ({"weight": torch.zeros(1, 4)}, r"got weight \[1, 4\]"),
        ({"weight": torch.zeros(4), "bias": torch.zeros(1)}, r"weight \[4\]"),
        ({"weight": torch.full((1, 4), torch.nan), "bias": torch.zeros(1)}, "not finite"),
        (linear(4, 3, 0) | linear(4, 1, 1), "gives 3 numbers, the next takes 4"),
        (linear(4, 3, 0) | linear(3, 2, 1), "gives 2 numbers, expected 1"),
        (linear(4, 3, 0) | linear(3, 1, 1, "other."), "chain of layers"),
        (linear(4, 3, 0) | {"norm.running_mean": torch.zeros(3)}, "chain of layers.*running_mean"),
        (linear(4, 3, 0) | linear(3, 1, 3), "room for activations"),
    ],
)
def test_what_is_no_chain_is_refused(tensors, message, tmp_path):
    torch.save(tensors, tmp_path / "head.pth")
    with pytest.raises(ValueError, match=re.escape(str(tmp_path)) + ".*" + message):
        load_head(tmp_path / "head.pth")


def test_head_for_another_tower_is_named(tmp_path):
    laion_linear_head(tmp_path / "head.pth", width=768)
    with pytest.raises(ValueError, match=r"head\.pth: a head for 768 numbers, the tower gives 1152"):
        load_head(tmp_path / "head.pth")(unit_vectors(1, 1152))


@pytest.mark.parametrize(
    ("scorer", "make"), [(AestheticScorer(), laion_mlp_head), (AestheticV25Scorer(), siglip_v2_5_head)]
)
def test_score_is_mean_and_minimum_of_the_uniform_frames(scorer, make, tmp_path):
    module = make(tmp_path / "head.pth", width=16)
    scorer = replace(scorer, head=str(tmp_path / "head.pth"))
    scorer.check()
    scorer.setup()
    frames = unit_vectors(6, 16)
    scores = scorer.score(Embedded(frames=frames, uniform=(1, 2, 4)))
    with torch.inference_mode():
        ratings = module(torch.from_numpy(frames[[1, 2, 4]]))[:, 0].numpy()
    assert list(scores) == list(scorer.columns)
    assert list(scores.values()) == pytest.approx([ratings.mean(), ratings.min()], abs=1e-5)
    assert all(type(value) is float for value in scores.values())
    scorer.close()


def test_from_picture_to_score_equals_the_predictors_own_way(tmp_path):
    open_clip = pytest.importorskip("open_clip")
    folder = tiny_open_clip(tmp_path / "clip")
    head = laion_mlp_head(tmp_path / "head.safetensors")
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    images = torch.stack([transform(_image(one)) for one in pixels])
    with torch.inference_mode():
        expected = head(torch.nn.functional.normalize(model.eval().encode_image(images), dim=-1)).numpy()

    tower = Tower(name="clip", weights=str(folder), image_size=32).load()
    scorer = AestheticScorer(head=str(tmp_path / "head.safetensors"))
    scores = scorer.score(Embedded(frames=tower.embed_images(pixels), uniform=(0, 1, 2)))
    assert list(scores.values()) == pytest.approx([expected.mean(), expected.min()], abs=1e-4)


def _image(pixels):
    from PIL import Image

    return Image.fromarray(pixels)


def test_missing_head_names_the_setting_and_its_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingWeightsError, match=r"scorers\.aesthetic\.head"):
        AestheticScorer(head=str(tmp_path / "nowhere.pth")).check()
    with pytest.raises(MissingWeightsError, match=r"scorers\.aesthetic_v2_5\.head.*github\.com/discus0434"):
        AestheticV25Scorer().check()
