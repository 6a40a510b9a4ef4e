"""A pretrained pipeline's own way of reading captions, as our caches and modules want it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from training.models.text import Text, TextEncoder

Read = Callable[[Any, list[str], torch.Tensor | None], Text]
"""From a pipeline that has its text encoders alone, captions, and what is told of first frames, to vectors and mask."""


class PipelineTexts(TextEncoder):
    """The pipeline's `encode_prompt`, with its tokenizer, template and lengths."""

    def __init__(self, pipeline: Any, parts: Sequence[str], read: Read) -> None:
        super().__init__()
        self._pipeline, self._read = pipeline, read
        # Held here as well, so that they move and are counted as parts of this.
        self.parts = nn.ModuleDict(
            {name: part for name in parts if isinstance(part := getattr(pipeline, name), nn.Module)}
        )
        self.requires_grad_(False).eval()

    def encode(self, captions: Sequence[str]) -> Text:
        """Vectors (B, L, D) and their mask (B, L); see `training.models.text.TextEncoder`."""
        return self.encode_beside(captions, None)

    def encode_beside(self, captions: Sequence[str], condition: torch.Tensor | None) -> Text:
        """The same, along with what is told of each sample's first frame (B, ..., T, h, w)."""
        readable = [caption.encode("utf-8", "replace").decode("utf-8") for caption in captions]
        with torch.no_grad():
            vectors_BLD, mask_BL = self._read(self._pipeline, readable, condition)
        longest = max(1, int(mask_BL.sum(1).max()))
        return vectors_BLD[:, :longest], mask_BL[:, :longest]


def all_read(vectors_BLD: torch.Tensor) -> Text:
    """Vectors of which the padding is read as text is."""
    return vectors_BLD, torch.ones(vectors_BLD.shape[:2], dtype=torch.bool, device=vectors_BLD.device)


def to_length(text: Text, length: int) -> Text:
    """Zero vectors behind each text, up to `length`; what stood in the padding before is zero as well."""
    vectors_BLD, mask_BL = text
    vectors_BLD = vectors_BLD * mask_BL[..., None]
    more = length - vectors_BLD.shape[1]
    if more < 0:
        return vectors_BLD[:, :length], mask_BL[:, :length]
    return functional.pad(vectors_BLD, (0, 0, 0, more)), functional.pad(mask_BL, (0, more))


def packed(texts: Sequence[Text]) -> Text:
    """The vectors of several encoders as one text, so that a cache holds them: (B, L, 1 + D) and a mask (B, L).

    Of each sample the text of the first encoder comes first, without its padding, then that of the second. The first
    value of a vector is its encoder's number from 1; D is the largest width.
    """
    width = max(vectors.shape[-1] for vectors, _ in texts)
    samples = []
    for row in range(len(texts[0][0])):
        rows = []
        for number, (vectors, mask) in enumerate(texts, start=1):
            own = vectors[row, mask[row].bool()]
            rows.append(functional.pad(own, (1, width - own.shape[-1])))
            rows[-1][:, 0] = number
        samples.append(torch.cat(rows))
    lengths = torch.tensor([len(sample) for sample in samples], device=samples[0].device)
    vectors_BLD = nn.utils.rnn.pad_sequence(samples, batch_first=True)
    return vectors_BLD, torch.arange(vectors_BLD.shape[1], device=lengths.device)[None] < lengths[:, None]


def unpacked(text: Text, number: int, *, width: int, length: int) -> Text:
    """What one encoder has said: vectors (B, length, width), zero behind each text, and their mask (B, length)."""
    vectors_BLD, mask_BL = text
    found = vectors_BLD.new_zeros(len(vectors_BLD), length, width)
    told = mask_BL.new_zeros(len(vectors_BLD), length, dtype=torch.bool)
    for row, vectors in enumerate(vectors_BLD):
        own = vectors[mask_BL[row].bool() & (vectors[:, 0] == number), 1 : width + 1][:length]
        found[row, : len(own)], told[row, : len(own)] = own, True
    return found, told
