"""What a run lets be seen while it trains changes nothing of the training, and shows what is there."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.training.tiny_dit_run import tiny_dit_config
from tests.training.tiny_run import losses, run_ranks, tiny_config
from training.film import read_preview, write_picture, write_preview
from training.inference.given import Given, fitted
from training.models.grid import Shape
from training.objectives.dit_module import DitModule
from training.objectives.generate import GenerateConfig
from training.run.checkpoint import latest, read_networks
from training.run.config import TrainConfig
from training.run.launch import train
from training.run.metrics import read_rows
from training.run.noise import same_randomness_after
from training.run.page import PAGE
from training.run.samples import Sample, add_samples, read_samples
from training.sample import videos

SCRIPT = "tests.training.tiny_dit_run"
SAMPLED = (
    "trainer.sample_every=3",
    'samples.prompts=["a <b>red</b> circle", "a blue circle"]',
    "samples.shape=[5, 16, 16]",
    "samples.fps=4",
    "samples.num_steps=2",
)


def sampled_config(out: Path, *assignments: str) -> TrainConfig:
    return tiny_dit_config(out, *SAMPLED, *assignments)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("plain")
    train(tiny_dit_config(out))
    return out


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sampled")
    train(sampled_config(out))
    return out


def test_losses_and_weights_are_to_the_bit_those_without_samples(plain: Path, sampled: Path) -> None:
    assert len(losses(plain, "dit")) == 8
    traces = [
        [
            {key: value for key, value in row.items() if key.startswith(("loss/", "held_out/", "gradient_norm/"))}
            for row in read_rows(str(out))
        ]
        for out in (plain, sampled)
    ]
    assert traces[0] == traces[1]
    for averaged in (True, False):
        torch.testing.assert_close(weights(sampled, averaged), weights(plain, averaged), rtol=0, atol=0)


def test_samples_are_of_the_averaged_weights_in_evaluation_mode(sampled: Path) -> None:
    made = read_samples(str(sampled))
    assert [(each.step, each.index) for each in made] == [(step, index) for step in (0, 3, 6, 8) for index in (0, 1)]
    assert [each.prompt for each in made[:2]] == ["a <b>red</b> circle", "a blue circle"]
    module = module_of(sampled)
    module.model.eval()
    [film] = videos(module, [made[-1].prompt], Shape(5, 16, 16), GenerateConfig(num_steps=2), seed=0)
    again = sampled / "again.webp"
    write_preview(again, film, fps=4.0)
    assert again.read_bytes() == made[-1].preview.read_bytes()
    assert again.read_bytes() != made[1].preview.read_bytes()  # of the first weights
    with av.open(str(made[-1].film)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 5


def test_a_picture_begins_the_video(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    write_picture(tmp_path / "first.png", picture)
    run = tmp_path / "run"
    train(sampled_config(run, f'samples.images=["", "{tmp_path / "first.png"}"]', "trainer.steps=1"))
    made = read_samples(str(run))[-1]
    assert made.image == str(tmp_path / "first.png")
    module = module_of(run)
    expected = {}
    for first in (None, fitted(picture, Shape(5, 16, 16))):
        [film] = videos(
            module, ["a blue circle"], Shape(5, 16, 16), GenerateConfig(num_steps=2), seed=0, given=Given(first=first)
        )
        write_preview(tmp_path / "again.webp", film, fps=4.0)
        expected[first is None] = (tmp_path / "again.webp").read_bytes()
    assert made.preview.read_bytes() == expected[False] != expected[True]


@pytest.mark.parametrize("strategy", ["ddp", pytest.param("fsdp2", marks=pytest.mark.attack)])
def test_ranks_share_the_prompts(plain: Path, sampled: Path, tmp_path: Path, strategy: str) -> None:
    prompts = 'samples.prompts=["a <b>red</b> circle", "a blue circle", ""]'
    run_ranks(2, tmp_path, *SAMPLED, prompts, f"trainer.strategy={strategy}", script=SCRIPT)
    assert losses(tmp_path, "dit") == pytest.approx(losses(plain, "dit"), abs=1e-6)
    made = {(each.step, each.index): each for each in read_samples(str(tmp_path))}
    assert len(made) == 4 * 3
    for each in read_samples(str(sampled)):
        off = read_preview(made[each.step, each.index].preview).astype(int) - read_preview(each.preview)
        assert np.abs(off).mean() < 1  # a level, of weights that are alike to 1e-4


def test_a_resumed_run_goes_on_with_its_samples(sampled: Path, tmp_path: Path) -> None:
    done = run_ranks(1, tmp_path, *SAMPLED, "objective.dies_at_step=7", script=SCRIPT, check=False)
    assert done.returncode == -9
    run_ranks(1, tmp_path, *SAMPLED, script=SCRIPT)
    assert losses(tmp_path, "dit") == pytest.approx(losses(sampled, "dit"), abs=1e-6)
    assert [(each.step, each.index) for each in read_samples(str(tmp_path))] == [
        (each.step, each.index) for each in read_samples(str(sampled))
    ]


def test_samples_made_again_take_their_old_place(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()

    def sample(step: int, prompt: str) -> Sample:
        film = tmp_path / "samples" / f"{step}.mp4"
        return Sample(step=step, index=0, seed=0, prompt=prompt, image="", film=film, preview=film)

    for step in (0, 5, 10):
        add_samples(str(tmp_path), [sample(step, "old")])
    add_samples(str(tmp_path), [sample(5, "new")])
    assert [(each.step, each.prompt) for each in read_samples(str(tmp_path))] == [(0, "old"), (5, "new")]


def test_the_page_escapes_and_holds_all(sampled: Path) -> None:
    page = (sampled / PAGE).read_text(encoding="utf-8")
    assert "a &lt;b&gt;red&lt;/b&gt; circle" in page
    assert "<b>" not in page
    assert page.count("data:image/webp;base64,") == 8
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    for name in ("loss/dit", "held_out/loss", "8 of 8 steps", "trainer", "step 6"):
        assert name in page


def test_tensorboard_has_the_sheets(sampled: Path) -> None:
    board = EventAccumulator(str(sampled / "tensorboard"))
    board.Reload()
    assert set(board.Tags()["images"]) == {"samples/0", "samples/1"}
    last = board.Images("samples/1")[-1]
    assert (last.step, last.width, last.height) == (8, 5 * 16, 16)


def test_whatever_draws_meanwhile_later_draws_are_the_same() -> None:
    def drawn() -> tuple[float, float, float]:
        return float(torch.rand(())), float(np.random.rand()), random.random()

    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(0)
    undisturbed = drawn()
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(0)
    with same_randomness_after():
        drawn()
    assert drawn() == undisturbed


def test_a_sampler_that_draws_and_trains_changes_nothing(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dropout, global generators and the mode of layers: all that a library's sampler may disturb."""
    velocity = DitModule.velocity

    def disturbing(self: DitModule, *arguments: Any) -> torch.Tensor:
        torch.rand(7), np.random.rand(3), random.random()
        assert not self.model.training
        assert not torch.is_grad_enabled()
        return velocity(self, *arguments)

    monkeypatch.setattr(DitModule, "velocity", disturbing)
    train(sampled_config(tmp_path))
    assert losses(tmp_path, "dit") == losses(plain, "dit")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("samples.prompts=[]",), r"nothing to sample: --set 'samples\.prompts="),
        (('samples.images=["a.png"]',), "1 pictures for 2 prompts"),
        (("samples.shape=[5, 16]",), "frames, height and width"),
        (("samples.shape=[4, 16, 16]",), r"frames must be"),
        (("samples.shape=none",), "names no shapes of samples"),
        (("trainer.sample_every=0",), "sample_every is 0, must be at least 1"),
    ],
)
def test_what_cannot_be_sampled_is_refused_before_the_first_step(
    tmp_path: Path, settings: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train(sampled_config(tmp_path, *settings))
    assert latest(str(tmp_path)) is None


def test_what_makes_no_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="trains nothing that makes videos"):
        train(tiny_config(tmp_path, "trainer.sample_every=3", 'samples.prompts=["a"]'))


def test_what_was_loaded_for_samples_is_let_go_of(tmp_path: Path) -> None:
    module = module_of_config(tiny_dit_config(tmp_path))
    assert module.used == {}
    with module.borrowing():
        assert module.vae is not None
        assert set(module.used) == {"vae"}
    assert module.used == {}
    assert module.vae is not None
    with module.borrowing():
        pass
    assert set(module.used) == {"vae"}


class Recorder:
    """wandb or trackio, as far as we call them: who gives other arguments than theirs is refused by `run`'s methods."""

    def __init__(self) -> None:
        self.logged: list[tuple[int, dict[str, Any]]] = []
        self.started: dict[str, Any] = {}
        self.finished = 0


@pytest.fixture
def trackio(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    seen = Recorder()

    def log(figures: dict[str, Any], step: int) -> None:
        seen.logged.append((step, figures))

    def init(project: str, *, name: str, resume: str, config: dict[str, Any]) -> None:
        seen.started = {"project": project, "name": name, "resume": resume, "config": config}

    def finish() -> None:
        seen.finished += 1

    fake = SimpleNamespace(init=init, log=log, finish=finish, Video=_media("video"), Image=_media("image"))
    monkeypatch.setitem(sys.modules, "trackio", fake)
    return seen


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    seen = Recorder()

    def init(*, project: str, name: str, resume: str, config: dict[str, Any], **where: str) -> SimpleNamespace:
        assert where.keys() == {"id", "dir"}
        seen.started = {"project": project, "name": name, "resume": resume, "config": config}
        metrics: list[str] = []

        def log(figures: dict[str, Any]) -> None:
            assert metrics == ["step", "*"]
            seen.logged.append((figures["step"], {name: each for name, each in figures.items() if name != "step"}))

        def define_metric(name: str, step_metric: str | None = None) -> None:
            metrics.append(name)

        def finish() -> None:
            seen.finished += 1

        return SimpleNamespace(log=log, define_metric=define_metric, finish=finish)

    fake = SimpleNamespace(init=init, Video=_media("video"), Image=_media("image"))
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return seen


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_tracker_is_given_figures_and_films(
    name: str, request: pytest.FixtureRequest, plain: Path, tmp_path: Path
) -> None:
    seen: Recorder = request.getfixturevalue(name)
    train(sampled_config(tmp_path, f"trainer.tracker={name}", "trainer.tracker_project=mine", "trainer.steps=4"))
    assert {step: losses(plain, "dit")[step] for step in range(1, 5)} == losses(tmp_path, "dit")
    assert [step for step, figures in seen.logged if "loss/dit" in figures] == [1, 2, 3, 4]
    films = [(step, figures["samples/1"]) for step, figures in seen.logged if "samples/1" in figures]
    assert [step for step, _ in films] == [0, 3, 4]
    kind, path, caption = films[0][1]
    assert (kind, caption) == ("video", "a blue circle")
    assert Path(path).is_file()
    assert seen.started["project"] == "mine"
    assert seen.started["config"]["trainer.steps"] == 4
    first = dict(seen.started)
    train(sampled_config(tmp_path, f"trainer.tracker={name}", "trainer.steps=5"))
    assert seen.started["name"] == first["name"]  # the same run goes on
    assert seen.finished == 2


def test_a_tracker_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match=r"trainer\.tracker=wandb: it is not installed"):
        train(sampled_config(tmp_path, "trainer.tracker=wandb"))


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_the_real_library_takes_what_it_is_given(name: str, plain: Path, tmp_path: Path) -> None:
    """Offline, in a process of its own: both start threads or processes that outlive a test."""
    pytest.importorskip(name)
    kept = {"WANDB_MODE": "offline", "TRACKIO_DIR": str(tmp_path / "trackio"), "HF_HUB_OFFLINE": "1"}
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in kept.items():
            patch.setenv(variable, value)
        run_ranks(1, tmp_path / "run", *SAMPLED, f"trainer.tracker={name}", script=SCRIPT)
    assert losses(tmp_path / "run", "dit") == pytest.approx(losses(plain, "dit"), abs=1e-6)
    left = [path for path in tmp_path.rglob("*") if path.suffix == (".wandb" if name == "wandb" else ".db")]
    assert left


def _media(kind: str) -> Any:
    def made(path: str, *, caption: str) -> tuple[str, str, str]:
        return kind, path, caption

    return made


def module_of_config(config: TrainConfig) -> DitModule:
    module = config.objective.build(config)
    assert isinstance(module, DitModule)
    return module


def module_of(out: Path, *, averaged: bool = True) -> DitModule:
    module = module_of_config(tiny_dit_config(out))
    read_networks(str(out), module, averaged=averaged)
    return module


def weights(out: Path, averaged: bool) -> dict[str, torch.Tensor]:
    return module_of(out, averaged=averaged).networks["dit"].state_dict()
