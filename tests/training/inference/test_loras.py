"""A LoRA from a file answers as the same LoRA in the model, under all names, and leaves nothing behind."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.training.tiny import tiny_dit_module
from training.inference.loras import lora_files, with_lora
from training.models.exports import lora_export
from training.models.lora import add_lora, lora_parameters
from training.objectives.dit_module import DitModule


def answer(module: DitModule) -> torch.Tensor:
    latents = torch.randn(1, 4, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return module.velocity(latents, torch.tensor([500.0]), module.encoded(["a red circle"]), None)


def adapted(targets: tuple[str, ...] = ()) -> DitModule:
    module = tiny_dit_module()
    add_lora(module.model.dit, 4, 2.0, targets=targets)
    generator = torch.Generator().manual_seed(1)
    for name, weight in lora_parameters(module.model.dit).items():
        if name.endswith("lora_up"):
            weight.data.normal_(std=0.3, generator=generator)
    return module


@pytest.mark.parametrize("layout", ["safetensors", "diffusers", "comfyui", "peft"])
@pytest.mark.parametrize("targets", [(), ("attention",)])
def test_it_answers_as_the_lora_in_the_model(tmp_path: Path, layout: str, targets: tuple[str, ...]) -> None:
    tuned, module = adapted(targets), tiny_dit_module()
    suffix = "" if layout == "peft" else ".safetensors"
    lora_export(tuned.model.dit, layout, rank=4, alpha=2.0).write(tmp_path / f"look{suffix}")
    [path] = lora_files(tmp_path).values()
    before = answer(module)
    with with_lora(module, path, 1.0):
        torch.testing.assert_close(answer(module), answer(tuned), atol=1e-5, rtol=1e-5)
    assert torch.equal(answer(module), before)
    assert not torch.allclose(before, answer(tuned), atol=1e-3)
    with with_lora(module, path, 0.0):
        torch.testing.assert_close(answer(module), before)


def test_it_is_taken_out_again_whatever_happens(tmp_path: Path) -> None:
    module = tiny_dit_module()
    lora_export(adapted().model.dit, "safetensors", rank=4, alpha=2.0).write(tmp_path / "a.safetensors")
    before = answer(module)
    with pytest.raises(KeyError), with_lora(module, tmp_path / "a.safetensors", 1.0):
        raise KeyError
    assert torch.equal(answer(module), before)


def test_files_are_called_by_their_place_and_what_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "looks").mkdir()
    (tmp_path / "looks" / "a <b>.safetensors").write_bytes(b"no tensors")
    save_file({"x.lora_A.weight": torch.zeros(2, 3), "x.lora_B.weight": torch.zeros(3, 2)}, tmp_path / "b.safetensors")
    save_file({"weight": torch.zeros(2)}, tmp_path / "c.safetensors")
    name = "dit.blocks.0.attention.q"
    wide = {f"{name}.lora_down": torch.zeros(2, 99), f"{name}.lora_up": torch.zeros(99, 2)}
    save_file(wide, tmp_path / "d.safetensors")
    (tmp_path / "words.txt").touch()
    files = lora_files(tmp_path)
    assert files.keys() == {"looks/a <b>", "b", "c", "d"}
    module = tiny_dit_module()
    for name, reason in (
        ("looks/a <b>", "no safetensors file"),
        ("b", "of another model: of the 1 layers that it changes this one has 0; not x"),
        ("c", "no LoRA"),
        ("d", "of another shape"),
    ):
        with pytest.raises(ValueError, match=reason), with_lora(module, files[name], 1.0):
            pass
    with pytest.raises(ValueError, match="no folder"):
        lora_files(tmp_path / "none")
