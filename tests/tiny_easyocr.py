"""Weights for EasyOCR's own networks, in its own files: some made by hand, so that what they see is known, and random
ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from easyocr.config import recognition_models
from easyocr.craft import CRAFT
from easyocr.model.vgg_model import Model
from torch import Tensor, nn

from tests.filters.views import texture

ENGLISH = recognition_models["gen2"]["english_g2"]["characters"]


def save(folder: Path, detector: dict[str, Tensor], recogniser: dict[str, Tensor]) -> Path:
    """Both files as EasyOCR publishes them: saved from a DataParallel."""
    for name, state in (("craft_mlt_25k.pth", detector), ("english_g2.pth", recogniser)):
        torch.save({f"module.{key}": tensor for key, tensor in state.items()}, folder / name)
    return folder


def craft_of_brightness() -> dict[str, Tensor]:
    """A CRAFT whose region score is the brightness (0..1) of the picture, and that sees no affinity."""
    state = _silent(CRAFT)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    state["basenet.slice1.0.weight"][0, :, 1, 1] = deviation / 3
    state["basenet.slice1.0.bias"][0] = mean.mean()
    slices = [f"basenet.slice1.{index}" for index in (3, 7, 10)]
    for layer in (*slices, "upconv4.conv.3", "conv_cls.0", "conv_cls.2", "conv_cls.4"):
        state[f"{layer}.weight"][0, 0, 1, 1] = 1
    state["upconv4.conv.0.weight"][0, 64, 0, 0] = 1  # past the 64 channels that come from below
    state["conv_cls.6.weight"][0, 0, 0, 0] = 1
    state["conv_cls.8.weight"][0, 0, 0, 0] = 1
    return state


def crnn_of_bars() -> dict[str, Tensor]:
    """A recogniser that reads, from left to right, H where the line is gray, I where it is white, and else nothing."""
    state = _silent(_crnn)
    for layer in (0, 3, 6, 8, 11, 14):
        state[f"FeatureExtraction.ConvNet.{layer}.weight"][0, 0, 1, 1] = 1
    state["FeatureExtraction.ConvNet.18.weight"][0, 0] = 0.25
    for layer in (0, 1):
        # Gates i and o open, f shut: each step gives on tanh(tanh(0.1 x)), which is nearly 0.1 x.
        gates = state[f"SequenceModeling.{layer}.rnn.bias_ih_l0"].view(4, -1)
        gates[0], gates[1], gates[3] = 20, -20, 20
        state[f"SequenceModeling.{layer}.rnn.weight_ih_l0"].view(4, 256, 256)[2, 0, 0] = 0.1
        state[f"SequenceModeling.{layer}.linear.weight"][0, 0] = 10
    h, i = ENGLISH.index("H") + 1, ENGLISH.index("I") + 1
    state["Prediction.bias"][1:] = -99
    for letter, slope, from_ in ((h, 60, 0.12), (i, 180, 0.37)):
        state["Prediction.weight"][letter, 0] = slope
        state["Prediction.bias"][letter] = -slope * from_
    return state


def random_craft() -> dict[str, Tensor]:
    """A CRAFT that sees text in about a tenth of any picture, here and there."""
    state = _random(CRAFT)
    state["upconv4.conv.0.weight"][:, 64:] *= 0.1  # the finest detail: text comes in blobs
    with torch.device("meta"):
        net = CRAFT().eval()
    net.load_state_dict(state, assign=True)
    pixels = torch.from_numpy(np.stack([texture(128, 192, seed=seed) for seed in range(3)])).float()
    with torch.inference_mode():
        maps = net((pixels[None] - 118) / 58)[0]
    for channel, mean in ((0, 0.1), (1, -0.2)):
        scale = 0.4 / maps[..., channel].std()
        state["conv_cls.8.weight"][channel] *= scale
        state["conv_cls.8.bias"][channel] = mean - scale * maps[..., channel].mean()
    return state


def random_crnn() -> dict[str, Tensor]:
    """A recogniser that reads nonsense, of which it is fairly sure."""
    state = _random(_crnn)
    state["Prediction.weight"] *= 30
    return state


def _crnn() -> nn.Module:
    return Model(1, 256, 256, len(ENGLISH) + 1)


def _silent(model_of: Callable[[], nn.Module]) -> dict[str, Tensor]:
    """All weights 0, and normalisation that leaves everything as it is."""
    with torch.device("meta"):
        shapes = model_of().state_dict()
    scales = {key for key in shapes if key.endswith("running_var")}
    scales |= {key.replace("running_var", "weight") for key in scales}
    return {
        key: (torch.ones if key in scales else torch.zeros)(tensor.shape, dtype=tensor.dtype)
        for key, tensor in shapes.items()
    }


def _random(model_of: Callable[[], nn.Module]) -> dict[str, Tensor]:
    """Weights that keep the size of what goes through."""
    generator = torch.Generator().manual_seed(0)
    state = _silent(model_of)
    for tensor in state.values():
        if tensor.ndim > 1:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
    return state
