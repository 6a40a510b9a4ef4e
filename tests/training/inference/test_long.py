"""Videos in chunks: each goes on from the one before, or windows are averaged."""

import numpy as np
import pytest
import torch

from tests.training.tiny import DIT, tiny_dit_module
from training.inference.given import Given
from training.inference.long import Chunks, Windowed, lengths
from training.inference.making import How
from training.models.grid import Shape
from training.models.step_cache import StepCache
from training.objectives.generate import GenerateConfig
from training.sample import videos

CONFIG = GenerateConfig(num_steps=3, guidance=2.0)


def test_chunks_share_frames_and_the_last_one_is_what_is_left() -> None:
    grid = tiny_dit_module().grid
    assert lengths(25, Chunks(frames=9), grid) == [9, 9, 9]
    assert lengths(21, Chunks(frames=9), grid) == [9, 9, 5]
    assert lengths(21, Chunks(frames=9, overlap=3), grid) == [9, 9, 9]
    assert lengths(17, Chunks(frames=9, overlap=3), grid) == [9, 9, 5]
    for frames in (8, 1, -3):
        with pytest.raises(ValueError, match=r"must be 4n\+1"):
            lengths(25, Chunks(frames=frames), grid)
    with pytest.raises(ValueError, match="more than the 9 that two share"):
        lengths(25, Chunks(frames=9, overlap=9), grid)


def test_chunks_may_begin_with_several_frames_of_the_one_before() -> None:
    module, told = tiny_dit_module(), []
    module.model.register_forward_pre_hook(lambda _, args: told.append(args[3]))
    how = How(chunks=Chunks(frames=9, overlap=3))
    films = [*videos(module, ["a", "b"], Shape(17, 16, 16), CONFIG, seed=1, how=how)]
    assert [film.shape for film in films] == [(17, 16, 16, 3)] * 2
    known = torch.zeros(2, 1, 9, 16, 16)
    known[:, :, :3] = 1
    last = torch.stack([torch.from_numpy(film[6:9]) for film in films]).permute(0, 4, 1, 2, 3) / 127.5 - 1
    video = torch.full((2, 3, 9, 16, 16), -1.0)
    video[:, :, :3] = last
    torch.testing.assert_close(told[3][:2], module.masked_condition(video, known))


def test_each_chunk_begins_with_the_last_frame_of_the_one_before() -> None:
    module, told, steps = tiny_dit_module(), [], []
    module.model.register_forward_pre_hook(lambda _, args: told.append((args[0].shape[2], args[3])))
    how = How(chunks=Chunks(frames=9), on_step=lambda done, total: steps.append((done, total)))
    films = [*videos(module, ["a", "b"], Shape(21, 16, 16), CONFIG, seed=1, how=how)]
    assert [film.shape for film in films] == [(21, 16, 16, 3)] * 2
    assert [latents for latents, _ in told] == [3] * 6 + [2] * 3
    assert told[0][1] is None
    for call, frame in ((3, 8), (6, 16)):
        last = torch.stack([torch.from_numpy(film[frame]) for film in films]).permute(0, 3, 1, 2)[:, :, None]
        known = module.latents_of(last / 127.5 - 1)
        torch.testing.assert_close(told[call][1][:2, 1:, :1], known)
        assert told[call][1][:, 0, 0].eq(1).all()
        assert told[call][1][:, 0, 1:].eq(0).all()
    assert steps == [(done, 9) for done in range(9)]


def test_the_first_chunk_is_the_video_of_its_length() -> None:
    [long] = videos(tiny_dit_module(), ["a"], Shape(17, 16, 16), CONFIG, seed=1, how=How(chunks=Chunks(frames=9)))
    [short] = videos(tiny_dit_module(), ["a"], Shape(9, 16, 16), CONFIG, seed=1)
    assert (long[:9] == short).all()
    [whole] = videos(tiny_dit_module(), ["a"], Shape(9, 16, 16), CONFIG, seed=1, how=How(chunks=Chunks(frames=9)))
    assert (whole == short).all()


def test_windows_are_averaged_where_they_overlap() -> None:
    """Of a velocity that counts its window's latents, at each place the mean by the weights."""
    module = tiny_dit_module(first_frame_share=0.0)
    windowed = Windowed(module, Shape(25, 16, 16), Chunks(frames=17, overlap=8))
    assert windowed.starts(7) == [0, 2]
    assert windowed.starts(5) == [0]
    place = torch.arange(5.0).view(1, 1, -1, 1, 1)
    module.velocity = lambda latents, *_: place.expand_as(latents)
    velocity = windowed.velocity(torch.zeros(1, 4, 7, 2, 2), torch.ones(1), ..., None)
    weight = [1, 2, 2, 2, 1]
    expected = [
        sum(weight[t - s] * (t - s) for s in (0, 2) if 0 <= t - s < 5)
        / sum(weight[t - s] for s in (0, 2) if 0 <= t - s < 5)
        for t in range(7)
    ]
    torch.testing.assert_close(velocity[0, 0, :, 0, 0], torch.tensor(expected))


def test_a_model_of_text_alone_has_windows_and_one_window_is_the_whole() -> None:
    module = tiny_dit_module(first_frame_share=0.0)
    assert not module.takes_first_frames
    assert tiny_dit_module().takes_first_frames
    calls = []
    module.model.register_forward_pre_hook(lambda _, args: calls.append(args[0].shape[2]))
    [film] = videos(module, ["a"], Shape(21, 16, 16), CONFIG, seed=1, how=How(chunks=Chunks(frames=9)))
    assert film.shape == (21, 16, 16, 3)
    assert calls == [3] * 3 * 3  # steps, windows
    [again] = videos(module, ["a"], Shape(21, 16, 16), CONFIG, seed=1, how=How(chunks=Chunks(frames=9)))
    assert (film == again).all()
    noise = torch.randn(1, DIT.latent_channels, 3, 2, 2)
    told = torch.full((1,), 500.0)
    one = Windowed(module, Shape(9, 16, 16), Chunks(frames=9))
    text = module.encoded(["a"])
    with torch.no_grad():
        torch.testing.assert_close(one.velocity(noise, told, text, None), module.velocity(noise, told, text, None))


def test_what_cannot_be_is_refused() -> None:
    text_alone, shape = tiny_dit_module(first_frame_share=0.0), Shape(21, 16, 16)
    for chunks, reason in (
        (Chunks(frames=9, by="first_frame"), "never shown a first frame"),
        (Chunks(frames=9, overlap=12), "overlap is 12 frames"),
        (Chunks(frames=8), "frames must be"),
    ):
        with pytest.raises(ValueError, match=reason):
            list(videos(text_alone, ["a"], shape, CONFIG, seed=0, how=How(chunks=chunks)))
    with pytest.raises(ValueError, match="no step can be cached"):
        list(videos(text_alone, ["a"], shape, CONFIG, seed=0, how=How(chunks=Chunks(frames=9), cache=StepCache(0.1))))
    first = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(ValueError, match="never shown a first frame"):
        list(
            videos(text_alone, ["a"], shape, CONFIG, seed=0, given=Given(first=first), how=How(chunks=Chunks(frames=9)))
        )
