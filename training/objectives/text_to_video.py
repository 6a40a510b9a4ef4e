"""The transformer together with the text encoder that is trained along with it: one network, as trainers see it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from training.models.text import Text, TextEncoder
from training.models.transformer import Transformer


class TextToVideo(nn.Module):
    """Captions in, velocity out; or embeddings in, where the text encoder is a large one that is not trained."""

    def __init__(self, dit: Transformer, text: TextEncoder | None) -> None:
        super().__init__()
        self.dit = dit
        self.text = text
        self.flops = 0.0
        """Floating point operations of the transformer in the last forward pass."""

    def encode(self, captions: Sequence[str]) -> Text:
        """What the trained text encoder makes of captions."""
        assert self.text is not None
        return self.text.encode(captions)

    def forward(
        self,
        latents_BCTHW: torch.Tensor,
        timesteps_B: torch.Tensor,
        text: Sequence[str] | Text,
        condition_BCTHW: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The velocity, of the latents' shape; see `Transformer`."""
        encoded = text if isinstance(text, tuple) else self.encode(text)
        frames, height, width = latents_BCTHW.shape[2:]
        a_sample = self.dit.flops_per_sample((frames, height, width), encoded[0].shape[1], training=False)
        self.flops = float(len(latents_BCTHW) * a_sample)
        velocity: torch.Tensor = self.dit(latents_BCTHW, timesteps_B, *encoded, condition_BCTHW)
        return velocity


def first_frame_condition(first_BC1HW: torch.Tensor, num_latents: int, known_B: torch.Tensor) -> torch.Tensor:
    """(B, 1 + C, T, h, w): a mask, 1 where the first latent is known, then that latent; 0 elsewhere.

    The autoencoder is causal, so the first latent is that of the first frame alone: nothing has to be encoded again.
    """
    batch, channels, _, height, width = first_BC1HW.shape
    condition = first_BC1HW.new_zeros(batch, 1 + channels, num_latents, height, width)
    condition[:, 0, 0] = 1.0
    condition[:, 1:, :1] = first_BC1HW
    return condition * known_B.view(-1, 1, 1, 1, 1)


def without(captions: Sequence[str], dropped_B: torch.Tensor) -> list[str]:
    """The captions, "" where dropped."""
    return ["" if dropped else text for text, dropped in zip(captions, dropped_B.tolist(), strict=True)]


def blanked(text: Text, empty: Text, dropped_B: torch.Tensor) -> Text:
    """Cached texts (B, L, D) with the empty caption's embedding (1, L', D) in place of dropped ones."""
    short = text[0].shape[1] - empty[0].shape[1]
    if short < 0:  # no longer than the empty caption: pad the others
        text = _padded(text, -short)
    blank, blank_mask = _padded(empty, max(short, 0))
    return torch.where(dropped_B[:, None, None], blank, text[0]), torch.where(dropped_B[:, None], blank_mask, text[1])


def _padded(text: Text, more: int) -> Text:
    return functional.pad(text[0], (0, 0, 0, more)), functional.pad(text[1], (0, more))
