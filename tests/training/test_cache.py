"""A run from a cache trains as from videos, and one that a cache is not for is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from captioners.sidecar import SidecarCaptioner
from pipelines.curate import curate
from pipelines.recipe import recipes as curation
from preprocess.io.settings import override
from training import recipes
from training.__main__ import main
from training.models.text_bytes import ByteTextEncoder
from training.models.vae import VideoVae
from training.objectives.dit_module import DitModule
from training.run.config import TrainConfig
from training.run.metrics import read_rows
from training.run.runs import config_of
from training.shapes.corpus import write_corpus

FROZEN = ("--set", "objective.text.trainable=false")
"""The one text encoder whose vectors can be cached without weights from elsewhere."""
FEW = ("--set", "trainer.steps=4", "--set", "data.held_out_batches=1")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("shapes")
    write_corpus(folder / "films", count=48, size=32)
    config = replace(curation.default(), name="shapes", scorers=(), rules=(), captioner=SidecarCaptioner())
    curate(str(folder / "films"), str(folder / "manifest"), config, engine="in-process", workers=1)
    return str(folder / "manifest")


@pytest.fixture(scope="module")
def vae(manifest: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = str(tmp_path_factory.mktemp("runs") / "vae")
    assert main(["vae", manifest, "--out", out, *FEW]) == 0
    return out


@pytest.fixture(scope="module")
def cache(manifest: str, vae: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one epoch, of which the run takes two."""
    folder = tmp_path_factory.mktemp("cache")
    arguments = ["--out", str(folder), "--set", f"objective.vae={vae}", "--set", "data.reading.place=middle", *FROZEN]
    assert main(["cache", manifest, *arguments]) == 0
    return folder


def cached_config(manifest: str, vae: str, latents: str, *assignments: str) -> TrainConfig:
    named = [f"objective.vae={vae}", f"data.cache={latents}"]
    return override(recipes.tiny_dit(manifest, "out"), [*named, *assignments])


def location(cache: Path, kind: str) -> str:
    [model] = (cache / kind).iterdir()
    return str(model)


def losses(run: Path) -> list[float]:
    return [row["loss/dit"] for row in read_rows(str(run)) if "loss/dit" in row]


def held_out(run: Path) -> list[float]:
    return [row["held_out/loss"] for row in read_rows(str(run)) if "held_out/loss" in row]


def test_latents_and_vectors_train_as_videos_and_captions_do(
    manifest: str, vae: str, cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In the middle of the clips, where later epochs show what the first did."""
    same = ["--set", f"objective.vae={vae}", "--set", "data.reading.place=middle", "--set", "trainer.log_every=1"]
    plain, cached = tmp_path / "plain", tmp_path / "cached"
    assert main(["dit", manifest, "--out", str(plain), *same, *FROZEN, *FEW]) == 0
    named = [f"data.cache={location(cache, 'latents')}", f"data.text_cache={location(cache, 'text')}"]
    more = [part for name in named for part in ("--set", name)]
    assert main(["dit", manifest, "--out", str(cached), *same, *FROZEN, *FEW, *more]) == 0
    assert len(losses(plain)) == 4
    assert losses(cached) == pytest.approx(losses(plain), rel=1e-4)
    assert not [each for each in caplog.records if each.name == "training.data.clips"]
    assert held_out(cached) == pytest.approx(held_out(plain), rel=1e-4)
    config = config_of(str(cached))
    batch = next(iter(config.data.batches(config, rank=0, world_size=1)))
    assert batch.latent
    assert batch.text is not None


def test_from_both_caches_nothing_is_encoded_and_no_encoder_is_kept(
    manifest: str, vae: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In five steps and in the held-out figures after them, with the scale of latents measured before."""
    called: list[str] = []
    for kind, method in ((VideoVae, "encode"), (VideoVae, "encode_chunk"), (ByteTextEncoder, "encode")):
        monkeypatch.setattr(kind, method, lambda *_, name=f"{kind.__name__}.{method}": called.append(name))
    named = [f"objective.vae={vae}", f"data.cache={location(cache, 'latents')}", "data.reading.place=middle"]
    named += [f"data.text_cache={location(cache, 'text')}", "trainer.steps=5", "data.held_out_batches=1"]
    run, kept = tmp_path / "run", []
    loss = DitModule.loss
    monkeypatch.setattr(DitModule, "loss", lambda self, *given: (kept.extend(self.frozen), loss(self, *given))[1])
    assert main(["dit", manifest, "--out", str(run), *(part for name in named for part in ("--set", name))]) == 0
    assert len(held_out(run)) == 1
    assert not called
    assert not kept


def test_a_cache_that_lacks_much_is_told(
    manifest: str, vae: str, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One filled for nine frames, of a run of five and nine."""
    settings = ["data.sampler.min_frames=5", "data.sampler.budget_tokens=96", "trainer.steps=30"]
    config = cached_config(manifest, vae, location(cache, "latents"), *settings)
    config.data.batches(config, rank=0, world_size=1)
    [told] = [each.getMessage() for each in caplog.records if each.name == "training.data.clips"]
    assert "of what this run shows" in told
    caplog.clear()
    config.data.batches(config, rank=1, world_size=2)
    assert not [each for each in caplog.records if each.name == "training.data.clips"]


def test_a_cache_of_another_autoencoder_is_refused(manifest: str, vae: str, cache: Path, tmp_path: Path) -> None:
    other = tmp_path / "latents" / "0123456789abcdef"
    shutil.copytree(location(cache, "latents"), other)
    config = cached_config(manifest, vae, str(other))
    with pytest.raises(ValueError, match="not those of the autoencoder"):
        config.data.batches(config, rank=0, world_size=1)


@pytest.mark.parametrize("other", ["trainer.seed=7", "objective.text.stride=1", "objective.text.max_bytes=200"])
def test_a_cache_of_another_text_encoder_is_refused(manifest: str, vae: str, cache: Path, other: str) -> None:
    named = f"data.text_cache={location(cache, 'text')}"
    config = cached_config(manifest, vae, location(cache, "latents"), named)
    config.data.batches(config, rank=0, world_size=1)
    config = override(config, [other])
    with pytest.raises(ValueError, match=r"its vectors are not those of objective\.text"):
        config.data.batches(config, rank=0, world_size=1)


def test_vectors_that_a_run_has_no_use_for_are_refused(manifest: str, vae: str, cache: Path) -> None:
    named = f"data.text_cache={location(cache, 'text')}"
    trained = cached_config(manifest, vae, location(cache, "latents"), named, "objective.text.trainable=true")
    with pytest.raises(ValueError, match=r"reads captions, not their vectors: data\.text_cache must be empty"):
        trained.data.batches(trained, rank=0, world_size=1)
    shared = cached_config(manifest, vae, location(cache, "latents"), named, "trainer.shard_text=true")
    with pytest.raises(ValueError, match=r"trainer\.shard_text must be false"):
        shared.data.batches(shared, rank=0, world_size=1)
    alone = cached_config(manifest, vae, "", named)
    with pytest.raises(ValueError, match=r"set data\.cache too"):
        alone.data.batches(alone, rank=0, world_size=1)


def test_a_run_does_not_go_on_with_another_text_encoder(
    manifest: str, vae: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["dit", manifest, "--out", str(tmp_path), "--set", f"objective.vae={vae}", "--set", "data.held_out_batches=1"]
    assert main([*run, "--set", "trainer.steps=1"]) == 0
    assert main([*run, "--set", "trainer.steps=2", "--set", "objective.text.stride=1"]) == 1
    assert "objective.text is another encoder" in capsys.readouterr().err


def test_tokens_are_counted_by_the_model_that_is_trained(
    manifest: str, vae: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """9 x 32 x 32 pixels are 3 x 4 x 4 latents; half as large patches, four times as many tokens."""
    named = [f"objective.vae={vae}", "data.held_out_share=0"]
    counted = {"vae": tokens_of(recipes.tiny_vae(manifest, "out"))}
    for patch in (1, 2):
        config = override(recipes.tiny_dit(manifest, "out"), [*named, f"objective.model.patch={patch}"])
        counted[patch] = tokens_of(config)
    assert counted[2] == {4, 12}
    for finer in (1, "vae"):  # with which an epoch's last clips may have sizes between
        assert {16, 48} <= counted[finer]
        assert max(counted[finer]) == 48
    assert main(["dit", manifest, "--out", "out", "--set", "data.sampler.grid.patch=1"]) == 1
    assert "data.sampler.grid.patch: no such setting" in capsys.readouterr().err


def tokens_of(config: TrainConfig) -> set[int]:
    """Of a sample, in the first steps: images and videos."""
    return {batch.tokens for batch in islice(config.data.batches(config, rank=0, world_size=1), 12)}


def test_an_autoencoder_takes_no_cache(
    manifest: str, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    setting = ["--set", f"data.cache={location(cache, 'latents')}"]
    assert main(["vae", manifest, "--out", str(tmp_path), *setting]) == 1
    assert "trained on pixels" in capsys.readouterr().err
