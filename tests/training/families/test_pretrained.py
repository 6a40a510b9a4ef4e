"""What holds for every family, tried on Wan: kills, shards, caches, starts, exports, and words for what is refused."""

from __future__ import annotations

import builtins
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("diffusers")

from captioners.sidecar import SidecarCaptioner
from pipelines.curate import curate
from pipelines.recipe import recipes as curation
from preprocess.io.trees import kept, load
from tests.training.families.cases import CASES
from tests.training.families.parity import pipeline
from tests.training.families.tiny_pretrained_run import run_config, shapes_batch
from tests.training.tiny_run import losses, run_ranks
from training import recipes
from training.__main__ import main
from training.export import export
from training.families.folder import PipelineFolder
from training.families.pretrained import PretrainedObjective
from training.families.pretrained_module import NETWORK, PretrainedModule
from training.families.skeleton import skeleton
from training.families.texts import packed, to_length, unpacked
from training.families.wan import Wan
from training.film import read_picture
from training.models.grid import Shape, TokenGrid
from training.objectives.generate import GenerateConfig
from training.run.config import TrainConfig
from training.run.launch import train
from training.run.module import on_meta
from training.run.noise import SampleNoise
from training.run.runs import trained_module
from training.sample import sample
from training.shapes.corpus import write_corpus

SCRIPT = "tests.training.families.tiny_pretrained_run"
CASE = "wan2_1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return CASES[CASE].make(tmp_path_factory.mktemp(CASE) / "pipeline")


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    train(run_config(out, CASE, folder))
    return out


def test_a_killed_run_goes_on_exactly(folder: Path, run: Path, tmp_path: Path) -> None:
    killed = run_ranks(1, tmp_path, CASE, str(folder), "data.dies_at=5", script=SCRIPT, check=False)
    assert killed.returncode == -9, killed.stderr
    train(run_config(tmp_path, CASE, folder))
    assert losses(tmp_path, NETWORK) == losses(run, NETWORK)


@pytest.mark.attack
def test_two_ranks_in_shards_train_as_one(folder: Path, run: Path, tmp_path: Path) -> None:
    shards = ("trainer.strategy=fsdp2", "trainer.activation_checkpointing=true")
    run_ranks(2, tmp_path, CASE, str(folder), *shards, script=SCRIPT)
    assert losses(tmp_path, NETWORK) == pytest.approx(losses(run, NETWORK), abs=1e-5)


def test_a_base_in_bfloat16_is_left_as_it_is_and_costs_half(folder: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    train(run_config(tmp_path, CASE, folder, "objective.base_precision=bf16", "trainer.precision=bf16"))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    held = trained_module(str(tmp_path)).networks[NETWORK]
    types = {name: weight.dtype for name, weight in held.named_parameters()}
    assert types["blocks.0.attn1.to_q.weight"] == torch.bfloat16
    assert types["blocks.0.attn1.to_q.lora_up"] == torch.float32
    assert types["blocks.0.scale_shift_table"] == torch.float32  # diffusers keeps it so
    assert held.rope.freqs_cos.dtype == torch.float32


def test_a_skeleton_has_no_weights_and_the_tables_of_a_whole_model(folder: Path) -> None:
    made = skeleton("WanTransformer3DModel", PipelineFolder(str(folder)).config("transformer"))
    whole = pipeline(CASE, folder).transformer
    assert all(weight.is_meta and weight.dtype == torch.float32 for weight in made.parameters())
    assert dict(made.named_parameters()).keys() == dict(whole.named_parameters()).keys()
    for name, table in whole.named_buffers():
        assert torch.equal(made.get_buffer(name), table), name


def test_from_caches_neither_encoder_is_loaded_and_the_loss_is_the_same(folder: Path) -> None:
    config = run_config("", CASE, folder)
    module = made(config.objective)
    batch = shapes_batch(replace(config.data, cached=False), config, [0, 1, 2])
    objective = config.objective
    latents = objective.latents_of()
    text = objective.texts_of(seed=0).load()
    cached = replace(
        batch,
        video=latents.encoded(latents.load(), batch.video),
        latent=True,
        text=text.encode(batch.captions),
        no_text=text.encode([""]),
    )
    wanted = loss(module, batch)
    from_caches = made(objective)
    assert loss(from_caches, cached) == pytest.approx(wanted, abs=1e-6)
    assert set(module.frozen) == {"vae", "text"}
    assert not from_caches.frozen


def test_texts_that_are_dropped_are_shown_as_empty(folder: Path) -> None:
    config = run_config("", CASE, folder)
    batch = shapes_batch(replace(config.data, cached=False), config, [0, 1])
    without = replace(batch, captions=["", ""])
    dropping = made(replace(config.objective, text_dropout=1.0))
    assert loss(dropping, batch) == loss(made(config.objective), without) != loss(made(config.objective), batch)


def test_all_weights_can_be_trained_and_are_given_back_as_a_folder(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(run_config(out, CASE, folder, "objective.method=full", "trainer.steps=2", "optimizer.learning_rate=0.001"))
    import diffusers

    theirs = diffusers.WanTransformer3DModel.from_pretrained(export(str(out), tmp_path / "whole", "diffusers"))
    trained = trained_module(str(out))
    start = pipeline(CASE, folder).transformer
    assert not torch.equal(theirs.proj_out.weight, start.proj_out.weight)
    assert (theirs.proj_out.weight - start.proj_out.weight).abs().max() < 0.01  # it began there
    for name, weight in trained.networks[NETWORK].state_dict().items():
        assert torch.equal(theirs.state_dict()[name], weight), name
    with pytest.raises(ValueError, match="whole as they are"):
        trained.exported("diffusers", merged=True)


def test_a_merged_lora_and_comfyuis_names_answer_alike(folder: Path, run: Path, tmp_path: Path) -> None:
    import diffusers

    pipe, module = pipeline(CASE, folder), trained_module(str(run))
    latents, told = torch.randn(1, 16, 3, 4, 4), torch.tensor([500.0])
    text = module.video.encoded(["a red circle"])
    call = {"timestep": told, "encoder_hidden_states": to_length(text, 16)[0], "return_dict": False}
    with torch.no_grad():
        wanted = module.video.answer(latents, told, text, None)
        whole = export(str(run), tmp_path / "whole", "diffusers", merged=True)
        merged = diffusers.WanTransformer3DModel.from_pretrained(whole)(latents, **call)[0]
        pipe.load_lora_weights(export(str(run), tmp_path / "comfy.safetensors", "comfyui"))
        loaded = pipe.transformer(latents, **call)[0]
    assert (merged - wanted).abs().max() < 1e-5
    assert (loaded - wanted).abs().max() < 1e-5


@pytest.mark.parametrize("layout", ["diffusers", "comfyui", "safetensors"])
def test_a_run_begins_with_a_lora_of_a_file(folder: Path, run: Path, tmp_path: Path, layout: str) -> None:
    file = export(str(run), tmp_path / "lora.safetensors", layout)
    train(run_config(tmp_path / "on", CASE, folder, f"objective.start={file}", "trainer.steps=1"))
    first = losses(tmp_path / "on", NETWORK)[1]
    assert first != losses(run, NETWORK)[1]
    train(run_config(tmp_path / "of_run", CASE, folder, f"objective.start={run}", "trainer.steps=1"))
    assert first == pytest.approx(losses(tmp_path / "of_run", NETWORK)[1], abs=1e-6)


def test_a_run_is_sampled(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "picture.png"
    sample(str(run), "a red circle", out, shape=Shape(1, 16, 16), config=GenerateConfig(num_steps=2, guidance=2.0))
    assert read_picture(out).shape == (16, 16, 3)


def test_texts_of_several_encoders_go_through_a_cache_as_one() -> None:
    first = torch.randn(2, 3, 4), torch.tensor([[True, True, False], [True, True, True]])
    second = torch.randn(2, 2, 6), torch.tensor([[True, False], [False, False]])
    one = packed([first, second])
    assert one[1].sum(1).tolist() == [3, 3]
    for number, (vectors, mask) in enumerate((first, second), start=1):
        back, told = unpacked(one, number, width=vectors.shape[-1], length=5)
        for row in range(2):
            assert torch.equal(back[row, told[row]], vectors[row, mask[row]])
            assert not back[row, ~told[row]].any()


def test_the_pipeline_is_of_another_family_or_changed_or_none(folder: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--set objective\.model="):
        PretrainedObjective(model="", family=Wan()).grid()
    with pytest.raises(ValueError, match=r"objective\.model"):
        PretrainedObjective(model=str(tmp_path), family=Wan()).grid()
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    config = other / "transformer" / "config.json"
    config.write_text(config.read_text().replace("WanTransformer3DModel", "LTXVideoTransformer3DModel"))
    with pytest.raises(ValueError, match=r"is a LTXVideoTransformer3DModel, and objective\.family is for a Wan"):
        PretrainedObjective(model=str(other), family=Wan()).grid()
    module = made(run_config("", CASE, folder).objective)
    state = module.extra_state()
    for name, what in (("tuned", "transformer"), ("latents_by", "autoencoder"), ("texts_by", "text encoder")):
        with pytest.raises(ValueError, match=f"its {what} is another one"):
            module.load_extra_state({**state, name: "0" * 16})


def test_pickled_weights_are_not_read(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "pickled"
    shutil.copytree(folder, other)
    for part in ("transformer", "vae"):
        (other / part / "diffusion_pytorch_model.safetensors").rename(other / part / "diffusion_pytorch_model.bin")
    objective = PretrainedObjective(model=str(other), family=Wan())
    with pytest.raises(ValueError, match=r"no \.safetensors file; pickled weights are not read"):
        objective.family.load_vae(PipelineFolder(str(other)))
    with pytest.raises(ValueError, match="pickled"):
        made(objective)


def test_without_diffusers_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    real = builtins.__import__

    def refusing(name: str, *rest, **settings):
        if name == "diffusers":
            raise ImportError(name)
        return real(name, *rest, **settings)

    monkeypatch.setattr(builtins, "__import__", refusing)
    with pytest.raises(ValueError, match="diffusers is not installed"):
        PretrainedModule(PretrainedObjective(model=str(folder), family=Wan()))


def test_a_family_without_first_frames_refuses_them(folder: Path) -> None:
    assert not made(PretrainedObjective(model=str(folder), family=Wan())).video.takes_first_frames
    with pytest.raises(ValueError, match="takes no first frame"):
        PretrainedModule(PretrainedObjective(model=str(folder), family=Wan(), first_frame_share=0.5))


def test_what_is_seen_of_first_frames_is_cached_beside_the_latents(tmp_path: Path) -> None:
    """Latents of the frame with grey behind it, and CLIP's vectors."""
    config = run_config("", "wan2_1_image", CASES["wan2_1_image"].make(tmp_path / "pipeline"))
    objective = config.objective
    batch = shapes_batch(replace(config.data, cached=False), config, [0, 1, 2])
    latents = objective.latents_of()
    cached = replace(batch, video=latents.encoded(latents.load(), batch.video), latent=True)
    assert cached.video.shape[1] == 16 + 16 + 1  # 5 vectors of 8 values are less than one channel
    from_cache = made(objective)
    assert loss(from_cache, cached) == pytest.approx(loss(made(objective), batch), abs=1e-6)
    assert set(from_cache.frozen) == {"text"}
    assert from_cache.video.takes_first_frames
    of_another = replace(batch, video=batch.video.clone())
    of_another.video[:, 0] = 0
    assert loss(made(objective), of_another) != pytest.approx(loss(made(objective), batch), abs=1e-3)
    with pytest.raises(ValueError, match=r"objective\.first_frame_share is 0.*go on from a first frame"):
        PretrainedModule(replace(objective, first_frame_share=0.0))
    others = CASES[CASE].make(tmp_path / "of_texts")
    assert PretrainedObjective(model=str(others), family=Wan()).latents_of().identity != latents.identity
    with pytest.raises(ValueError, match="sees a first frame in pixels"):
        from_cache.video.condition(torch.zeros(1, 16, 1, 4, 4), 3)


def test_a_sample_does_not_depend_on_whether_its_neighbours_are_told_a_first_frame(tmp_path: Path) -> None:
    case = "hunyuan_video1_5_image"
    config = run_config("", case, CASES[case].make(tmp_path / "pipeline"))
    module = made(replace(config.objective, first_frame_share=0.5))
    told = []
    answer = module.video.answer
    module.video.answer = lambda z, t, text, condition: (told.append(condition), answer(z, t, text, condition))[1]
    batch = shapes_batch(config.data, config, range(4))
    together = loss(module, batch)
    assert 0 < int(told[0].flatten(1).any(dim=1).sum()) < 4
    alone = [loss(module, shapes_batch(config.data, config, [place])) for place in range(4)]
    assert together == pytest.approx(sum(alone) / 4, abs=1e-5)


def test_captions_that_are_read_along_with_a_picture_are_in_no_cache_and_blank_ones_with_black(tmp_path: Path) -> None:
    case = "hunyuan_video_image"
    folder = CASES[case].make(tmp_path / "pipeline")
    config = run_config("", case, folder)
    objective = config.objective
    assert objective.texts_of(seed=0) is None
    module = made(objective)
    batch = shapes_batch(replace(config.data, cached=False), config, [0, 1])
    size = (3, 4, 4)
    told = module.video.first_frame(batch.to(torch.device("cpu")).video[:, :, :1], size[0])
    read, (black, _) = module.video.read(["a", "a"], told)[0], module.video.encoded(["a"])
    assert min((read[0] - read[1]).abs().max(), (read[0] - black[0]).abs().max()) > 1e-3
    untold = torch.cat([told[:1], torch.zeros_like(told[:1])])
    torch.testing.assert_close(module.video.read(["a", "a"], untold)[0], torch.stack([read[0], black[0]]))
    with pytest.raises(ValueError, match="a sample is a picture"):
        loss(module, replace(batch, video=batch.video[:, :1]))
    with pytest.raises(ValueError, match="takes the first latent for that of a frame that is told, always"):
        PretrainedModule(replace(objective, first_frame_share=0.5))
    with pytest.raises(ValueError, match=r"from a first frame: objective\.family HunyuanVideoFromImage"):
        PretrainedObjective(model=str(folder), family=CASES["hunyuan_video"].family).grid()
    others = CASES["hunyuan_video"].make(tmp_path / "of_texts")
    with pytest.raises(ValueError, match="for texts alone"):
        replace(objective, model=str(others)).grid()


def made(objective: PretrainedObjective) -> PretrainedModule:
    module = PretrainedModule(objective)
    assert on_meta(module.transformer)
    module.materialise(NETWORK, torch.device("cpu"))
    module.transformer.eval()
    return module


def loss(module: PretrainedModule, batch) -> float:
    with torch.no_grad():
        given = module.loss(NETWORK, batch, SampleNoise(0, 0, batch.clip_ids), 0)
    return float(given.total) / given.weight


def test_a_manifest_is_cached_and_trained_on_by_the_recipe(folder: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path / "films", count=6, size=32)
    curating = replace(curation.default(), name="shapes", scorers=(), rules=(), captioner=SidecarCaptioner())
    curate(str(tmp_path / "films"), str(tmp_path / "manifest"), curating, engine="in-process", workers=1)
    sizes = {"fps": 4, "min_frames": 9, "max_frames": 9, "min_side": 32, "max_side": 32, "budget_tokens": 36}
    settings = [f"data.sampler.{name}={value}" for name, value in sizes.items()]
    settings += [f"objective.model={folder}", "objective.family.text_tokens=16", "objective.rank=2"]
    recipe = ["--recipe", "wan2_1_lora", *(part for each in settings for part in ("--set", each))]
    cache, out = tmp_path / "cache", tmp_path / "run"
    assert main(["cache", str(tmp_path / "manifest"), *recipe, "--out", str(cache), "--epochs", "4"]) == 0
    [latents], [texts] = ([*(cache / kind).iterdir()] for kind in ("latents", "text"))
    shutil.rmtree(tmp_path / "films")  # nothing is encoded again
    more = [f"data.cache={latents}", f"data.text_cache={texts}", "trainer.steps=3", "trainer.log_every=1"]
    recipe += [part for each in more for part in ("--set", each)]
    assert main(["train", str(tmp_path / "manifest"), *recipe, "--out", str(out)]) == 0
    assert len(losses(out, NETWORK)) == 3


@pytest.mark.parametrize(
    ("name", "strides", "shape"),
    [
        ("wan2_1_lora", (4, 8, 2), Shape(81, 480, 832)),
        ("wan2_2_high_lora", (4, 8, 2), Shape(81, 480, 832)),
        ("wan2_2_low_lora", (4, 8, 2), Shape(81, 480, 832)),
        ("wan2_2_5b_lora", (4, 16, 2), Shape(121, 704, 1280)),
        ("cogvideox_lora", (4, 8, 2), Shape(81, 480, 720)),
        ("ltx_lora", (8, 32, 1), Shape(121, 512, 768)),
        ("ltx2_lora", (8, 32, 1), Shape(121, 512, 768)),
        ("hunyuan_video_lora", (4, 8, 2), Shape(61, 544, 960)),
        ("hunyuan_video_image_lora", (4, 8, 2), Shape(61, 544, 960)),
        ("hunyuan_video15_lora", (4, 16, 1), Shape(121, 480, 848)),
        ("easyanimate_lora", (4, 8, 2), Shape(49, 512, 512)),
    ],
)
def test_a_step_of_a_recipe_is_one_clip_of_the_size_that_it_names(
    name: str, strides: tuple[int, int, int], shape: Shape
) -> None:
    config = getattr(recipes, name)("manifest", "out")
    temporal, spatial, patch = strides
    grid = TokenGrid(temporal_stride=temporal, spatial_stride=spatial, patch=patch)
    sampler = config.data.sampler.on(grid)  # which refuses frames that are no multiple
    assert (grid.tokens(shape), sampler.max_frames) == (sampler.budget_tokens, shape.frames)
    assert sampler.max_side == pytest.approx((shape.height * shape.width) ** 0.5, abs=1)
    assert load(kept(config), TrainConfig) == config
