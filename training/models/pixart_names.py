"""What diffusers' `PixArtTransformer2DModel` calls the parts of our PixArt.

Source: `src/diffusers/models/transformers/pixart_transformer_2d.py` of diffusers 0.42.1, whose answers were compared.
"""

from __future__ import annotations

_PARTS = {
    "patches_in": "pos_embed.proj",
    "time.linear1": "adaln_single.emb.timestep_embedder.linear_1",
    "time.linear2": "adaln_single.emb.timestep_embedder.linear_2",
    "modulation": "adaln_single.linear",
    "text1": "caption_projection.linear_1",
    "text2": "caption_projection.linear_2",
    "table": "scale_shift_table",
    "patches_out": "proj_out",
}
_IN_A_BLOCK = {
    "attention": "attn1",
    "text_attention": "attn2",
    "feed_forward.linear1": "ff.net.0.proj",
    "feed_forward.linear2": "ff.net.2",
    "table": "scale_shift_table",
}
_IN_ATTENTION = {"q": "to_q", "k": "to_k", "v": "to_v", "out": "to_out.0"}


def diffusers_name(name: str) -> str:
    """The name of a weight of `PixArt`, such as `blocks.0.attention.q.weight`, in diffusers' class; of plug-ins, which
    it has not, the same."""
    if not name.startswith("blocks."):
        return _renamed(name, _PARTS)
    _, number, inner = name.split(".", 2)
    if inner.startswith("motion."):
        return name
    part, _, rest = inner.partition(".")
    if part in ("attention", "text_attention"):
        inner = f"{_IN_A_BLOCK[part]}.{_renamed(rest, _IN_ATTENTION)}"
    return f"transformer_blocks.{number}.{_renamed(inner, _IN_A_BLOCK)}"


def diffusers_config(
    *, dim: int, heads: int, layers: int, text_dim: int, patch: int, channels: tuple[int, int], span: float | None
) -> dict[str, object]:
    """The `config.json` from which diffusers makes the same model.

    Raises:
        ValueError: it counts positions, which diffusers' class does not.
    """
    if span is None or span != int(span):
        raise ValueError(f"model.span is {span}: diffusers' PixArtTransformer2DModel wants a whole number of tokens")
    return {
        "_class_name": "PixArtTransformer2DModel",
        "_diffusers_version": "0.42.1",
        "num_attention_heads": heads,
        "attention_head_dim": dim // heads,
        "in_channels": channels[0],
        "out_channels": channels[1],
        "num_layers": layers,
        "cross_attention_dim": dim,
        "sample_size": int(span) * patch,
        "patch_size": patch,
        "interpolation_scale": 1,
        "use_additional_conditions": False,
        "caption_channels": text_dim,
    }


def _renamed(name: str, names: dict[str, str]) -> str:
    """With its start replaced, where that has another name."""
    for start, other in names.items():
        if name == start or name.startswith(f"{start}."):
            return other + name[len(start) :]
    return name
