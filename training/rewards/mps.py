"""MPS (arXiv 2405.14705): CLIP, whose picture looks at those words of the prompt that speak of what is judged.

The weights are those of EasyAnimate's `MPS_overall.pth`: `model.*` of transformers' CLIP of ViT-H-14, `cross_model.*`
of four layers on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional

from preprocess.io.weights import find_file, find_folder
from training.rewards.base import Reward
from training.rewards.clip import FILES, TransformersClip, tensors_in

CONDITION = (
    "light, color, clarity, tone, style, ambiance, artistry, shape, face, hair, hands, limbs, structure, instance, "
    "texture, quantity, attributes, position, number, location, word, things."
)
"""What overall quality is made of: the model's own words."""
RELATED = 0.01
"""Share of the largest similarity to the condition from which a word is looked at."""
HEAD = 64
"""Values of an attention head."""


class MpsReward(Reward):
    """The cosine of the prompt and of the picture that has looked at it."""

    name: ClassVar[str] = "mps"

    def __init__(self, weights: str, config: str, *, frames: int = 1) -> None:
        self.module: MpsModel = MpsModel(weights, config)
        self.frames = frames

    def __call__(self, video: torch.Tensor, captions: Sequence[str]) -> torch.Tensor:
        """(B,), mean over the frames that are looked at."""
        clip = self.module.clip
        pictures, count = clip.prepared(video, self.frames)
        with torch.no_grad():
            words, sentence, mask = self.module.prompts(captions)
        each = [part.repeat_interleave(count, 0) for part in (words, sentence, mask)]
        looked = self.module.looked(pictures, each[0], each[2])
        return functional.cosine_similarity(looked, each[1], dim=-1).view(-1, count).mean(1)


class MpsModel(nn.Module):
    """`config` is a folder of CLIP's configuration and tokenizer; its weights, if it has some, are not read."""

    def __init__(self, weights: str, config: str) -> None:
        super().__init__()
        setting = "objective.judges.mps"
        held = tensors_in(find_file(weights, setting=setting))
        self.clip = EmptyClip(config, setting=f"{setting}_config")
        own = {name.removeprefix("model."): value for name, value in held.items() if name.startswith("model.")}
        # Positions that are counted again were kept by older versions of transformers.
        own = {name: value for name, value in own.items() if not name.endswith("position_ids")}
        self.clip.model.load_state_dict(own)
        dim = int(self.clip.model.config.projection_dim)
        cross = {name.removeprefix("cross_model."): value for name, value in held.items() if name.startswith("cross_")}
        self.layers = nn.ModuleList(MpsLayer(dim) for _ in range(1 + max(int(name.split(".")[1]) for name in cross)))
        own_names = {_name_of(name): value for name, value in cross.items() if not name.endswith((".bias", "inv_freq"))}
        self.load_state_dict({f"layers.{name}": value for name, value in own_names.items()} | self._of_clip())
        self.eval().requires_grad_(False)

    def prompts(self, captions: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Vectors of the words (B, L, D) and of the whole (B, D), and which words are looked at (B, L)."""
        words, sentence = self._read(captions)
        condition, _ = self._read([CONDITION])
        related = torch.einsum("bld,cd->blc", words, condition[0]).amax(2)
        return words, sentence, related / related.amax() > RELATED

    def looked(self, pictures: torch.Tensor, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(N, D): the picture's own token, once it has looked at the words."""
        model = self.clip.model
        tokens = model.visual_projection(model.vision_model(pixel_values=pictures).last_hidden_state)
        for layer in self.layers:
            tokens = layer(tokens, words, mask)
        first: torch.Tensor = tokens[:, 0]
        return first

    def _read(self, captions: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        ids = self.clip.tokens(captions, padding="max_length")["input_ids"]
        model = self.clip.model
        read = model.text_model(input_ids=ids)
        return model.text_projection(read.last_hidden_state), model.text_projection(read.pooler_output)

    def _of_clip(self) -> dict[str, torch.Tensor]:
        return {name: value for name, value in self.state_dict().items() if name.startswith("clip.")}


class EmptyClip(TransformersClip):
    """CLIP of a folder's configuration, without its weights."""

    crops = False

    def __init__(self, config: str, *, setting: str) -> None:
        from transformers import AutoConfig, AutoTokenizer, CLIPModel

        nn.Module.__init__(self)
        folder = find_folder(config, setting=setting, files=("config.json", *FILES[1:]))
        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        self.model: Any = CLIPModel(AutoConfig.from_pretrained(folder, **local))
        self.side = int(self.model.config.vision_config.image_size)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, **local)


class MpsLayer(nn.Module):
    """Attention to the words, with a feed-forward layer beside it; then the same among the picture's own tokens, which
    positions turn. Keys and values have one head."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, bias=False)
        self.q = nn.Linear(dim, dim, bias=False)
        self.kv = nn.Linear(dim, 2 * HEAD, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.ff_in = nn.Linear(dim, 8 * dim, bias=False)
        self.ff_out = nn.Linear(4 * dim, dim, bias=False)
        self.own_norm = nn.LayerNorm(dim, bias=False)
        self.own_in = nn.Linear(dim, dim + 2 * HEAD + 8 * dim, bias=False)
        self.own_out = nn.Linear(dim, dim, bias=False)
        self.own_ff_out = nn.Linear(4 * dim, dim, bias=False)

    def forward(self, x_NSD: torch.Tensor, words_NLD: torch.Tensor, mask_NL: torch.Tensor) -> torch.Tensor:
        """(N, S, D)."""
        normed = self.norm(x_NSD)
        k, v = self.kv(words_NLD).chunk(2, dim=-1)
        mixed = _attend(self.q(normed), k, v, mask_NL[:, None, None])
        x_NSD = x_NSD + self.out(mixed) + self.ff_out(_gated(self.ff_in(normed)))
        dim = x_NSD.shape[-1]
        q, k, v, inner = self.own_in(self.own_norm(x_NSD)).split([dim, HEAD, HEAD, 8 * dim], dim=-1)
        q = _turned(q.unflatten(-1, (-1, HEAD)).transpose(1, 2)).transpose(1, 2).flatten(2)
        whole: torch.Tensor = x_NSD + self.own_out(_attend(q, _turned(k), v, None)) + self.own_ff_out(_gated(inner))
        return whole


def _attend(q_NSD: torch.Tensor, k_NLH: torch.Tensor, v_NLH: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    q = q_NSD.unflatten(-1, (-1, HEAD)).transpose(1, 2)
    k, v = (each[:, None].expand(-1, q.shape[1], -1, -1) for each in (k_NLH, v_NLH))
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)


def _gated(x: torch.Tensor) -> torch.Tensor:
    value, gate = x.chunk(2, dim=-1)
    return functional.silu(gate) * value


def _turned(x: torch.Tensor) -> torch.Tensor:
    """Rotary positions (arXiv 2104.09864) along the last axis but one; the halves of a head are turned together."""
    half = HEAD // 2
    rates = 10_000.0 ** -(torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angles = torch.arange(x.shape[-2], device=x.device, dtype=torch.float32)[:, None] * rates
    cos, sin = (part.to(x.dtype).repeat(1, 2) for part in (angles.cos(), angles.sin()))
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


_PARTS = {
    "0.fn.norm": "norm",
    "0.fn.to_q": "q",
    "0.fn.to_kv": "kv",
    "0.fn.to_out": "out",
    "0.fn.ff.0": "ff_in",
    "0.fn.ff.2": "ff_out",
    "1.fn.norm": "own_norm",
    "1.fn.fused_attn_ff_proj": "own_in",
    "1.fn.attn_out": "own_out",
    "1.fn.ff_out.1": "own_ff_out",
}


def _name_of(name: str) -> str:
    """Ours of `layers.0.0.fn.to_q.weight`, without `layers`."""
    _, number, rest = name.split(".", 2)
    part = rest.removesuffix(".weight")
    if part not in _PARTS:
        raise ValueError(f"weights of MPS: cross_model.{name} is unknown")
    return f"{number}.{_PARTS[part]}.weight"
