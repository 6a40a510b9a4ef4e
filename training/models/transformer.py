"""The seam of transformers: what trains and samples one asks no more of it than this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import nn

from training.models.step_cache import StepCache


class TransformerConfig(Protocol):
    """A frozen record, beside the network that it describes."""

    @property
    def patch(self) -> int:
        """Latents a token's side."""
        ...

    @property
    def latent_channels(self) -> int:
        """Of the autoencoder."""
        ...

    @property
    def condition_channels(self) -> int:
        """Channels of the condition: 0 for a model of text alone."""
        ...

    @property
    def text_dim(self) -> int:
        """Width of the text encoder's vectors."""
        ...

    @property
    def heads(self) -> int:
        """Of attention."""
        ...

    def network(self) -> Transformer:
        """Make it, with first weights of seed 0; on meta, without any."""
        ...


class Transformer(nn.Module, ABC):
    """From noisy latents, a time and a text to what is to be taken off them: a velocity, or the noise."""

    config: TransformerConfig
    blocks: nn.ModuleList
    """What is sharded and checkpointed one by one."""

    @abstractmethod
    def forward(
        self,
        latents_BCTHW: torch.Tensor,
        timesteps_B: torch.Tensor,
        text_BLD: torch.Tensor,
        text_mask_BL: torch.Tensor,
        condition_BCTHW: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Of the latents' shape and in the weights' type.

        `timesteps_B` are in [0, 1000]. `text_mask_BL` is True for text and False for padding. Without a condition its
        channels are zero, which says that nothing is known.

        Raises:
            ValueError: latents or condition are not of a size that the model takes.
        """

    @abstractmethod
    def flops_per_sample(self, latent_shape: tuple[int, int, int], text_tokens: int, *, training: bool = True) -> int:
        """Floating-point operations of one sample of (T, h, w) latents, a multiply-add being two; `training` counts
        the backward pass as twice the forward one."""

    @contextmanager
    def skipping(self, cache: StepCache) -> Iterator[None]:
        """Meanwhile, blocks are left out where the cache says so.

        Raises:
            ValueError: it is one whose blocks cannot be.
        """
        raise ValueError(f"--cache-steps: the blocks of a {type(self).__name__} cannot be left out")
        yield

    def names_elsewhere(self) -> Mapping[str, str] | None:
        """What diffusers' class calls each weight; None where `training.models.dit_names` says it."""
        return None

    def config_elsewhere(self) -> Mapping[str, object]:
        """The `config.json` from which diffusers makes the same model; asked where `names_elsewhere` gives names.

        Raises:
            ValueError: it has no such model.
        """
        raise NotImplementedError(f"{type(self).__name__} names weights and no configuration")


def conditioned(
    config: TransformerConfig, latents_BCTHW: torch.Tensor, condition_BCTHW: torch.Tensor | None
) -> torch.Tensor:
    """Latents with their condition as further channels; zeros where there is none.

    Raises:
        ValueError: either is not of a size that the model takes.
    """
    batch, channels, *size = latents_BCTHW.shape
    if channels != config.latent_channels or size[1] % config.patch or size[2] % config.patch:
        raise ValueError(
            f"latents are {tuple(latents_BCTHW.shape)}, must have {config.latent_channels} channels "
            f"and sides that are multiples of {config.patch}"
        )
    wanted = (batch, config.condition_channels, *size)
    if condition_BCTHW is None:
        condition_BCTHW = latents_BCTHW.new_zeros(wanted)
    if tuple(condition_BCTHW.shape) != wanted:
        raise ValueError(f"the condition is {tuple(condition_BCTHW.shape)}, must be {wanted}")
    return torch.cat([latents_BCTHW, condition_BCTHW.to(latents_BCTHW.dtype)], dim=1)
