import math
from typing import Any

import pytest
import torch
from torch.distributed.fsdp import FSDPModule

from tests.training.tiny import JUDGE
from tests.training.tiny import VAE as MODEL
from training.objectives.perceptual import RandomFeatures
from training.objectives.quality import box_blurred, psnr, ssim
from training.objectives.vae import VaeModule, VaeObjective, adaptive_weights, hinge_loss
from training.run.config import TrainerConfig
from training.run.distributed import world
from training.run.module import Batch
from training.run.noise import SampleNoise
from training.run.parallel import ParallelTurn


def _module(**settings: Any) -> VaeModule:
    """With its first weights, as the trainer has it."""
    module = VaeModule(VaeObjective(model=MODEL, discriminator=JUDGE, **settings))
    for network in module.networks:
        module.materialise(network, torch.device("cpu"))
    return module


def _batch(count: int = 2) -> Batch:
    video = torch.rand(count, 3, 5, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Batch(video=video, captions=[""] * count, clip_ids=[f"clip{i}" for i in range(count)], tokens=2)


def _loss(module: VaeModule, network: str, batch: Batch, step: int):
    return module.loss(network, batch, SampleNoise(0, step, batch.clip_ids), step)


def test_the_total_is_the_weighted_parts_over_all_pixels():
    module, batch = _module(perceptual_weight=0.3, kl_weight=0.02), _batch()
    loss = _loss(module, "vae", batch, 0)
    mean = {name.removeprefix("loss/"): total / count for name, (total, count) in loss.scalars.items()}
    wanted = mean["l1"] + 0.1 * mean["l2"] + 0.3 * mean["perceptual"] + 0.02 * mean["kl"]
    assert loss.weight == batch.video.numel()
    assert float(loss.total.detach()) / loss.weight == pytest.approx(wanted, rel=1e-5)


def test_samples_weigh_alike_in_one_batch_and_in_two():
    module, both = _module(adversarial_start=0), _batch()
    ones = [Batch(video=both.video[i : i + 1], captions=[""], clip_ids=[both.clip_ids[i]], tokens=2) for i in range(2)]
    for network in ("vae", "discriminator"):
        whole = _loss(module, network, both, 3)
        parts = [_loss(module, network, one, 3) for one in ones]
        assert float(whole.total.detach()) == pytest.approx(sum(float(part.total.detach()) for part in parts), rel=1e-4)
        assert whole.weight == sum(part.weight for part in parts)


def test_the_discriminator_rests_until_it_is_listened_to():
    module = _module(adversarial_start=5)
    assert module.turns(4) == ("vae",)
    assert module.turns(5) == ("vae", "discriminator")
    batch = _batch()
    assert "loss/adversarial" not in _loss(module, "vae", batch, 4).scalars
    assert "loss/adversarial" in _loss(module, "vae", batch, 5).scalars


def test_the_discriminator_learns_to_tell_and_leaves_the_autoencoder_alone():
    module, batch = _module(adversarial_start=0), _batch(4)
    judge = module.discriminator
    optimizer = torch.optim.Adam(judge.parameters(), lr=1e-3)
    hinges = []
    for step in range(15):
        loss = _loss(module, "discriminator", batch, step)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        hinges.append(float(loss.total.detach()))
    assert hinges[-1] < 0.5 * hinges[0]
    assert all(weight.grad is None for weight in module.vae.parameters())


def test_hinge_is_zero_beyond_the_margin():
    sure, unsure = [torch.full((2, 3), 1.5)], [torch.zeros(2, 3)]
    assert hinge_loss(sure, [-sure[0]]).tolist() == [0, 0]
    assert hinge_loss(unsure, unsure).tolist() == [1, 1]


def test_the_adversarial_gradient_is_made_as_large_as_the_others():
    made = torch.randn(3, 1, 1, 2, 2, requires_grad=True)
    wanted, adversarial = made.square().flatten(1).sum(1), (7 * made).sin().flatten(1).sum(1)
    weights = adaptive_weights(wanted, adversarial, made)
    assert not weights.requires_grad
    one, other = (
        torch.autograd.grad(loss.sum(), made, retain_graph=True)[0].flatten(1).norm(dim=1)
        for loss in (wanted, weights * adversarial)
    )
    assert torch.allclose(one, other, rtol=1e-4)


def test_random_features_measure_distance_and_are_not_trained():
    features, video = RandomFeatures(), _batch().video
    slight, strong = video + 0.02 * torch.randn_like(video), video + 0.4 * torch.randn_like(video)
    assert features(video, video).tolist() == [0, 0]
    assert (features(slight, video) < features(strong, video)).all()
    assert not any(weight.requires_grad for weight in features.parameters())
    assert all(torch.equal(a, b) for a, b in zip(features.parameters(), RandomFeatures().parameters(), strict=True))


def test_a_box_blur_is_the_mean_of_what_is_around():
    ramp = torch.arange(12.0).expand(2, 3, 2, 12, 12)
    assert torch.allclose(box_blurred(ramp)[..., 2:-2], ramp[..., 2:-2], atol=1e-5), "it is in its place"
    dot = torch.zeros(1, 3, 1, 9, 9)
    dot[..., 4, 4] = 1.0
    assert torch.allclose(box_blurred(dot, 3)[0, 0, 0, 3:6, 3:6], torch.full((3, 3), 1 / 9))
    assert box_blurred(dot).sum() == pytest.approx(3.0)
    assert (box_blurred(dot)[0, 0, 0, 4] > 0).sum() == 5


def test_psnr_and_ssim_of_known_errors():
    video = torch.zeros(2, 3, 2, 16, 16)
    assert psnr(video + 0.2, video).tolist() == pytest.approx([20 * math.log10(2 / 0.2)] * 2, rel=1e-4)
    textured = _batch().video
    assert ssim(textured, textured).tolist() == pytest.approx([1.0, 1.0])
    assert float(ssim(-textured, textured).max()) < 0
    # A constant offset c between flat pictures leaves the first factor alone: (2 m n + c1) / (m^2 + n^2 + c1).
    assert float(ssim(video + 0.2, video)[0]) == pytest.approx((2 * 0.6 * 0.5 + 1e-4) / (0.61 + 1e-4), rel=1e-3)


def test_it_learns_one_video_by_heart():
    module = _module(perceptual_weight=0.0, kl_weight=0.0)
    ramp = torch.linspace(-0.8, 0.8, 16).expand(1, 3, 5, 16, 16).contiguous()
    batch = Batch(video=ramp, captions=[""], clip_ids=["clip"], tokens=2)
    optimizer = torch.optim.Adam(module.vae.parameters(), lr=5e-3)
    before = module.evaluate(batch, SampleNoise(0, 0, ["clip"]))
    for step in range(60):
        loss = _loss(module, "vae", batch, step)
        optimizer.zero_grad()
        (loss.total / loss.weight).backward()
        optimizer.step()
    after = module.evaluate(batch, SampleNoise(0, 0, ["clip"]))
    assert after["psnr"][0] > before["psnr"][0] + 3
    assert after["ssim"][0] > before["ssim"][0]


@pytest.mark.parametrize("network", ["vae", "discriminator"])
def test_blocks_are_recomputed_and_sharded_one_by_one_with_the_same_gradients(network: str):
    """Also where the adversary's gradient at the video is asked for in between; fewer tensors are kept."""
    batch, told = _batch(), {}
    for way in ("plain", "recomputed", "sharded"):
        trainer = TrainerConfig(
            steps=1, activation_checkpointing=way != "plain", strategy="fsdp2" if way == "sharded" else "ddp"
        )
        module = VaeModule(VaeObjective(model=MODEL, discriminator=JUDGE, adversarial_start=0))
        kept: list[int] = []
        with world() as here:
            turns = {name: ParallelTurn(module, name, trainer, here) for name in module.networks}
            hooks = torch.autograd.graph.saved_tensors_hooks(lambda x, kept=kept: (kept.append(x.numel()), x)[1], _same)
            with hooks:
                loss = turns[network].backward(batch, SampleNoise(0, 0, batch.clip_ids), 0, last=True)
            sharded = sum(isinstance(part, FSDPModule) for part in module.networks[network].modules())
            weights = module.networks[network].parameters()
            gradients = [w.grad.full_tensor() if way == "sharded" else w.grad for w in weights]
        assert sharded == (1 + len(module.wraps(network)) if way == "sharded" else 0)
        told[way] = (float(loss.total.detach()), [gradient.clone() for gradient in gradients], sum(kept))
    for way in ("recomputed", "sharded"):
        assert told[way][0] == told["plain"][0]
        torch.testing.assert_close(told[way][1], told["plain"][1], rtol=0, atol=0)
    assert told["recomputed"][2] < 0.6 * told["plain"][2]


def _same(tensor: torch.Tensor) -> torch.Tensor:
    return tensor
