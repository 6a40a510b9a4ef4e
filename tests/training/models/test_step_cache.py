"""Blocks that are left out, and blocks that visit the device."""

import pytest
import torch

from tests.training.tiny import tiny_dit_module
from training.inference.making import How
from training.models.grid import Shape
from training.models.offload import offload_blocks
from training.models.step_cache import StepCache
from training.objectives.generate import GenerateConfig
from training.sample import videos

SHAPE, CONFIG = Shape(5, 16, 16), GenerateConfig(num_steps=12, guidance=2.0)


def made(cache: StepCache | None, prompts: list[str]) -> torch.Tensor:
    films = [*videos(tiny_dit_module(), prompts, SHAPE, CONFIG, seed=1, how=How(cache=cache))]
    return torch.stack([torch.from_numpy(film).float() for film in films])


def test_a_threshold_of_nothing_leaves_nothing_out() -> None:
    cache = StepCache(1e-9)
    assert torch.equal(made(cache, ["a", "b"]), made(None, ["a", "b"]))
    assert (cache.computed, cache.asked) == (24, 24)


def test_more_is_left_out_and_the_error_grows_with_the_threshold() -> None:
    whole = made(None, ["a red circle"])
    counts, errors = [], []
    for threshold in (0.02, 0.1, 100.0):
        cache = StepCache(threshold)
        errors.append(float((made(cache, ["a red circle"]) - whole).abs().mean()))
        counts.append(cache.computed)
        assert cache.asked == 12
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 2  # the first step and the last
    assert errors == sorted(errors)
    assert errors[0] < errors[-1]


def test_each_sample_is_cached_for_itself() -> None:
    both, alone = made(StepCache(0.1), ["a", "b"]), made(StepCache(0.1), ["b"])
    torch.testing.assert_close(both[1], alone[0], atol=1.0, rtol=0)  # of 255 levels, where a value is rounded


def test_what_the_blocks_added_is_added_again() -> None:
    cache, computed = StepCache(0.5), []
    cache.begin(4)
    for change in (1.0, 1.1, 1.2, 5.0):
        seen = torch.full((1, 2, 3), change)
        answer = cache.through(seen, 2 * seen, lambda seen=seen: computed.append(seen) or 3 * seen)
        assert torch.allclose(answer - 2 * seen, computed[-1])
    assert [float(each[0, 0, 0]) for each in computed] == [1.0, 5.0]


def test_a_threshold_that_is_none_is_refused() -> None:
    for threshold in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="must be positive"):
            StepCache(threshold)


def test_offloaded_blocks_answer_the_same_and_are_on_the_device_only_while_they_compute() -> None:
    """The copy on the device is another one than that at home, on a CPU as well."""
    [whole] = videos(tiny_dit_module(), ["a"], SHAPE, CONFIG, seed=1)
    module = tiny_dit_module()
    blocks = list(module.model.dit.blocks)
    home = [{weight.data_ptr() for weight in block.parameters()} for block in blocks]
    offload_blocks(module.model, blocks, torch.device("cpu"))
    at_work: list[list[bool]] = []

    def look(*_: object) -> None:
        at_work.append([{w.data_ptr() for w in b.parameters()} == there for b, there in zip(blocks, home, strict=True)])

    for block in blocks:
        block.feed_forward.register_forward_hook(look)
    [film] = videos(module, ["a"], SHAPE, CONFIG, seed=1, how=How(cache=StepCache(1e-9)))
    assert (film == whole).all()
    assert {tuple(each) for each in at_work} == {(True, True), (True, False)}  # the first one stays
    assert [{weight.data_ptr() for weight in block.parameters()} for block in blocks] == home
    assert module.device == torch.device("cpu")
