"""Slices: each knows of those beside it, what is made in parts is what is made of the whole, in constant memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from training.models.causal import Memory
from training.models.vae import VaeConfig, VideoVae
from training.models.vae_chunks import decoded, encoded
from training.models.vae_slices import slices

CONFIG = VaeConfig(
    channels=(4, 8, 8),
    latent_channels=4,
    spatial_stride=4,
    groups=2,
    encoder_blocks=1,
    decoder_blocks=1,
    slice_latents=2,
)
LAYOUTS = {
    "two": CONFIG,
    "three": VaeConfig(
        channels=(4, 8), latent_channels=3, temporal_stride=2, spatial_stride=2, groups=None, slice_latents=3
    ),
    "one, as released": VaeConfig(
        channels=(4, 8, 8), latent_channels=4, spatial_stride=4, groups=2, layout="magvit", slice_latents=1
    ),
}
LENGTHS = [1, 2, 3, 4, 8, 9]
"""Of latents: the first alone, a shorter slice behind it, whole ones, and a shorter one at the end."""


def _vae(config: VaeConfig = CONFIG) -> VideoVae:
    return VideoVae(config, seed=3).double()


def _video(config: VaeConfig, latents: int, seed: int = 0) -> torch.Tensor:
    generator, side = torch.Generator().manual_seed(seed), config.spatial_stride
    frames = config.grid().frames(latents)
    return torch.rand(2, 3, frames, side, 2 * side, generator=generator, dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", LAYOUTS)
def test_parts_are_the_whole(name: str, length: int) -> None:
    config = LAYOUTS[name]
    vae, video = _vae(config), _video(config, length)
    frame = video.shape[3] * video.shape[4]
    with torch.no_grad():
        latents = vae.encode(video).mean
        whole = vae.decode(latents)
    assert latents.shape[2] == length
    assert whole.shape == video.shape
    for most_pixels in (1, 5 * frame, 17 * frame, 30 * frame):
        torch.testing.assert_close(encoded(vae, video, most_pixels=most_pixels), latents, rtol=0, atol=1e-12)
        torch.testing.assert_close(decoded(vae, latents, most_pixels=most_pixels), whole, rtol=0, atol=1e-12)


def test_a_slice_is_decoded_by_itself_from_three() -> None:
    """Which is the definition, written down apart: convolutions over what is given, the middle cut out, then frames."""
    vae = _vae()
    latents = vae.encode(_video(CONFIG, 9)).mean
    whole = vae.decode(latents)
    given = vae.post_quant(latents[:, :, 1:7])
    memory = Memory(started=True)
    x = vae.decoder.middle(vae.decoder.conv_in(given, memory), memory)[:, :, 2:4]
    for layer in vae.decoder.layers:
        x = layer(x, memory)
    frames = vae.decoder.conv_out(torch.nn.functional.silu(vae.decoder.norm_out(x)), memory)
    torch.testing.assert_close(whole[:, :, 9:17], frames, rtol=0, atol=1e-12)


def _changes(made: torch.Tensor, other: torch.Tensor) -> list[bool]:
    moved = (made - other).abs().amax(dim=(0, 1, 3, 4)) > 1e-9
    return [bool(one) for one in moved]


def test_frames_know_of_the_slices_on_both_sides_and_of_no_others() -> None:
    vae = _vae()
    latents = vae.encode(_video(CONFIG, 11)).mean
    whole = vae.decode(latents)
    other = latents.clone()
    other[:, :, 5:7] += 1  # the third slice of two latents; frames 17 to 24 are its own
    assert _changes(vae.decode(other), whole) == [9 <= frame < 33 for frame in range(41)]


def test_slices_are_encoded_each_for_itself() -> None:
    vae, video = _vae(), _video(CONFIG, 7)
    other = video.clone()
    other[:, :, 12] += 0.5
    changed = _changes(vae.encode(other).mean, vae.encode(video).mean)
    assert changed == [False, False, False, True, True, False, False]
    alone = vae.encode(video[:, :, :1]).mean
    torch.testing.assert_close(alone, vae.encode(video).mean[:, :, :1], rtol=0, atol=1e-12)


def test_weights_of_a_causal_autoencoder_begin_it() -> None:
    causal = VideoVae(VaeConfig(**_without_slices(CONFIG)), seed=3)
    sliced = VideoVae(CONFIG, seed=4)
    sliced.load_state_dict(causal.state_dict())
    video = _video(CONFIG, 1).float()
    torch.testing.assert_close(sliced.encode(video).mean, causal.encode(video).mean)


def _without_slices(config: VaeConfig) -> Mapping[str, Any]:
    fields = ("channels", "latent_channels", "spatial_stride", "groups", "encoder_blocks", "decoder_blocks")
    return {name: getattr(config, name) for name in fields}


def test_every_weight_learns_from_slices() -> None:
    vae, video = _vae(), _video(CONFIG, 6)
    vae.decode(vae.encode(video).mean).square().mean().backward()
    still = [name for name, weight in vae.named_parameters() if weight.grad is None or not weight.grad.any()]
    # The way out of attention begins with zero, and what leads to it learns from the second step on.
    assert all(".middle.attention." in name for name in still)


class Peak(TorchDispatchMode):
    """The most bytes that tensors have held at once which were made within it."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self._held: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self._held = {key: held for key, held in self._held.items() if not held[0].expired()}
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self._held.setdefault(storage._cdata, (StorageWeakRef(storage), storage.nbytes()))
        self.most = max(self.most, sum(size for _, size in self._held.values()))
        return made


@pytest.mark.parametrize("slice_latents", [0, 2])
def test_memory_does_not_grow_with_the_length(slice_latents: int) -> None:
    """Of the released width, where a frame of activations is 43 times a frame of pixels."""
    vae = VideoVae(
        VaeConfig(
            channels=(128, 8, 8, 8),
            latent_channels=4,
            groups=4,
            encoder_blocks=1,
            decoder_blocks=1,
            slice_latents=slice_latents,
        )
    )
    peaks: dict[str, list[int]] = {"encoded": [], "decoded": []}
    for frames in (24, 144):
        video = torch.zeros(1, 1 + frames, 8, 8, 3, dtype=torch.uint8)
        latents = torch.zeros(1, 4, 1 + frames // 4, 1, 1)
        for name, way, given in (("encoded", encoded, video), ("decoded", decoded, latents)):
            with Peak() as peak:
                way(vae, given, most_pixels=8 * 64)
            peaks[name].append(peak.most)
    assert peaks["encoded"][1] <= 1.15 * peaks["encoded"][0]
    assert peaks["decoded"][1] <= 1.15 * peaks["decoded"][0]


def test_slices_begin_behind_the_first_frame() -> None:
    assert slices(1, 2) == [(0, 1)]
    assert slices(6, 2) == [(0, 1), (1, 3), (3, 5), (5, 6)]


def test_one_by_one_is_refused() -> None:
    with pytest.raises(ValueError, match="what follows has a part in them"):
        _vae().decode_chunk(torch.zeros(1, 4, 1, 1, 1), Memory())
    with pytest.raises(ValueError, match="slice_latents is -1, must be at least 0"):
        VaeConfig(slice_latents=-1)
