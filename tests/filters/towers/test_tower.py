"""Towers: what the model sees of a frame, equal vectors however they are batched, and folders that do not fit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from filters.towers.tower import CLIP, DEFAULTS, SIGLIP, Tower
from preprocess.io.weights import MissingWeightsError
from tests import tiny_models
from tests.filters.views import texture, view_of

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")
pytest.importorskip("transformers")

MAKERS = {
    "open_clip": (tiny_models.tiny_open_clip, {}),
    "clip": (tiny_models.tiny_clip, {}),
    "siglip": (tiny_models.tiny_siglip, {"fit": "squash"}),
    "siglip2": (tiny_models.tiny_siglip2, {"fit": "squash", "resample": "bilinear"}),
    "dinov2": (tiny_models.tiny_dinov2, {"short_side": 40}),
}
TEXTS = ["a red car", "the dog runs at night", "a tree in the rain"]


@pytest.fixture(scope="module")
def towers(tmp_path_factory):
    root = tmp_path_factory.mktemp("towers")
    return {
        name: Tower(name=name, weights=str(make(root / name)), image_size=32, num_frames=3, **fields)
        for name, (make, fields) in MAKERS.items()
    }


@pytest.fixture(scope="module")
def loaded(towers):
    return {name: tower.load() for name, tower in towers.items()}


def colored(height, width, seed):
    """A picture whose channels differ, so that RGB taken for BGR would show."""
    return np.dstack([texture(height, width, seed=seed + n) for n in range(3)])


def pixels(count):
    return np.stack([colored(32, 32, seed=3 * n) for n in range(count)])


@pytest.mark.parametrize("kind", MAKERS)
def test_batches_equal_single_frames(kind, towers, loaded):
    frames = pixels(7)
    alone = np.concatenate([loaded[kind].embed_images(frames[n : n + 1]) for n in range(7)])
    together = loaded[kind].embed_images(frames)
    in_threes = replace(towers[kind], batch_size=3).load()
    passes = tiny_models.passes_of(in_threes)
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert np.allclose(together, alone, atol=1e-4)
    assert np.allclose(in_threes.embed_images(frames), alone, atol=1e-4)
    assert passes == [3, 3, 1]
    assert (together @ together.T)[0, 1] < 0.99  # pictures are told apart


@pytest.mark.parametrize("size", [(90, 160), (160, 90), (54, 32), (32, 32), (20, 33), (97, 97)])
def test_open_clip_sees_what_its_own_transform_makes(size, towers, loaded):
    import open_clip

    picture = colored(*size, seed=1)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{towers['open_clip'].folder()}")
    with torch.inference_mode():
        reference = model.eval().encode_image(transform(Image.fromarray(picture))[None])
    expected = torch.nn.functional.normalize(reference, dim=-1).numpy()
    square = towers["open_clip"].geometry.square(picture)
    assert np.allclose(loaded["open_clip"].embed_images(square[None]), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "size"),
    [(kind, size) for kind in ("clip", "siglip", "dinov2") for size in ((80, 160), (160, 80), (32, 32))]
    + [("siglip2", (32, 32))],  # its own processor keeps other aspects
)
def test_transformers_sees_what_its_own_processor_makes(kind, size, towers, loaded):
    from transformers import AutoImageProcessor, AutoModel

    folder, picture = towers[kind].folder(), colored(*size, seed=1)
    model = AutoModel.from_pretrained(folder).eval()
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    inputs = processor(images=Image.fromarray(picture), return_tensors="pt")
    with torch.inference_mode():
        found = model(**inputs) if kind == "dinov2" else model.get_image_features(**inputs)
    expected = torch.nn.functional.normalize(found.pooler_output, dim=-1).numpy()
    square = towers[kind].geometry.square(picture)
    assert np.allclose(loaded[kind].embed_images(square[None]), expected, atol=1e-3)


def test_open_clip_reads_texts_as_its_own_tokenizer(towers, loaded):
    import open_clip

    name = f"local-dir:{towers['open_clip'].folder()}"
    model = open_clip.create_model(name).eval()
    with torch.inference_mode():
        reference = model.encode_text(open_clip.get_tokenizer(name)(TEXTS))
    expected = torch.nn.functional.normalize(reference, dim=-1).numpy()
    assert np.allclose(loaded["open_clip"].embed_texts(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_transformers_reads_texts_as_its_own_processor(kind, towers, loaded):
    from transformers import AutoModel, AutoTokenizer

    folder = towers[kind].folder()
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(TEXTS, padding="max_length", max_length=16, return_tensors="pt")
    wanted = tokens if kind == "clip" else {"input_ids": tokens["input_ids"]}
    with torch.inference_mode():
        reference = model.get_text_features(**{k: v for k, v in wanted.items() if k != "token_type_ids"})
    expected = torch.nn.functional.normalize(reference.pooler_output, dim=-1).numpy()
    found = loaded[kind].embed_texts(TEXTS)
    assert np.allclose(found, expected, atol=1e-5)
    assert (found @ found.T)[0, 1] < 0.99  # texts are told apart


@pytest.mark.parametrize("kind", ["open_clip", "clip", "siglip"])
def test_long_caption_is_cut_to_the_context(kind, loaded):
    long = "a red car runs in the rain at night " * 50
    found = loaded[kind].embed_texts([long, long + "a blue tree"])
    assert np.isfinite(found).all()
    assert np.allclose(found[0], found[1], atol=1e-5)


def test_image_tower_says_that_it_reads_no_text(loaded):
    with pytest.raises(ValueError, match=r"dinov2.*images only"):
        loaded["dinov2"].embed_texts(["a red car"])


def test_folder_without_tokenizer_says_so(loaded):
    with pytest.raises(ValueError, match="no tokenizer"):
        loaded["siglip2"].embed_texts(["a red car"])


@pytest.mark.parametrize("kind", ["open_clip", "siglip"])
def test_out_of_memory_halves_the_batch_for_good(kind, towers, loaded):
    frames = pixels(13)
    tower = replace(towers[kind], batch_size=13).load()
    seen = []

    def refuse_more_than_three(module, inputs, named):
        count = len(named["pixel_values"] if kind == "siglip" else inputs[0])
        seen.append(count)
        if count > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")

    vision = tower.model.module.vision_model if kind == "siglip" else tower.model.module.visual
    vision.register_forward_pre_hook(refuse_more_than_three, with_kwargs=True)
    assert np.allclose(tower.embed_images(frames), loaded[kind].embed_images(frames), atol=1e-4)
    assert seen == [13, 6, 3, 3, 3, 3, 1]
    assert tower.batch_size == 3


def test_out_of_memory_at_one_frame_names_the_tower(towers):
    tower = towers["open_clip"].load()

    def refuse(module, inputs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    tower.model.module.visual.register_forward_pre_hook(refuse)
    with pytest.raises(torch.OutOfMemoryError, match=r"'open_clip', at a batch of one: CUDA out of memory"):
        tower.embed_images(pixels(4))


def test_threads_share_one_model(loaded):
    tower = loaded["open_clip"]
    passes, frames = tiny_models.passes_of(tower), pixels(6)
    expected = tower.embed_images(frames)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda n: tower.embed_images(frames[n : n + 1]), range(6)))
    assert np.allclose(np.concatenate(found), expected, atol=1e-4)
    assert sorted(passes) == [1] * 6 + [6]


def test_read_only_frames_are_taken(loaded, recwarn):
    frames = pixels(2)
    frames.setflags(write=False)
    loaded["open_clip"].embed_images(frames)
    assert not [one for one in recwarn if "writ" in str(one.message)]
    assert len(loaded["open_clip"].embed_images(frames[:0])) == 0


def still(count, fps=2):
    """A clip of `count` samples, each of its own grey."""
    return view_of([np.full((90, 160, 3), 10 + 20 * n, np.uint8) for n in range(count)], fps=fps)


def test_frames_are_first_uniform_and_last_in_time_order():
    tower = Tower(name="t", weights="none", image_size=32, num_frames=3)
    squares, uniform = tower.frames(still(12))
    assert (squares.shape, squares.dtype) == ((5, 32, 32, 3), np.uint8)
    greys = squares[:, 16, 16, 0].astype(int)
    assert (np.diff(greys) > 0).all()
    assert abs(greys[0] - 10) <= 2
    assert abs(greys[-1] - 230) <= 2
    assert uniform == (1, 2, 3)


@pytest.mark.parametrize(("samples", "expected"), [(1, (1, (0,))), (2, (2, (0, 1))), (3, (3, (0, 1, 2)))])
def test_no_frame_is_embedded_twice(samples, expected):
    squares, uniform = Tower(name="t", weights="none", image_size=32, num_frames=4).frames(still(samples))
    assert (len(squares), uniform) == expected


def test_crop_takes_the_centre_and_squash_everything():
    frame = np.zeros((90, 160, 3), np.uint8)
    frame[:, :30] = frame[:, -30:] = 255  # outside of the centre
    view = view_of([frame] * 4)
    crop = Tower(name="t", weights="none", image_size=32)
    assert crop.frames(view)[0].max() < 20
    assert replace(crop, fit="squash").frames(view)[0].max() > 240


def test_frames_are_rgb():
    red = np.zeros((90, 160, 3), np.uint8)
    red[..., 2] = 255  # views are made of BGR
    square = Tower(name="t", weights="none", image_size=32).frames(view_of([red] * 4))[0][0]
    assert square[16, 16, 0] > 240
    assert square[16, 16, 2] < 15


def test_wrong_image_size_names_both_and_the_setting(towers):
    with pytest.raises(
        ValueError, match=r"image_size is 48, the model in .* wants 32; set towers.open_clip.image_size"
    ):
        replace(towers["open_clip"], image_size=48).load()
    with pytest.raises(ValueError, match=r"fit is crop, .* wants squash; set towers.siglip.fit=squash"):
        replace(towers["siglip"], fit="crop").load()
    with pytest.raises(ValueError, match=r"short_side is 32, .* wants 40"):
        replace(towers["dinov2"], short_side=None).load()


def test_missing_weights_name_the_setting(tmp_path, towers):
    with pytest.raises(MissingWeightsError, match=r"towers\.clip\.weights"):
        replace(CLIP, weights=str(tmp_path / "nowhere")).check()
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(MissingWeightsError, match=r"towers\.clip\.weights: .*no model's configuration"):
        replace(CLIP, weights=str(tmp_path)).check()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(MissingWeightsError, match=r"model_type is 'bert'.*siglip"):
        replace(CLIP, weights=str(tmp_path)).check()
    for tower in towers.values():
        tower.check()


@pytest.mark.parametrize(
    ("make", "fit", "file"),
    [
        (tiny_models.tiny_open_clip, "crop", "open_clip_model.safetensors"),
        (tiny_models.tiny_siglip, "squash", "model.safetensors"),
    ],
)
def test_broken_weights_are_refused_not_made_up(make, fit, file, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = make(tmp_path / "model")
    tower = Tower(name="t", weights=str(folder), image_size=32, fit=fit)
    tensors = load_file(folder / file)
    name = next(name for name in tensors if name.endswith("mlp.c_fc.weight") or name.endswith("mlp.fc1.weight"))
    for broken in (tensors | {name: tensors[name][:1].clone()}, {k: v for k, v in tensors.items() if k != name}):
        save_file(broken, folder / file, metadata={"format": "pt"})
        with pytest.raises(ValueError, match=re.escape(str(folder))):
            tower.load()
    (folder / file).write_bytes(b"no tensors")
    with pytest.raises(ValueError, match=re.escape(str(folder))):
        tower.load()


def test_checking_imports_no_torch(towers):
    code = (
        "import sys; from filters.towers.tower import Tower;"
        f"[Tower(name='t', weights=w, image_size=32).check() for w in {[t.weights for t in towers.values()]!r}];"
        "assert not {'torch', 'open_clip', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_bad_fields_are_named():
    with pytest.raises(ValueError, match=r"towers\.clip\.fit is 'pad', allowed are crop, squash"):
        replace(CLIP, fit="pad")
    with pytest.raises(ValueError, match=r"towers\.siglip\.batch_size is 0"):
        replace(SIGLIP, batch_size=0)
    assert set(DEFAULTS) == {"clip", "siglip"}
