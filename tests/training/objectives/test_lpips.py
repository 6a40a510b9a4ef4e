"""LPIPS by files of weights, against torchvision's VGG-16 and the paper's formula."""

from __future__ import annotations

import pytest
import torch

from preprocess.io.settings import override
from training.objectives.lpips import Lpips, LpipsConfig
from training.recipes import tiny_vae

ENDS = (4, 9, 16, 23, 30)
"""In torchvision's VGG-16, behind the last ReLU of each group."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[LpipsConfig, torch.nn.Module]:
    """Random weights in the files' real form."""
    from torchvision.models import vgg16

    folder = tmp_path_factory.mktemp("lpips")
    torch.manual_seed(0)
    network = vgg16(weights=None).features.eval().requires_grad_(False)
    torch.save({f"features.{name}": value for name, value in network.state_dict().items()}, folder / "vgg16.pth")
    heads = {f"lin{n}.model.1.weight": torch.rand(1, c, 1, 1) for n, c in enumerate((64, 128, 256, 512, 512))}
    torch.save(heads, folder / "vgg.pth")
    return LpipsConfig(vgg=str(folder / "vgg16.pth"), heads=str(folder / "vgg.pth")), network


def test_it_is_the_papers_sum_over_the_networks_features(files: tuple[LpipsConfig, torch.nn.Module]) -> None:
    config, network = files
    heads = torch.load(config.heads)
    video, reference = torch.rand(2, 2, 3, 2, 32, 48, generator=torch.Generator().manual_seed(1)) * 2 - 1
    wanted = torch.zeros(2, 2)
    for frame in range(2):
        a, b = (
            (one[:, :, frame] - torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1))
            / torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
            for one in (video, reference)
        )
        for number, end in enumerate(ENDS):
            unit = [torch.nn.functional.normalize(network[:end](one), dim=1, eps=1e-10) for one in (a, b)]
            weighed = (unit[0] - unit[1]).square() * heads[f"lin{number}.model.1.weight"]
            wanted[:, frame] += weighed.sum(1).mean((1, 2))
    assert torch.allclose(Lpips(config)(video, reference), wanted.mean(1), rtol=1e-4)


def test_gradients_lead_to_the_same_picture(files: tuple[LpipsConfig, torch.nn.Module]) -> None:
    distance = Lpips(files[0])
    reference = torch.rand(1, 3, 1, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    made = (reference + 0.3 * torch.randn(reference.shape, generator=torch.Generator().manual_seed(2))).requires_grad_()
    assert distance(reference, reference).item() == 0
    before = distance(made, reference)
    [gradient] = torch.autograd.grad(before.sum(), made)
    step = made.detach() - 0.5 * gradient / gradient.norm()
    assert distance(step, reference).item() < before.item()
    assert not any(weight.requires_grad for weight in distance.parameters())


def test_it_takes_the_place_of_random_features(files: tuple[LpipsConfig, torch.nn.Module]) -> None:
    config, _ = files
    recipe = override(
        tiny_vae("clips", "out"), [f"objective.lpips.vgg={config.vgg}", f"objective.lpips.heads={config.heads}"]
    )
    module = recipe.objective.build(recipe)
    assert type(module.features) is Lpips
    with pytest.raises(ValueError, match="set both or none"):
        LpipsConfig(vgg="vgg16.pth")
    swapped = LpipsConfig(vgg=config.heads, heads=config.vgg)
    with pytest.raises(ValueError, match=r"features\.0\.weight is not there, expected"):
        Lpips(swapped)
    with pytest.raises(ValueError, match=r"objective\.lpips\.vgg"):
        Lpips(LpipsConfig(vgg="nowhere.pth", heads=config.heads))
