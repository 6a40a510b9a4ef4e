"""The transformer together with the text encoder that is trained along with it: one network, as trainers see it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from training.models.dit import VideoDit

Text = tuple[torch.Tensor, torch.Tensor]
"""Embeddings (B, L, D) and their mask (B, L), True for text."""


class TextToVideo(nn.Module):  # type: ignore[misc]
    """Captions in, velocity out; or embeddings in, where the text encoder is a large one that is not trained."""

    def __init__(self, dit: VideoDit, text: nn.Module | None) -> None:
        super().__init__()
        self.dit = dit
        self.text = text

    def encode(self, captions: Sequence[str]) -> Text:
        """What the trained text encoder makes of captions."""
        assert self.text is not None
        text: Text = self.text.encode(captions)
        return text

    def forward(
        self,
        latents_BCTHW: torch.Tensor,
        timesteps_B: torch.Tensor,
        text: Sequence[str] | Text,
        condition_BCTHW: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The velocity, of the latents' shape; see `VideoDit`."""
        encoded = text if isinstance(text, tuple) else self.encode(text)
        return self.dit(latents_BCTHW, timesteps_B, *encoded, condition_BCTHW)


def first_frame_condition(first_BC1HW: torch.Tensor, num_latents: int, known_B: torch.Tensor) -> torch.Tensor:
    """(B, 1 + C, T, h, w): a mask, 1 where the first latent is known, then that latent; 0 elsewhere.

    The autoencoder is causal, so the first latent is that of the first frame alone: nothing has to be encoded again.
    """
    batch, channels, _, height, width = first_BC1HW.shape
    condition = first_BC1HW.new_zeros(batch, 1 + channels, num_latents, height, width)
    condition[:, 0, 0] = 1.0
    condition[:, 1:, :1] = first_BC1HW
    return condition * known_B.view(-1, 1, 1, 1, 1)
