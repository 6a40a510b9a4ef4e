"""What a sample is given beside its prompt: read, fitted and told to the model, or refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.tiny import tiny_dit_module
from tests.training.tiny_dit_run import ShapedClips, tiny_dit_config
from training.__main__ import main
from training.film import write_film, write_picture
from training.inference.given import Given, read_cameras, read_film, read_mask
from training.inference.long import Chunks
from training.inference.making import How
from training.models.grid import Shape
from training.objectives.dit import DitModule
from training.objectives.generate import GenerateConfig
from training.run.launch import train
from training.sample import videos

SHAPE, CONFIG = Shape(5, 16, 16), GenerateConfig(num_steps=4, guidance=2.0)


def ramp(frames: int, height: int = 32, width: int = 48) -> np.ndarray:
    """Each frame is of one level, ten more than the one before."""
    return (
        np.full((frames, height, width, 3), 0, np.uint8)
        + (np.arange(frames) * 10).astype(np.uint8)[:, None, None, None]
    )


def test_a_film_is_read_at_the_models_rate_and_fitted(tmp_path: Path) -> None:
    write_film(tmp_path / "a.mp4", ramp(20), fps=8, crf=1)
    film = read_film(tmp_path / "a.mp4", SHAPE, 4)
    assert film.shape == (5, 16, 16, 3)
    np.testing.assert_allclose(film.mean(axis=(1, 2, 3)), [0, 20, 40, 60, 80], atol=2)
    same = read_film(tmp_path / "a.mp4", SHAPE, 8)
    np.testing.assert_allclose(same.mean(axis=(1, 2, 3)), [0, 10, 20, 30, 40], atol=2)
    with pytest.raises(ValueError, match="at 4 a second, and 21 are needed"):
        read_film(tmp_path / "a.mp4", Shape(21, 16, 16), 4)
    (tmp_path / "b.mp4").write_text("no film")
    with pytest.raises(ValueError, match="no film that can be read"):
        read_film(tmp_path / "b.mp4", SHAPE, 4)
    with pytest.raises(FileNotFoundError):
        read_film(tmp_path / "c.mp4", SHAPE, 4)


def test_of_a_mask_black_is_kept(tmp_path: Path) -> None:
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[:, 8:] = 255
    write_picture(tmp_path / "mask.png", picture)
    kept = read_mask(tmp_path / "mask.png", SHAPE, 4)
    assert kept.shape == (5, 16, 16)
    assert kept[..., :8].all()
    assert not kept[..., 8:].any()
    write_film(
        tmp_path / "mask.mp4", np.stack([np.full((16, 16, 3), 255 * (n > 1), np.uint8) for n in range(5)]), fps=4
    )
    assert read_mask(tmp_path / "mask.mp4", SHAPE, 4).all(axis=(1, 2)).tolist() == [True, True, False, False, False]


def test_cameras_are_lines_of_numbers(tmp_path: Path) -> None:
    own = [0.9, 1.1, 0.5, 0.5, 1, 0, 0, 0.1, 0, 1, 0, 0.2, 0, 0, 1, 0.3]
    lines = ["https://where.it/is", *(" ".join(map(str, [n, *own[:4], 0, 0, *own[4:]])) for n in range(5)), ""]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    np.testing.assert_allclose(read_cameras(tmp_path / "a.txt", SHAPE), [own] * 5, rtol=1e-6)
    (tmp_path / "b.txt").write_text("\n".join(",".join(map(str, own)) for _ in range(6)))
    np.testing.assert_allclose(read_cameras(tmp_path / "b.txt", SHAPE), [own] * 5, rtol=1e-6)
    with pytest.raises(ValueError, match="6 cameras, and 9 are needed"):
        read_cameras(tmp_path / "b.txt", Shape(9, 16, 16))
    (tmp_path / "c.txt").write_text("\n\n1 2 3\n")
    with pytest.raises(ValueError, match="line 3: 3 numbers"):
        read_cameras(tmp_path / "c.txt", SHAPE)
    (tmp_path / "d.txt").write_text(" ".join(["x"] * 16))
    with pytest.raises(ValueError, match="line 1: could not convert"):
        read_cameras(tmp_path / "d.txt", SHAPE)


def test_the_model_is_told_what_is_given() -> None:
    module, told = tiny_dit_module(), []
    module.model.register_forward_pre_hook(lambda _, args: told.append(args[3]))
    picture = np.full((16, 16, 3), 200, np.uint8)
    frames, kept = np.full((5, 16, 16, 3), 90, np.uint8), np.zeros((5, 16, 16), np.bool_)
    kept[:, :, :8] = True
    for given, mask in (
        (Given(first=picture, last=picture), [[1, 1], [0.25, 0.25]]),
        (Given(last=picture), [[0, 0], [0.25, 0.25]]),
        (Given(video=frames, kept=kept), [[1, 0], [1, 0]]),
    ):
        told.clear()
        list(videos(module, ["a"], SHAPE, CONFIG, seed=1, given=given))
        shown = torch.nn.functional.adaptive_avg_pool3d(told[0][:, :1], (2, 1, 2))[0, 0, :, 0]
        torch.testing.assert_close(shown, torch.tensor(mask, dtype=torch.float32))
        assert len(told) == 4


def test_what_is_known_is_kept_where_that_is_asked_for() -> None:
    """Also by chunks, each of which begins with the last frame of the one before."""
    module = tiny_dit_module()
    picture = np.random.default_rng(0).integers(0, 255, (16, 16, 3)).astype(np.uint8)
    for first in (Given(first=picture), Given(first=picture, last=picture)):
        kept, told = (
            next(videos(module, ["a"], SHAPE, CONFIG, seed=1, given=first, how=How(keeps_known=keeps)))
            for keeps in (True, False)
        )
        assert np.abs(kept[0].astype(int) - alone(module, picture)).max() <= 1
        assert np.abs(told[0].astype(int) - alone(module, picture)).max() > 1
    how = How(chunks=Chunks(frames=5), keeps_known=True)
    [film] = videos(module, ["a"], Shape(9, 16, 16), CONFIG, seed=1, given=Given(first=picture), how=how)
    np.testing.assert_array_equal(film[0], kept[0])
    assert len(film) == 9


def alone(module: DitModule, picture: np.ndarray) -> np.ndarray:
    """What the autoencoder makes of it."""
    with torch.no_grad():
        pixels = torch.from_numpy(picture)[None, None].permute(0, 4, 1, 2, 3) / 127.5 - 1
        made = module.decoded(module.latents_of(pixels)).clamp(-1, 1).add(1).mul(127.5).round()
    return made[0, :, 0].permute(1, 2, 0).numpy().astype(int)


def test_less_strength_is_nearer_to_the_video_and_fewer_steps() -> None:
    module = tiny_dit_module()
    frames = np.random.default_rng(0).integers(0, 255, (5, 16, 16, 3)).astype(np.uint8)
    with torch.no_grad():
        latents = module.latents_of(torch.from_numpy(frames)[None].permute(0, 4, 1, 2, 3) / 127.5 - 1)
        own = module.decoded(latents)[0].permute(1, 2, 3, 0).add(1).mul(127.5).numpy()
    distances, steps = [], []
    for strength in (0.05, 0.3, 0.8):
        told: list[tuple[int, int]] = []
        how = How(on_step=lambda done, total, told=told: told.append((done, total)))
        given = Given(video=frames, strength=strength)
        config = GenerateConfig(num_steps=10, guidance=1.0)
        [film] = videos(module, ["a"], SHAPE, config, seed=1, given=given, how=how)
        distances.append(np.abs(film.astype(float) - own.clip(0, 255)).mean())
        steps.append(len(told))
        assert told[-1] == (len(told) - 1, len(told))
    assert steps == [1, 3, 8]
    assert distances == sorted(distances)


def test_what_does_not_go_together_is_refused() -> None:
    picture, frames = np.zeros((16, 16, 3), np.uint8), np.zeros((9, 16, 16, 3), np.uint8)
    for settings, reason in (
        ({"strength": 0.5}, "there is none"),
        ({"video": frames}, "take less, such as 0.6, or a mask"),
        ({"video": frames, "strength": 0.0}, "must be above 0"),
        ({"video": frames, "kept": np.ones(9, np.bool_), "first": picture}, "give either"),
    ):
        with pytest.raises(ValueError, match=reason):
            Given(**settings)
    for given, reason in (
        (Given(control=frames), "takes no control video"),
        (Given(reference=picture), "takes no reference picture"),
        (Given(cameras=np.ones((9, 16), np.float32)), "takes no camera"),
        (Given(video=frames, kept=np.ones(9, np.bool_)), "some must be"),
    ):
        with pytest.raises(ValueError, match=reason):
            list(videos(tiny_dit_module(), ["a"], Shape(9, 16, 16), CONFIG, seed=0, given=given))
    how = How(chunks=Chunks(frames=5))
    with pytest.raises(ValueError, match="told nothing else"):
        list(videos(tiny_dit_module(), ["a"], Shape(9, 16, 16), CONFIG, seed=0, given=Given(last=picture), how=how))
    with pytest.raises(ValueError, match="never shown a part of a video"):
        list(videos(tiny_dit_module(first_frame_share=0.0), ["a"], SHAPE, CONFIG, seed=0, given=Given(last=picture)))


def test_the_command_reads_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(replace(tiny_dit_config(tmp_path / "run", "trainer.steps=1"), data=ShapedClips()))
    write_film(tmp_path / "a.mp4", ramp(5), fps=4)
    mask = np.zeros((16, 16, 3), np.uint8)
    mask[:8] = 255
    write_picture(tmp_path / "mask.png", mask)
    command = ["sample", str(tmp_path / "run"), "--prompt", "a", "--steps", "2", "--out", str(tmp_path / "made.mp4")]
    ends = ["--image", str(tmp_path / "mask.png"), "--last-image", str(tmp_path / "mask.png")]
    video = ["--video", str(tmp_path / "a.mp4")]
    masked = [*video, "--mask", str(tmp_path / "mask.png")]
    for given in (ends, [*ends, "--keep"], masked, [*masked, "--keep"], [*video, "--strength", "0.5"]):
        assert main([*command, *given]) == 0
    for given, reason in (
        (video, "take less"),
        (["--keep"], "--keep goes with what is known"),
        (["--strength", "0.5"], "there is none"),
        (["--control", str(tmp_path / "a.mp4")], "takes no control video"),
        (["--video", str(tmp_path / "mask.txt"), "--strength", "0.5"], "mask.txt"),
    ):
        capsys.readouterr()
        assert main([*command, *given]) == 1
        assert reason in capsys.readouterr().err
    (tmp_path / "prompts.txt").write_text("a\n")
    batch = ["sample", str(tmp_path / "run"), "--prompts", str(tmp_path / "prompts.txt")]
    assert main([*batch, *video, "--strength", "0.5"]) == 1
    assert "go with --prompt" in capsys.readouterr().err
