from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.training.tiny import tiny_dit_module
from training.models.lora import lora_parameters
from training.objectives.generate import GenerateConfig
from training.objectives.judges import reward
from training.objectives.reward import RewardModule, RewardObjective
from training.run.module import Batch
from training.run.noise import SampleNoise
from training.run.parallel import recompute
from training.shapes.corpus import render, scenes
from training.shapes.rewards import BackgroundReward, ColorReward, DirectionReward, SaturationReward

CAPTIONS = ["a red circle moving left slowly", "a blue square moving up quickly"]


def _films(count: int = 24) -> tuple[torch.Tensor, list[str]]:
    drawn = scenes(count, seed=2)
    films = [torch.from_numpy(render(scene, size=32, num_frames=9, fps=4)) for scene in drawn]
    return torch.stack(films).permute(0, 4, 1, 2, 3).float() / 127.5 - 1, [scene.caption for scene in drawn]


def _module(*, num_steps: int, last_steps: int) -> RewardModule:
    sampling = GenerateConfig(num_steps=num_steps, guidance=2.0)
    objective = RewardObjective(base="", last_steps=last_steps, sampling=sampling, rank=2)
    return RewardModule(objective, tiny_dit_module())


def _batch() -> Batch:
    return Batch(video=torch.zeros(2, 3, 5, 16, 16), captions=CAPTIONS, clip_ids=["a", "b"], tokens=2)


def _loss(module: RewardModule) -> torch.Tensor:
    batch = _batch()
    return module.loss("dit", batch, SampleNoise(0, 0, batch.clip_ids), 0).total


@pytest.mark.parametrize(("num_steps", "last_steps"), [(5, 1), (5, 3), (4, 4)])
def test_exactly_the_last_steps_are_recorded(num_steps, last_steps):
    module = _module(num_steps=num_steps, last_steps=last_steps)
    recorded = []
    module.base.model.register_forward_hook(lambda *_: recorded.append(torch.is_grad_enabled()))
    _loss(module)
    assert recorded == [False] * (num_steps - last_steps) + [True] * last_steps


def test_the_gradient_is_that_of_a_chain_cut_before_the_last_steps():
    """The same loss, with the latents before the last K steps as a constant start."""
    module = _module(num_steps=6, last_steps=2)
    inputs = []
    hook = module.base.model.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    _loss(module).backward()
    hook.remove()
    gradients = {name: weight.grad.clone() for name, weight in lora_parameters(module.base.model).items()}
    assert any(float(gradient.abs().max()) > 0 for gradient in gradients.values())
    assert not any(latents.requires_grad for latents in inputs[:5])
    assert inputs[5].requires_grad  # it comes out of a recorded step


def test_operations_are_those_of_all_steps_forward_and_the_last_back():
    module, batch = _module(num_steps=5, last_steps=2), _batch()
    with FlopCounterMode(display=False) as counted:
        loss = module.loss("dit", batch, SampleNoise(0, 0, batch.clip_ids), 0)
    forward = sum(counted.flop_counts["TextToVideo.dit"].values())  # with the LoRA, which is not counted
    assert loss.flops == pytest.approx(forward / 5 * (5 + 2), rel=0.2)
    assert loss.flops <= forward / 5 * (5 + 2)


def test_only_lora_learns():
    module = _module(num_steps=3, last_steps=2)
    _loss(module).backward()
    trained = lora_parameters(module.base.model)
    assert trained
    for name, weight in module.base.model.named_parameters():
        assert (weight.grad is not None) <= (name in trained), name
    assert all(weight.grad is None for weight in module.base.vae.parameters())


def _saved_bytes(module: RewardModule) -> int:
    """What a loss keeps for the way back."""
    kept = Counter()

    def pack(tensor):
        kept["bytes"] += tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        _loss(module)
    return kept["bytes"]


def test_memory_grows_with_the_last_steps_and_not_with_all():
    def saved(num_steps: int, last_steps: int) -> int:
        return _saved_bytes(_module(num_steps=num_steps, last_steps=last_steps))

    few, many, longer = saved(4, 1), saved(4, 3), saved(12, 1)
    assert longer == few
    assert many > few
    # Each further step saves as much as any other.
    assert saved(4, 3) - saved(4, 2) == saved(4, 2) - few


def test_recomputed_blocks_keep_less_of_each_step_and_give_the_same_gradient():
    def growth(*, recomputed: bool) -> int:
        few, many = (_module(num_steps=4, last_steps=last_steps) for last_steps in (1, 3))
        for module in (few, many) if recomputed else ():
            recompute(module.wraps("dit"))
        return _saved_bytes(many) - _saved_bytes(few)

    def gradients(*, recomputed: bool) -> list[torch.Tensor]:
        module = _module(num_steps=4, last_steps=3)
        if recomputed:
            recompute(module.wraps("dit"))
        _loss(module).backward()
        return [weight.grad for weight in lora_parameters(module.base.model).values() if weight.grad is not None]

    assert growth(recomputed=True) < 0.5 * growth(recomputed=False)
    plain, again = gradients(recomputed=False), gradients(recomputed=True)
    assert any(gradient.any() for gradient in plain)
    assert len(plain) == len(again)
    assert all(map(torch.equal, plain, again))


def test_a_mixture_is_the_weighted_sum_and_the_watched_reward_has_no_part_in_it():
    module = _module(num_steps=2, last_steps=1)
    batch = _batch()
    figures = module.evaluate(batch, SampleNoise(0, 0, batch.clip_ids))
    mixed = figures["color"][0] + 0.5 * figures["direction"][0]
    assert figures["mixture"][0] == pytest.approx(mixed, rel=1e-5)
    assert figures["loss"][0] == -figures["mixture"][0]
    assert "watched/background" in figures
    assert figures == module.evaluate(batch, SampleNoise(0, 0, batch.clip_ids)), "same noise, same videos"


def test_refuses_what_cannot_be():
    objective = RewardObjective(base="")
    with pytest.raises(ValueError, match="from 1 to 10"):
        replace(objective, last_steps=11)
    with pytest.raises(ValueError, match="tuned for"):
        replace(objective, watched="color")
    with pytest.raises(ValueError, match="did you mean direction"):
        reward("directoin")


def test_true_films_are_rewarded_and_others_films_less():
    video, captions = _films()
    others = captions[1:] + captions[:1]
    for kind, least in ((ColorReward(), 0.85), (DirectionReward(), 0.8)):
        right, wrong = kind(video, captions), kind(video, others)
        assert float(right.min()) > least, kind.name
        assert float(wrong.mean()) < float(right.mean()) - 0.3, kind.name
        assert kind(video, ["something else"] * len(video)).abs().max() == 0


def test_direction_is_worth_most_at_the_prompted_speed():
    video, captions = _films()
    backwards = DirectionReward()(video.flip(2), captions)
    still = DirectionReward()(video[:, :, :1].expand(-1, -1, 9, -1, -1), captions)
    assert float(backwards.max()) < -1
    assert still.abs().max() < 1e-3
    slower = DirectionReward()(video, [caption.replace("slowly", "quickly") for caption in captions])
    assert (slower <= DirectionReward()(video, captions) + 0.1).all()


def test_painting_everything_gains_colour_and_loses_background():
    video, captions = _films(1)
    painted = video * 0.1 + torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1, 1) * 0.9
    captions = ["a red circle"]
    assert ColorReward()(painted, captions) > 0.9
    assert BackgroundReward()(painted, captions) < 0.3 < 0.75 < BackgroundReward()(video, captions)
    assert SaturationReward()(painted, captions) > SaturationReward()(video * 0.3, captions)


def test_gradients_lead_back_from_beyond_what_pixels_hold():
    video = (3 * _films(2)[0]).requires_grad_(True)
    ColorReward()(video, CAPTIONS).sum().backward()
    assert float(video.grad.abs().sum()) > 0


def _strategic(strategy: str, *, num_steps: int = 6, last_steps: int = 2, **settings) -> RewardModule:
    sampling = GenerateConfig(num_steps=num_steps, guidance=2.0)
    objective = RewardObjective(
        base="", last_steps=last_steps, sampling=sampling, rank=2, strategy=strategy, **settings
    )
    return RewardModule(objective, tiny_dit_module())


@pytest.mark.parametrize("strategy", ["random", "drtune"])
def test_the_drawn_steps_are_recorded_and_learn(strategy):
    module, batch = _strategic(strategy), _batch()
    drawn = set()
    for step in range(3):
        recorded, entered = [], []
        hooks = [
            module.base.model.register_forward_hook(lambda *_, seen=recorded: seen.append(torch.is_grad_enabled())),
            module.base.model.register_forward_pre_hook(lambda _, a, seen=entered: seen.append(a[0].requires_grad)),
        ]
        loss = module.loss("dit", batch, SampleNoise(0, step, batch.clip_ids), step)
        for hook in hooks:
            hook.remove()
        steps = tuple(place for place, one in enumerate(recorded) if one)
        assert len(steps) == 2
        if strategy == "drtune":
            assert steps[1] - steps[0] == 3
            assert not any(entered)
        drawn.add(steps)
        module.base.model.zero_grad()
        loss.total.backward()
        assert any(weight.grad.abs().max() > 0 for weight in lora_parameters(module.base.model).values())
    assert len(drawn) > 1
    again = module.objective.recorded(7), module.objective.recorded(7)
    assert again[0] == again[1]


def test_the_first_frame_alone_may_be_decoded_and_judged():
    module = _strategic("last", decoded_latents=1, rewards={"saturation": 1.0})
    seen = []
    saturation = module._rewards["saturation"]()

    def watching(video, captions):
        seen.append(video.shape)
        return saturation(video, captions)

    module._rewards["saturation"].loaded = watching
    _loss(module).backward()
    assert [tuple(shape) for shape in seen] == [(2, 3, 1, 16, 16)]


def test_smooth_motion_is_a_reward_to_tune_by():
    module = _strategic("last", rewards={"smooth_motion": 1.0}, watched="background")
    _loss(module).backward()
    assert any(weight.grad.abs().max() > 0 for weight in lora_parameters(module.base.model).values())
