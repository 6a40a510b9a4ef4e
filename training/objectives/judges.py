"""The rewards by name, and the weights of those that are models; nothing is fetched that is not named."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from preprocess.io.bounds import at_least, check
from training.rewards.base import Reward
from training.rewards.temporal import SmoothMotionReward
from training.run.config import WEIGHTS
from training.shapes.rewards import REWARDS as SHAPES


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """Files, folders or hub ids (`owner/name`, `owner/name:file`) of models that judge; "" where none is used."""

    frames: int = field(default=1, metadata=at_least(1))
    """How many frames they look at, evenly spaced; 1 is the first. The paper found that more make films stiller."""
    hpsv2: str = field(default="", metadata=WEIGHTS)
    """HPSv2.1: such as `xswu/HPSv2:HPS_v2.1_compressed.pt`."""
    pickscore: str = field(default="", metadata=WEIGHTS)
    """PickScore: such as `yuvalkirstain/PickScore_v1`."""
    pickscore_tokenizer: str = field(default="", metadata=WEIGHTS)
    """Where its tokenizer lies, if not there: such as `laion/CLIP-ViT-H-14-laion2B-s32B-b79K`."""
    mps: str = field(default="", metadata=WEIGHTS)
    """MPS: a file of EasyAnimate's `MPS_overall.pth`."""
    mps_config: str = field(default="", metadata=WEIGHTS)
    """The configuration and tokenizer of its CLIP: such as `laion/CLIP-ViT-H-14-laion2B-s32B-b79K`."""
    aesthetic: str = field(default="", metadata=WEIGHTS)
    """CLIP or SigLIP for the aesthetic head: such as `openai/clip-vit-large-patch14`."""
    aesthetic_head: str = field(default="", metadata=WEIGHTS)
    """The head: a file of improved-aesthetic-predictor's, or of aesthetic-predictor-v2-5's."""

    def __post_init__(self) -> None:
        check(self, "judges")


def check_reward(name: str, judges: Judges) -> None:
    """See that there is such a reward, and that its weights are named.

    Raises:
        ValueError: there is none, or they are not.
    """
    if name in MODELS:
        for setting in MODELS[name][0]:
            if not getattr(judges, setting):
                raise ValueError(f"reward {name!r} judges by a model: --set objective.judges.{setting}=PATH_OR_HUB_ID")
    elif name not in PLAIN:
        near = difflib.get_close_matches(name, (*PLAIN, *MODELS), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"no reward {name!r}, there are {', '.join((*PLAIN, *MODELS))}{hint}")


def reward(name: str, judges: Judges = Judges()) -> Reward:
    """The reward of that name, with its model.

    Raises:
        ValueError: there is none, or its weights are not named or not there.
    """
    check_reward(name, judges)
    return PLAIN[name]() if name in PLAIN else MODELS[name][1](judges)


def _hps(judges: Judges) -> Reward:
    from training.rewards.preference import HpsReward

    return HpsReward(judges.hpsv2, frames=judges.frames)


def _pickscore(judges: Judges) -> Reward:
    from training.rewards.preference import PickScoreReward

    return PickScoreReward(judges.pickscore, tokenizer=judges.pickscore_tokenizer, frames=judges.frames)


def _mps(judges: Judges) -> Reward:
    from training.rewards.mps import MpsReward

    return MpsReward(judges.mps, judges.mps_config, frames=judges.frames)


def _aesthetic(judges: Judges) -> Reward:
    from training.rewards.preference import AestheticReward

    return AestheticReward(judges.aesthetic, judges.aesthetic_head, frames=judges.frames)


PLAIN: Mapping[str, type[Reward]] = {**SHAPES, SmoothMotionReward.name: SmoothMotionReward}
"""Those without a model."""
MODELS: Mapping[str, tuple[tuple[str, ...], Callable[[Judges], Reward]]] = {
    "hpsv2": (("hpsv2",), _hps),
    "pickscore": (("pickscore",), _pickscore),
    "mps": (("mps", "mps_config"), _mps),
    "aesthetic": (("aesthetic", "aesthetic_head"), _aesthetic),
}
"""Those with one: the settings that name its weights, and how it is made."""
