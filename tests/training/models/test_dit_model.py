from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from training.models import sizes
from training.models.dit import DitConfig, VideoDit
from training.models.weights import initialise, named_generator
from training.run.parallel import recompute

SMALL = DitConfig(
    dim=32,
    heads=2,
    layers=4,
    mmdit_layers=2,
    text_dim=12,
    time_dim=16,
    latent_channels=4,
    in_channels=9,
    base_grid=None,
)


def _dit(config: DitConfig = SMALL) -> VideoDit:
    """With weights that are all random: at first its gates are closed and its answer is zero."""
    dit = VideoDit(config).double()
    with torch.no_grad():
        for name, parameter in dit.named_parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=named_generator(1, name), dtype=torch.float64)
    return dit


def _inputs(config: DitConfig = SMALL, batch: int = 2, text: int = 5, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    return {
        "latents_BCTHW": normal(batch, config.latent_channels, 3, 4, 6),
        "timesteps_B": torch.linspace(1, 999, batch, dtype=torch.float64),
        "text_BLD": normal(batch, text, config.text_dim),
        "text_mask_BL": torch.ones(batch, text, dtype=torch.bool),
        "condition_BCTHW": normal(batch, config.condition_channels, 3, 4, 6),
    }


@pytest.mark.parametrize(
    ("size", "parameters"),
    [
        (sizes.ea_12b_inp, 11_799_265_856),
        (sizes.ea_12b, 11_799_056_960),
        (sizes.ea_7b_inp, 6_814_670_912),
        (sizes.ea_7b, 6_814_462_016),
        (sizes.ea_12b_control, 11_799_450_176),
        (sizes.ea_7b_control, 6_814_855_232),
        (sizes.ea_12b_camera, 11_799_327_296),
        (sizes.ea_7b_camera, 6_814_732_352),
        (sizes.ea_tiny, 1_503_776),
    ],
)
def test_sizes_have_the_parameters_of_the_released_models(size, parameters):
    with torch.device("meta"):
        dit = VideoDit(size())
    assert sum(parameter.numel() for parameter in dit.parameters()) == parameters


def test_velocity_has_the_shape_of_the_latents():
    inputs = _inputs()
    assert _dit()(**inputs).shape == inputs["latents_BCTHW"].shape


def test_begins_without_velocity():
    inputs = {name: value if value.dtype == torch.bool else value.float() for name, value in _inputs().items()}
    assert not VideoDit(SMALL)(**inputs).any()


@pytest.mark.parametrize("garbage", [0.0, 1e4, float("nan")])
def test_padding_of_text_changes_nothing(garbage):
    dit, inputs = _dit(), _inputs(text=5)
    wanted = dit(**inputs)
    padding = torch.full((2, 7, SMALL.text_dim), garbage, dtype=torch.float64)
    inputs["text_BLD"] = torch.cat([inputs["text_BLD"], padding], dim=1)
    inputs["text_mask_BL"] = torch.cat([inputs["text_mask_BL"], torch.zeros(2, 7, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(dit(**inputs), wanted, rtol=0, atol=1e-10)


def test_a_sample_does_not_depend_on_longer_texts_beside_it():
    dit, inputs = _dit(), _inputs(text=5)
    inputs["text_mask_BL"][0, 2:] = False
    alone = {name: value[:1] for name, value in inputs.items()}
    alone["text_BLD"], alone["text_mask_BL"] = alone["text_BLD"][:, :2], alone["text_mask_BL"][:, :2]
    torch.testing.assert_close(dit(**inputs)[:1], dit(**alone), rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["text_BLD", "condition_BCTHW", "latents_BCTHW", "timesteps_B"])
def test_every_input_matters(name):
    dit, inputs = _dit(), _inputs()
    changed = dict(inputs)
    changed[name] = inputs[name].flip(-1) if inputs[name].ndim > 1 else inputs[name] * 0.5
    assert not torch.allclose(dit(**changed), dit(**inputs), atol=1e-4)


def test_no_condition_means_that_nothing_is_known():
    dit, inputs = _dit(), _inputs()
    inputs["condition_BCTHW"] = torch.zeros_like(inputs["condition_BCTHW"])
    assert torch.equal(dit(**(inputs | {"condition_BCTHW": None})), dit(**inputs))


def test_text_alone_without_condition_channels():
    config = replace(SMALL, in_channels=4)
    inputs = _inputs(config) | {"condition_BCTHW": None}
    assert _dit(config)(**inputs).shape == inputs["latents_BCTHW"].shape


def test_images_are_videos_of_one_frame():
    dit, inputs = _dit(), _inputs()
    inputs["latents_BCTHW"] = inputs["latents_BCTHW"][:, :, :1]
    inputs["condition_BCTHW"] = inputs["condition_BCTHW"][:, :, :1]
    assert dit(**inputs).shape == (2, 4, 1, 4, 6)


def test_order_of_frames_matters():
    dit, inputs = _dit(), _inputs()
    turned = {name: value.flip(2) if value.ndim == 5 else value for name, value in inputs.items()}
    assert not torch.allclose(dit(**turned).flip(2), dit(**inputs), atol=1e-3)


def test_every_weight_has_a_gradient():
    """Also those of the last block's text, whose answer nobody reads: DDP waits for all."""
    dit = _dit(replace(SMALL, mmdit_layers=4))
    dit(**_inputs()).square().sum().backward()
    assert [name for name, parameter in dit.named_parameters() if parameter.grad is None] == []


def test_recomputed_activations_give_the_same_gradients():
    inputs = _inputs()

    def gradients(*, recomputed):
        dit = _dit()
        recompute(dit.blocks[:recomputed])
        dit(**inputs).square().sum().backward()
        return [parameter.grad for parameter in dit.parameters()]

    assert all(map(torch.equal, gradients(recomputed=2), gradients(recomputed=0)))


def test_blocks_of_shared_weights_have_one_set():
    blocks = _dit().blocks
    assert [block.text_attention is None for block in blocks] == [False, False, True, True]


@pytest.mark.parametrize("batch", [1, 3])
def test_flops_are_those_that_torch_counts(batch):
    dit, inputs = _dit(), _inputs(batch=batch)
    with FlopCounterMode(display=False) as counter:
        dit(**inputs).sum().backward()
    one = dit.flops_per_sample((3, 4, 6), text_tokens=5, training=False)
    with FlopCounterMode(display=False) as forward_counter, torch.no_grad():
        dit(**inputs)
    assert forward_counter.get_total_flops() == one * batch
    # Backward, torch leaves out what no gradient is asked for, the inputs', and counts attention's scores again.
    assert counter.get_total_flops() == pytest.approx(3 * one * batch, rel=0.05)
    assert dit.flops_per_sample((3, 4, 6), text_tokens=5) == 3 * one


def test_a_budget_of_tokens_costs_what_the_full_model_must():
    with torch.device("meta"):
        dit = VideoDit(sizes.ea_12b_inp())
    # 1024 x 1024 x 49. A token meets about 113 M weights in each of 48 blocks, and all the other tokens twice.
    tokens = 53_248
    weights, attention = 2 * 48 * 113.3e6 * (tokens + 256), 4 * 48 * 3072 * (tokens + 256) ** 2
    assert dit.flops_per_sample((13, 128, 128), 256, training=False) == pytest.approx(weights + attention, rel=0.01)


def test_weights_depend_on_the_seed_and_their_names_alone():
    before = torch.get_rng_state()
    dit = VideoDit(SMALL, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    deeper = VideoDit(replace(SMALL, layers=5), seed=1)
    other = VideoDit(SMALL, seed=2)
    name = "blocks.1.attention.q.weight"
    assert torch.equal(dit.get_parameter(name), deeper.get_parameter(name))
    assert not torch.equal(dit.get_parameter(name), other.get_parameter(name))


def test_weights_of_a_model_made_on_meta_are_the_same():
    with torch.device("meta"):
        dit = VideoDit(SMALL)
    dit.to_empty(device="cpu")
    initialise(dit, 0)
    wanted = VideoDit(SMALL, seed=0).state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in dit.state_dict().items())


def test_bfloat16_is_near_float32():
    inputs = {name: value if value.dtype == torch.bool else value.float() for name, value in _inputs().items()}
    dit = _dit().float().requires_grad_(False)
    wanted = dit(**inputs)
    with torch.autocast("cpu", torch.bfloat16):
        made = dit(**inputs)
    assert float((made - wanted).square().mean() / wanted.square().mean()) < 1e-3


def test_what_does_not_fit_is_refused():
    dit, inputs = _dit(), _inputs()
    with pytest.raises(ValueError, match="sides that are multiples of 2"):
        dit(**(inputs | {"latents_BCTHW": torch.zeros(2, 4, 3, 5, 6, dtype=torch.float64)}))
    with pytest.raises(ValueError, match=r"condition is \(2, 3, 3, 4, 6\), must be \(2, 5, 3, 4, 6\)"):
        dit(**(inputs | {"condition_BCTHW": torch.zeros(2, 3, 3, 4, 6, dtype=torch.float64)}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 3}, "multiple of heads"),
        ({"dim": 48}, "multiple of 16"),
        ({"mmdit_layers": 5}, "from 0 to layers"),
        ({"in_channels": 3}, "less than latent_channels"),
    ],
)
def test_impossible_layouts_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)
