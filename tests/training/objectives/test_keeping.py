"""What is known of a video comes out as the autoencoder keeps it, whatever the model makes of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.training.objectives.test_tasks import SHAPE, film, module_of, noise
from training.models.conditions import Told
from training.objectives.dit import DitModule
from training.objectives.flow import Recorded
from training.objectives.generate import GenerateConfig, generate
from training.objectives.solvers import Scheduler
from training.objectives.tasks import condition_of, control, ends, known_frames

CONFIG = GenerateConfig(num_steps=3, guidance=1.0)


def kept(module: DitModule, told: Told, config: GenerateConfig = CONFIG) -> torch.Tensor:
    with torch.no_grad():
        return generate(module, ["a", "b"], noise(), config, condition=condition_of(module, told, SHAPE, 2), kept=told)


def test_a_first_frame_has_just_its_latents() -> None:
    module, picture = module_of(), film()
    told = ends(picture[0], None, SHAPE)
    assert told.video is not None
    latents = kept(module, told)
    torch.testing.assert_close(latents[:, :, :1], module.latents_of(told.video[:, :, :1]).expand(2, -1, -1, -1, -1))


@pytest.mark.parametrize("scheduler", ["euler", "dpm++", "unipc"])
def test_all_latents_are_those_of_a_video_that_has_the_known_pixels(scheduler: Scheduler) -> None:
    """A last frame shares its latent with three that are not known; so do the pixels beside a hole."""
    module, frames = module_of(), film()
    known = np.ones((5, 16, 16), np.bool_)
    known[:4], known[4, 3:9, 5:] = False, False
    told, seen = known_frames(frames, known), []
    encode = module.latents_of
    module.latents_of = lambda video: seen.append(video) or encode(video)  # type: ignore[method-assign,func-returns-value]
    latents = kept(module, told, GenerateConfig(num_steps=3, guidance=1.0, scheduler=scheduler))
    assert told.video is not None
    assert told.known is not None
    whole = (told.known > 0).expand(2, 3, -1, -1, -1)
    torch.testing.assert_close(seen[-1][whole], told.video.expand(2, -1, -1, -1, -1)[whole], rtol=0, atol=0)
    assert not torch.equal(seen[-1][0], seen[-1][1])  # what is not known is each sample's own
    torch.testing.assert_close(latents, encode(seen[-1]), rtol=1e-4, atol=1e-4)


def test_nothing_known_and_gradients_are_refused() -> None:
    module = module_of()
    with pytest.raises(ValueError, match="nothing is known"):
        kept(module, control(film()))
    first = ends(film()[0], None, SHAPE)
    with pytest.raises(ValueError, match="no gradient"):
        generate(module, ["a", "b"], noise(), CONFIG, kept=first, recorded=Recorded(steps=frozenset({2})))
