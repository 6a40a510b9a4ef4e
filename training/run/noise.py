"""What is random in a step belongs to the sample, not to the rank: one rank and eight draw the same for a clip.

Seeding by rank gives other noise as soon as the ranks change, so that neither a resume at another world size nor a
comparison of one rank with two could be exact. Each draw here is a pure function of (seed, step, clip id), so there
is no state to save either, and timesteps differ between ranks because their clips do.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch


class SampleNoise:
    """Random numbers for the samples of one batch; each call goes on in every sample's own stream.

    Drawn on the CPU, since a GPU's generator gives other numbers than a CPU's: 3.4 M values, the latent of a clip of
    49 frames at 1024 x 1024, take about 20 ms. `stream` keeps two uses of a clip in one step apart, such as the turns
    of a generator and of its discriminator.
    """

    def __init__(
        self,
        seed: int,
        step: int,
        clip_ids: Sequence[str],
        *,
        device: torch.device | str = "cpu",
        stream: str = "",
    ) -> None:
        self.device = torch.device(device)
        # A clip that meets itself in a step, where an epoch ends, draws the same twice: to count them would bring the
        # ranks back in, since only those on this rank can be counted.
        keys = [derived_seed(seed, step, stream, clip_id) for clip_id in clip_ids]
        self._generators = [torch.Generator().manual_seed(key) for key in keys]

    def __len__(self) -> int:
        return len(self._generators)

    def normal(self, *shape: int) -> torch.Tensor:
        """Standard normal values (B, *shape) float32 on the device; `shape` is one sample's."""
        return self._stacked([torch.randn(shape, generator=generator) for generator in self._generators], shape)

    def uniform(self, *shape: int) -> torch.Tensor:
        """Values in [0, 1) (B, *shape) float32 on the device."""
        return self._stacked([torch.rand(shape, generator=generator) for generator in self._generators], shape)

    def integers(self, low: int, high: int, *shape: int) -> torch.Tensor:
        """Whole numbers in [low, high) (B, *shape) int64 on the device."""
        drawn = [torch.randint(low, high, shape, generator=generator) for generator in self._generators]
        return self._stacked(drawn, shape)

    def _stacked(self, drawn: Sequence[torch.Tensor], shape: Sequence[int]) -> torch.Tensor:
        return (torch.stack(list(drawn)) if drawn else torch.empty(0, *shape)).to(self.device)


def derived_seed(*parts: object) -> int:
    """63 bits that any change of a part changes; unlike `hash`, the same in every process."""
    told = "\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")  # a prompt may hold what UTF-8 cannot say
    digest = hashlib.blake2b(told, digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def seed_everything(seed: int, step: int, rank: int) -> None:
    """Seed what else may draw (dropout, a library) by step and rank, so that a resumed step draws the same."""
    key = derived_seed(seed, step, rank, "global")
    torch.manual_seed(key)
    np.random.seed(key % 2**32)
    random.seed(key)


@contextmanager
def same_randomness_after() -> Iterator[None]:
    """Whatever draws from a global generator meanwhile, those afterwards draw as if it had not."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
