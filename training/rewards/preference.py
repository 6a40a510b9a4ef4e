"""What people prefer, as models have learnt it from their votes: HPSv2.1, PickScore, and the aesthetic predictors.

Each sees a video's first frame, or several, and gives their mean, as EasyAnimate uses them (arXiv 2405.18991, 4.3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from preprocess.io.weights import find_file
from training.rewards.base import Reward
from training.rewards.clip import Clip, OpenClip, TransformersClip, tensors_in


class AgreementReward(Reward):
    """The cosine of picture and text: about 0.2 to 0.35 of trained models."""

    def __init__(self, clip: Clip, frames: int) -> None:
        self.module: Clip = clip
        self.frames = frames

    def __call__(self, video: torch.Tensor, captions: Sequence[str]) -> torch.Tensor:
        """(B,), mean over the frames that are looked at."""
        seen = self.module.seen(video, self.frames)
        return torch.einsum("bfd,bd->bf", seen, self.module.read(captions).to(seen)).mean(1)


class HpsReward(AgreementReward):
    """HPSv2.1 (arXiv 2306.09341): `HPS_v2.1_compressed.pt`, of open_clip's ViT-H-14."""

    name: ClassVar[str] = "hpsv2"

    def __init__(self, weights: str, *, frames: int = 1) -> None:
        super().__init__(OpenClip(weights, setting="objective.judges.hpsv2"), frames)


class PickScoreReward(AgreementReward):
    """PickScore (arXiv 2305.01569), of transformers' CLIP."""

    name: ClassVar[str] = "pickscore"

    def __init__(self, weights: str, *, tokenizer: str = "", frames: int = 1) -> None:
        setting = "objective.judges.pickscore"
        super().__init__(TransformersClip(weights, setting=setting, tokenizer=tokenizer), frames)


class AestheticReward(Reward):
    """A tenth of what a head, a chain of linear layers, makes of CLIP's or SigLIP's vector: about 0.4 to 0.7.

    improved-aesthetic-predictor and aesthetic-predictor-v2-5 are such heads; they were trained on votes from 1 to 10.
    """

    name: ClassVar[str] = "aesthetic"

    def __init__(self, weights: str, head: str, *, frames: int = 1) -> None:
        self.clip = TransformersClip(weights, setting="objective.judges.aesthetic", reads=False)
        self.head = LinearChain(head)
        self.module: nn.Module = nn.ModuleList([self.clip, self.head])
        self.frames = frames

    def __call__(self, video: torch.Tensor, captions: Sequence[str]) -> torch.Tensor:
        """(B,); captions are not read."""
        votes: torch.Tensor = self.head(self.clip.seen(video, self.frames))
        return votes.mean(1) / 10


class LinearChain(nn.Module):
    """Linear layers without activation between them, by the numbers in their names."""

    def __init__(self, weights: str) -> None:
        super().__init__()
        path = find_file(weights, setting="objective.judges.aesthetic_head")
        held = tensors_in(path)
        numbers = {int(found[-1]) for name in held if (found := re.findall(r"\d+(?=\.weight$)", name))} or {0}
        self.layers = nn.ParameterList()
        for number in sorted(numbers):
            for kind in ("weight", "bias"):
                [one] = [value for name, value in held.items() if re.search(rf"(^|\.){number}\.{kind}$|^{kind}$", name)]
                self.layers.append(nn.Parameter(one.float(), requires_grad=False))
        if self.layers[-2].shape[0] != 1:
            raise ValueError(f"{path}: its last layer gives {self.layers[-2].shape[0]} numbers, expected 1")

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """(..., D) to (...)."""
        for weight, bias in zip(self.layers[::2], self.layers[1::2], strict=True):
            vectors = functional.linear(vectors, weight, bias)
        return vectors[..., 0]
