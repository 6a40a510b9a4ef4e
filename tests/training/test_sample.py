"""From films to a tuned model by the commands that a user types, at a few steps each."""

import base64
import json
import logging
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from captioners.sidecar import SidecarCaptioner
from pipelines.curate import curate
from pipelines.recipe import recipes as curation
from tests.training.tiny import tiny_dit_module
from training import sample as sampling
from training.__main__ import main
from training.evaluate import shapes_truth
from training.film import read_film, read_preview, write_picture, write_preview
from training.inference.given import Given, fitted
from training.models.grid import Shape
from training.objectives.generate import GenerateConfig
from training.objectives.vae import VaeModule, trained_vae
from training.run.curves import curve
from training.run.metrics import read_rows
from training.run.runs import config_of, trained_generator
from training.sample import sheet_of, videos
from training.shapes.corpus import write_corpus
from training.shapes.page import Section, write_page

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    write_corpus(folder / "films", count=96, size=32)
    config = replace(curation.default(), name="shapes", scorers=(), rules=(), captioner=SidecarCaptioner())
    curate(str(folder / "films"), str(folder / "manifest"), config, engine="in-process", workers=1)
    return folder / "manifest"


@pytest.fixture(scope="module")
def runs(manifest: Path, tmp_path_factory) -> dict[str, Path]:
    """Runs of all three objectives, each of which builds on the one before."""
    folder = tmp_path_factory.mktemp("runs")
    runs = {name: folder / name for name in ("vae", "dit", "reward")}
    few = ["--set", "trainer.steps=2", "--set", "data.held_out_batches=1"]
    train = {name: [name, str(manifest), "--out", str(runs[name]), *few] for name in runs}
    assert main(train["vae"]) == 0
    assert main([*train["dit"], "--set", f"objective.vae={runs['vae']}"]) == 0
    fewer = ["--set", "objective.sampling.num_steps=3"]  # of which 2 are recorded
    assert main([*train["reward"], "--set", f"objective.base={runs['dit']}", *fewer]) == 0
    return runs


@pytest.mark.slow
def test_a_lora_is_trained_sampled_and_exported(runs, manifest, tmp_path, capsys):
    few = ["--set", "trainer.steps=2", "--set", "objective.targets=attention", "--set", f"objective.base={runs['dit']}"]
    assert main(["lora", str(manifest), "--out", str(tmp_path / "lora"), *few]) == 0
    assert (
        main(["sample", str(tmp_path / "lora"), "--prompt", "a", "--out", str(tmp_path / "a.mp4"), "--steps", "2"]) == 0
    )
    assert main(["export", str(tmp_path / "lora"), str(tmp_path / "lora.safetensors"), "--layout", "comfyui"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "lora.safetensors")
    assert main(["plan", "tiny_lora", *few]) == 0
    told = capsys.readouterr().out
    trained = sum(weight.numel() for weight in load_file(tmp_path / "lora.safetensors").values()) - 6 * 4  # alphas
    assert f"tiny_lora: {trained:,} weights learn" in told
    assert "fits" in told
    assert main(["plan", "tiny_reward", "--set", f"objective.base={runs['dit']}"]) == 0
    assert "whose videos are sampled, decoded and judged" in " ".join(capsys.readouterr().out.split())
    assert len(load_file(tmp_path / "lora.safetensors")) == 6 * 4 * 3  # blocks, layers, and what a layer has
    again = ["--out", str(tmp_path / "again"), "--set", f"objective.start={tmp_path / 'lora.safetensors'}"]
    assert main(["lora", str(manifest), *again, *few]) == 0
    whole = tmp_path / "whole.safetensors"
    assert main(["export", str(tmp_path / "lora"), str(whole), "--merged"]) == 0
    start = ["--set", f"objective.vae={runs['vae']}", "--set", f"objective.start={whole}", "--set", "trainer.steps=1"]
    assert main(["dit", str(manifest), "--out", str(tmp_path / "dit"), *start]) == 0
    assert main(["export", str(runs["vae"]), str(tmp_path / "vae.safetensors")]) == 0
    assert main(["export", str(runs["dit"]), str(tmp_path / "dit"), "--layout", "diffusers"]) == 1
    assert "base_grid is None" in capsys.readouterr().err
    assert main(["lora", str(manifest), "--out", str(tmp_path / "none")]) == 1
    assert "--set objective.base=RUN" in capsys.readouterr().err


def test_a_lora_is_taken_off_for_a_sample(runs, tmp_path):
    """What is left are the base's own frames."""
    made = {}
    for name, run, off in (("before", "dit", []), ("with", "reward", []), ("off", "reward", ["--without-lora"])):
        out = tmp_path / f"{name}.mp4"
        assert main(["sample", str(runs[run]), "--prompt", "a", "--out", str(out), "--steps", "2", *off]) == 0
        made[name] = read_film(out)
    assert np.array_equal(made["off"], made["before"])
    generators = [trained_generator(str(runs["reward"]), with_lora=on) for on in (True, False)]
    films = [next(videos(each, ["a"], Shape(9, 32, 32), GenerateConfig(num_steps=2), seed=0)) for each in generators]
    assert not np.array_equal(*films)


def test_stages_are_trained_by_one_command_and_sampled_as_one_run(runs, manifest, tmp_path, capfd):
    run = tmp_path / "run"
    sides = ["data.sampler.min_side=16", "data.sampler.max_side=16"]
    few = ["trainer.steps=1", "data.held_out_batches=1", "data.sampler.budget_tokens=96"]
    small = [f"stages.small.{setting}" for setting in (*few, *sides)]
    large = [f"objective.vae={runs['vae']}", "data.sampler.min_side=32", "data.sampler.max_side=32", *few]
    settings = [word for setting in (*small, *large) for word in ("--set", setting)]
    assert main(["dit", str(manifest), "--recipe", "tiny_dit_stages", "--out", str(run), *settings]) == 0
    assert f"started with the weights of {run / 'stages' / 'small'}" in capfd.readouterr().err
    scales = {config_of(str(each)).objective.latent_scale for each in (run, run / "stages" / "small")}
    assert len(scales) == 1
    assert main(["sample", str(run), "--prompt", "a", "--out", str(tmp_path / "a.mp4"), "--steps", "1"]) == 0


def test_a_run_is_restored_as_it_was_set(runs):
    config = config_of(str(runs["reward"]))
    assert config.trainer.steps == 2
    assert config.objective.sampling.num_steps == 3
    module = trained_generator(str(runs["dit"]))
    assert module.scale == config_of(str(runs["dit"])).objective.latent_scale
    trained = config_of(str(runs["dit"]))
    latents = [module.latents(batch.to(module.device)).flatten() for batch in trained.data.looked_at(trained)]
    assert float(torch.cat(latents).square().mean()) == pytest.approx(1.0, abs=0.01)


def test_a_config_in_a_file_is_the_same_recipe(runs, manifest, tmp_path, capsys):
    capsys.readouterr()
    few = ["--set", "trainer.steps=2", "--set", "data.held_out_batches=1"]
    assert main(["show", "--recipe", "tiny_vae", *few]) == 0
    (tmp_path / "vae.toml").write_text(capsys.readouterr().out, encoding="utf-8")
    shutil.copytree(runs["vae"], tmp_path / "run")
    file = ["--config", str(tmp_path / "vae.toml")]
    assert main(["vae", str(manifest), "--out", str(tmp_path / "run"), *file]) == 0
    assert "changed since then" not in capsys.readouterr().err
    assert config_of(str(tmp_path / "run")) == replace(config_of(str(runs["vae"])), out=str(tmp_path / "run"))
    assert main(["dit", str(manifest), "--out", str(tmp_path / "other"), *file]) == 1
    assert "recipe tiny_vae has a VaeObjective: `dit` is for a DitObjective" in capsys.readouterr().err


@pytest.mark.slow
def test_an_objective_of_ones_own_is_one_file(manifest, tmp_path, capsys):
    """It trains, goes on where it stopped, and is measured, in another process too; no file of ours knows of it."""
    train = ["train", str(manifest), "--recipe", "tests.training.scratch_objective:color"]
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert main([*train, "--out", str(whole)]) == 0
    assert main([*train, "--out", str(halves), "--set", "trainer.steps=2"]) == 0
    assert main([*train, "--out", str(halves)]) == 0
    rows = [read_rows(str(run)) for run in (whole, halves)]
    assert [row["step"] for row in rows[0]] == [row["step"] for row in rows[1]] == [1, 2, 3, 4]
    assert rows[1][-1]["loss/color"] == pytest.approx(rows[0][-1]["loss/color"], rel=1e-6)
    measure = [sys.executable, "-m", "training", "eval", str(halves)]
    done = subprocess.run(measure, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "--plug-in tests.training.scratch_objective" in done.stderr
    done = subprocess.run([*measure, "--plug-in", "tests.training.scratch_objective"], cwd=ROOT, stdout=-1, check=True)
    assert 0 < json.loads(done.stdout)["held_out/color_error"] < 1
    capsys.readouterr()
    assert main(["sample", str(halves), "--prompt", "a", "--out", str(tmp_path / "a.mp4")]) == 1
    assert "makes videos" in capsys.readouterr().err


def test_held_out_captions_are_never_trained_on(runs):
    data = config_of(str(runs["dit"])).data
    sides = [set(data.table(held_out=side).clips["caption"].to_pylist()) for side in (True, False)]
    assert min(map(len, sides)) > 0
    assert not sides[0] & sides[1]


def test_eval_prints_and_keeps_figures_with_their_date(runs, capsys):
    wanted = {
        "vae": {"held_out/psnr", "held_out/box_blur_psnr", "held_out/ssim", "held_out/loss", "shape_share"},
        "dit": {"held_out/loss", "prompted_color_share", "prompted_shape_share", "prompted_direction_share"},
        "reward": {"held_out/mixture", "held_out/watched/background", "before_tuning/mixture", "prompted_color_share"},
    }
    for name, figures in wanted.items():
        assert main(["eval", str(runs[name]), "--steps", "2"]) == 0
        printed = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert figures <= printed.keys()
        assert "date" in printed
        assert json.loads((runs[name] / "evaluation.json").read_text()) == printed
    films = read_preview(runs["vae"] / "given_back_0.webp")
    assert films.shape == (9, 32, 64, 3), "a film beside what became of it"
    assert films[:, :, :32].std() > films[:, :, 32:].std(), "two steps give no shape back"


def test_sample_writes_films_and_a_sheet(runs, tmp_path, capsys):
    out = tmp_path / "clip.mp4"
    command = ["sample", str(runs["dit"]), "--prompt", "a red circle", "--out", str(out), "--steps", "2"]
    assert main(command) == 0
    assert capsys.readouterr().out.split() == [str(out), str(out.with_suffix(".png"))]
    with av.open(str(out)) as film:
        frames = list(film.decode(video=0))
        assert (len(frames), frames[0].width, frames[0].height) == (9, 32, 32)
        assert film.streams.video[0].average_rate == 4
    assert cv2.imread(str(out.with_suffix(".png"))).shape == (32 * 3, 9 * 32 * 3, 3)
    assert main([*command, "--count", "2", "--shape", "5x16x32"]) == 0
    assert (tmp_path / "clip_1.mp4").exists()


def test_the_same_seed_gives_the_same_video_beside_any_other(runs):
    module = trained_generator(str(runs["dit"]))
    shape, config = Shape(5, 16, 16), GenerateConfig(num_steps=2)
    both = [*videos(module, ["a red circle", "a blue square"], shape, config, seed=1)]
    [alone] = videos(module, ["a blue square"], shape, config, seed=1)
    assert np.abs(both[1].astype(int) - alone).max() <= 1
    assert (both[0] != both[1]).any()
    twice = [*videos(module, ["a blue square"] * 2, shape, config, seed=1)]
    assert (twice[0] != twice[1]).any()
    assert (next(videos(module, ["a blue square"], shape, config, seed=2)) != alone).any()


def test_samples_are_made_as_many_at_once_as_there_is_room_for(runs, monkeypatch):
    module = trained_generator(str(runs["dit"]))
    captions, shape, config = ["a red circle", "a blue square", "a"], Shape(5, 16, 16), GenerateConfig(num_steps=2)
    first = np.full((16, 16, 3), 90, np.uint8)
    whole = [*videos(module, captions, shape, config, seed=1, given=Given(first=first))]
    at_once, velocity = [], module.velocity
    monkeypatch.setattr(module, "velocity", lambda z, *given: (at_once.append(len(z)), velocity(z, *given))[1])
    monkeypatch.setattr(sampling, "MOST_TOKENS", 2 * module.grid.tokens(shape))
    parts = [*videos(module, captions, shape, config, seed=1, given=Given(first=first))]
    assert at_once == [4, 4, 2, 2]  # each with and without its text
    for one, other in zip(parts, whole, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1


def test_bfloat16_halves_the_weights_and_makes_about_the_same(runs, tmp_path, capsys, monkeypatch):
    exact, rounded = (trained_generator(str(runs["dit"]), precision=precision) for precision in ("fp32", "bf16"))
    for generator, dtype in ((exact, torch.float32), (rounded, torch.bfloat16)):
        assert {weight.dtype for weight in generator.model.parameters()} == {dtype}
        assert {weight.dtype for weight in generator.vae.parameters()} == {torch.float32}
    shape, config = Shape(5, 16, 16), GenerateConfig(num_steps=2)
    [fine] = videos(exact, ["a red circle"], shape, config, seed=1)
    computed, velocity = [], rounded.velocity
    rounded.velocity = lambda *given: (computed.append(torch.is_autocast_enabled("cpu")), velocity(*given))[1]
    [coarse] = videos(rounded, ["a red circle"], shape, config, seed=1, precision="bf16")
    assert computed == [True, True]
    assert np.abs(fine.astype(int) - coarse).mean() < 4
    out = ["--out", str(tmp_path / "a.mp4"), "--precision", "bf16", "--steps", "2"]
    assert main(["sample", str(runs["reward"]), "--prompt", "a red circle", *out]) == 0
    capsys.readouterr()
    held_out, measured, evaluate = {}, [], VaeModule.evaluate
    monkeypatch.setattr(
        VaeModule,
        "evaluate",
        lambda *given: (measured.append(torch.is_autocast_enabled("cpu")), evaluate(*given))[1],
    )
    for precision in ("fp32", "bf16"):
        assert main(["eval", str(runs["vae"]), "--precision", precision]) == 0
        held_out[precision] = json.loads(capsys.readouterr().out.splitlines()[-1])["held_out/psnr"]
    assert measured == [False, True]
    assert held_out["bf16"] == pytest.approx(held_out["fp32"], abs=0.5)


def test_sample_takes_a_picture_to_begin_with(runs, tmp_path):
    picture, out = tmp_path / "first.png", tmp_path / "clip.mkv"
    write_picture(picture, np.full((40, 64, 3), 90, np.uint8))
    command = ["sample", str(runs["reward"]), "--prompt", "", "--out", str(out), "--steps", "2"]
    assert main([*command, "--image", str(picture), "--shape", "5x32x48"]) == 0
    with av.open(str(out)) as film:
        assert [(frame.width, frame.height) for frame in film.decode(video=0)] == [(48, 32)] * 5


def test_films_know_the_picture_that_they_begin_with():
    module, config = tiny_dit_module(), GenerateConfig(num_steps=2)
    known = []
    module.model.register_forward_pre_hook(lambda _, args: known.append(args[3]))
    pictures = [np.full((16, 32, 3), color, np.uint8) for color in ((255, 0, 0), (0, 0, 255))]
    red, blue = (
        [*videos(module, ["a", "b"], Shape(5, 16, 32), config, seed=1, given=Given(first=picture))]
        for picture in pictures
    )
    pixels = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1, 1).expand(-1, -1, 1, 16, 32)
    latent = module.vae.encode(pixels).mean
    for condition in known[:2]:  # both videos, with and without text
        assert torch.equal(condition[:, 0], torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(4, -1, 2, 4))
        torch.testing.assert_close(condition[:, 1:, :1], latent.expand(4, -1, -1, -1, -1))
    assert all((one != other).any() for one, other in zip(red, blue, strict=True))


def test_a_picture_is_taken_from_its_middle():
    picture = np.zeros((20, 60, 3), np.uint8)
    picture[:, 20:40] = (10, 20, 250)
    assert (fitted(picture, Shape(5, 16, 16)) == (10, 20, 250)).all()


def test_one_frame_is_a_picture(runs, tmp_path, capsys):
    out = tmp_path / "new folder" / "red.png"
    command = ["sample", str(runs["dit"]), "--prompt", "a red circle", "--steps", "2", "--shape", "1x32x48"]
    assert main([*command, "--out", str(out)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(out)]
    assert cv2.imread(str(out)).shape == (32, 48, 3)
    assert main([*command, "--out", str(out), "--count", "2"]) == 0
    assert {path.name for path in out.parent.iterdir()} == {"red.png", "red_0.png", "red_1.png"}


def test_a_prompt_may_hold_anything(runs, tmp_path):
    for prompt in ("", "../<b>\x00\udcff" + "long " * 100):
        out = tmp_path / "a.mp4"
        shape = ["--shape", "1x16x16", "--steps", "1"]
        assert main(["sample", str(runs["dit"]), "--prompt", prompt, "--out", str(out), *shape]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "a.png"}


def test_a_finished_run_says_that_it_is(runs, manifest, caplog):
    few = ["--set", "trainer.steps=2", "--set", "data.held_out_batches=1"]
    before = (runs["vae"] / "metrics.jsonl").read_text()
    with caplog.at_level(logging.INFO):
        assert main(["vae", str(manifest), "--out", str(runs["vae"]), *few]) == 0
    assert f"at step 2 of 2: {runs['vae'] / 'checkpoints' / 'step_00000002'}" in caplog.messages
    assert (runs["vae"] / "metrics.jsonl").read_text() == before


def test_the_measured_truth_of_a_model_that_knows_it(runs, monkeypatch):
    """Films rendered from the prompts score 1; those of the colour that was not asked for, 0 on colour."""
    from training import evaluate
    from training.shapes.corpus import Scene, render

    def rendered(module, captions, shape, config, *, seed, precision):
        swap = {"red": "blue", "blue": "red"} if seed else {}
        words = [caption.split() for caption in captions]
        return [
            render(
                Scene(
                    color=swap.get(w[1], w[1]),
                    shape=w[2],
                    direction=w[4],
                    speed=w[5],
                    x=0.5,
                    y=0.5,
                    radius=0.2,
                    grey=90,
                ),
                size=32,
                num_frames=9,
                fps=4,
            )
            for w in words
        ]

    monkeypatch.setattr(evaluate, "videos", rendered)
    module = trained_generator(str(runs["dit"]))
    truth = [shapes_truth(module, Shape(9, 32, 32), GenerateConfig(), seed=seed) for seed in (0, 1)]
    right = {"prompted_color_share": 1.0, "prompted_shape_share": 1.0, "prompted_direction_share": 1.0}
    assert truth == [right, right | {"prompted_color_share": 0.0}]


def test_a_cache_of_latents_trains_as_the_videos_do(runs, manifest, tmp_path, capsys):
    with_vae = ["--set", f"objective.vae={runs['vae']}"]
    assert main(["cache", str(manifest), "--out", str(tmp_path / "cache"), *with_vae]) == 0
    location = capsys.readouterr().out.split()[-1]
    few = ["--set", "trainer.steps=2", "--set", "data.held_out_batches=1", "--set", f"data.cache={location}"]
    # measured anew it may be rounded to the other side: the cache has fewer bits
    scale = ["--set", f"objective.latent_scale={config_of(str(runs['dit'])).objective.latent_scale}"]
    assert main(["dit", str(manifest), "--out", str(tmp_path / "run"), *with_vae, *scale, *few]) == 0
    traces = [
        [json.loads(line)["loss/dit"] for line in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (runs["dit"], tmp_path / "run")
    ]
    assert traces[1] == pytest.approx(traces[0], rel=1e-4)


def test_an_autoencoder_that_was_trained_on_is_refused(runs, manifest, tmp_path, capsys):
    """The transformer, and a LoRA on it, know the latents of the autoencoder as it was."""
    copies = {name: tmp_path / name for name in ("vae", "dit")}
    shutil.copytree(runs["vae"], copies["vae"])
    few = ["--set", "trainer.steps=2", "--set", "data.held_out_batches=1"]
    with_vae = ["--set", f"objective.vae={copies['vae']}"]
    dit = ["dit", str(manifest), "--out", str(copies["dit"]), *few]
    assert main([*dit, *with_vae]) == 0
    assert main(["vae", str(manifest), "--out", str(copies["vae"]), *few, "--set", "trainer.steps=3"]) == 0
    capsys.readouterr()
    sample = ["sample", str(copies["dit"]), "--prompt", "a", "--out", str(tmp_path / "a.mp4")]
    reward = ["reward", str(manifest), "--out", str(tmp_path / "reward"), "--set", f"objective.base={copies['dit']}"]
    for command in (sample, [*dit, *with_vae], [*reward, *few, "--set", "objective.sampling.num_steps=2"]):
        assert main(command) == 1
        assert "its autoencoder has been trained on" in capsys.readouterr().err


def test_refuses_with_a_reason(runs, manifest, tmp_path, capsys):
    assert main(["eval", str(tmp_path)]) == 1
    assert "no complete checkpoint" in capsys.readouterr().err
    assert main(["dit", str(manifest), "--out", str(tmp_path / "dit")]) == 1
    assert "objective.vae" in capsys.readouterr().err
    with pytest.raises(ValueError, match="no run of an autoencoder"):
        trained_vae(str(runs["dit"]))
    with pytest.raises(ValueError, match="no run of a transformer"):
        trained_generator(str(runs["vae"]))
    assert (
        main(["sample", str(runs["dit"]), "--prompt", "a", "--out", str(tmp_path / "a.mp4"), "--shape", "8x32x32"]) == 1
    )
    assert "frames must be" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--out", "clip"], "must end in one of .mp4, .mov, .mkv"),
        (["--out", "."], "is a folder"),
        (["--out", "clip.png"], "9 frames make no picture"),
        (["--out", "taken/clip.mp4"], "taken"),
        (["--count", "0"], "count is 0"),
        (["--shift", "0"], "shift is 0.0"),
        (["--guidance", "nan"], "guidance is nan"),
        (["--image", "none.png"], "No such file"),
        (["--image", "taken"], "no picture that can be read"),
        (["--image", "words.png"], "no picture that can be read"),
        (["--image", "grey.png", "--shape", "1x32x32"], "nothing is left to make"),
    ],
)
def test_sample_refuses_with_a_reason(runs, tmp_path, monkeypatch, capsys, arguments, reason):
    monkeypatch.chdir(tmp_path)
    Path("taken").touch()
    Path("words.png").write_text("no picture")
    write_picture(Path("grey.png"), np.full((32, 32, 3), 90, np.uint8))
    command = ["sample", str(runs["dit"]), "--prompt", "a", "--out", "clip.mp4", "--steps", "1"]
    assert main([*command, *arguments]) == 1
    assert reason in capsys.readouterr().err
    assert not Path("clip.mp4").exists()


def test_the_page_holds_curves_figures_and_samples_and_trusts_no_name(runs, tmp_path):
    sheet, film = tmp_path / "sheet.png", tmp_path / "film.webp"
    write_picture(sheet, sheet_of([np.zeros((3, 8, 8, 3), np.uint8)]))
    write_preview(film, np.random.default_rng(0).integers(0, 255, (3, 8, 8, 3), np.uint8), fps=4)
    section = Section(
        title="<b>",
        text="a & b",
        run=runs["vae"],
        curves=("loss/l1", "held_out/psnr", "none"),
        films={"<i>": {"<u>": sheet, "plays": film}},
        figures={"<s>": "<em>"},
    )
    write_page(tmp_path / "index.html", "Runs", [section])
    page = (tmp_path / "index.html").read_text()
    assert "<b>" not in page
    assert not any(name in page for name in ("<i>", "<u>", "<s>", "<em>"))
    assert page.count("<svg") == 2
    assert "data:image/png;base64," in page
    assert f"data:image/webp;base64,{base64.b64encode(film.read_bytes()).decode()}" in page
    assert "://" not in page


def test_a_curve_ends_where_its_values_do():
    drawn = curve([(0, 2.0), (10, 1.0), (20, 4.0)], "loss")
    points = [tuple(map(float, pair.split(","))) for pair in drawn.split('points="')[1].split('"')[0].split()]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert min(points, key=lambda point: point[1]) == points[2]
    assert "step 20: 4" in drawn
    assert curve([], "nothing") == ""
