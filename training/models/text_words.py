"""Vectors of a caption's words: no vocabulary, no download, and nothing to learn before words are told apart.

A word's vector is drawn at random from the word itself, so that any two words are as good as orthogonal. What reads
them learns what a word means from where it stands, in fewer steps than it would learn to read letters
(`training.models.text_bytes`); words of one stem are strangers to each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from preprocess.io.bounds import at_least, check
from training.models.text import Text, TextEncoder
from training.models.weights import initialise, own_randomness, settings_id, weights_id

PLACE_DEVIATION = 0.02
"""Of the vectors of places, as `training.models.weights` draws them."""
LOUDER = 2.0
"""A word than its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordTextConfig:
    """Layout; what has weights are the places alone, which are not trained."""

    dim: int = field(default=64, metadata=at_least(1))
    """Width of its vectors."""
    max_words: int = field(default=63, metadata=at_least(1))
    """Longer captions are cut off there."""

    def __post_init__(self) -> None:
        check(self)

    @property
    def learns(self) -> bool:
        """Never."""
        return False

    def identity(self, *, seed: int = 0) -> str:
        """Of its places and of how words become vectors."""
        return settings_id(self, weights_id(self.encoder(seed=seed)))

    def encoder(self, *, seed: int = 0) -> WordTextEncoder:
        """With places from the seed."""
        return WordTextEncoder(self, seed=seed)


class WordTextEncoder(TextEncoder):
    """The sum of a word's vector and of its place's."""

    def __init__(self, config: WordTextConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.dim = config.dim
        with own_randomness():
            self.positions = nn.Embedding(config.max_words + 1, config.dim)
        initialise(self, seed)
        self.requires_grad_(False)

    def encode(self, captions: Sequence[str]) -> Text:
        """Vectors (B, L, dim) and their mask; the first is that of the caption's start, before any word."""
        rows = [["", *caption.casefold().split()[: self.config.max_words]] for caption in captions]
        longest = max((len(row) for row in rows), default=1)
        places = self.positions.weight
        vectors_BLD = places.new_zeros(len(rows), longest, self.dim)
        mask_BL = torch.zeros(len(rows), longest, dtype=torch.bool, device=places.device)
        for row, vectors, mask in zip(rows, vectors_BLD, mask_BL, strict=True):
            words = torch.stack([word_vector(word, self.dim) for word in row]).to(places)
            vectors[: len(row)] = LOUDER * PLACE_DEVIATION * words + places[: len(row)]
            mask[: len(row)] = True
        return functional.layer_norm(vectors_BLD, (self.dim,)), mask_BL


def word_vector(word: str, dim: int) -> torch.Tensor:
    """(dim,) of variance 1, uniform, from a hash: the same for a word on any machine."""
    drawn = np.frombuffer(hashlib.shake_256(word.encode("utf-8", "replace")).digest(2 * dim), "<u2")
    return torch.from_numpy(((drawn / 65535 - 0.5) * 12**0.5).astype(np.float32))
