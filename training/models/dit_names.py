"""What others call the parts of the transformer: diffusers' `EasyAnimateTransformer3DModel`, and EasyAnimate's class.

Sources: `src/diffusers/models/transformers/transformer_easyanimate.py` of diffusers 0.42.1, and
`easyanimate/models/attention.py` of EasyAnimate at c2a70d1, which the released files of weights are of. They differ in
the names of the text's attention alone. Both classes' answers were compared with ours.
"""

from __future__ import annotations

from training.models.dit import DitConfig

_ENDS = {
    "patches_in": "proj",
    "time.linear1": "time_embedding.linear_1",
    "time.linear2": "time_embedding.linear_2",
    "text.norm": "text_proj.0",
    "text.linear": "text_proj.1",
    "norm": "norm_final",
    "final_norm": "norm_out",
    "patches_out": "proj_out",
}
_IN_A_BLOCK = {
    "attention.q": "attn1.to_q",
    "attention.k": "attn1.to_k",
    "attention.v": "attn1.to_v",
    "attention.out": "attn1.to_out.0",
    "attention.norm_q": "attn1.norm_q",
    "attention.norm_k": "attn1.norm_k",
    "text_attention.q": "attn1.add_q_proj",
    "text_attention.k": "attn1.add_k_proj",
    "text_attention.v": "attn1.add_v_proj",
    "text_attention.out": "attn1.to_add_out",
    "text_attention.norm_q": "attn1.norm_added_q",
    "text_attention.norm_k": "attn1.norm_added_k",
    "feed_forward.linear1": "ff.net.0.proj",
    "feed_forward.linear2": "ff.net.2",
    "text_feed_forward.linear1": "txt_ff.net.0.proj",
    "text_feed_forward.linear2": "txt_ff.net.2",
}


def diffusers_name(name: str) -> str:
    """The name of a part or weight of `VideoDit`, such as `blocks.0.attention.q.weight`, in diffusers' class."""
    parts = name.split(".")
    if parts[0] == "blocks":
        return ".".join(("transformer_blocks", parts[1], _replaced(parts[2:], _IN_A_BLOCK)))
    return _replaced(parts, _ENDS)


def easyanimate_name(name: str) -> str:
    """The same in EasyAnimate's own class, where the text's attention is a module beside the video's."""
    parts = name.split(".")
    if "text_attention" not in parts:
        return diffusers_name(name)
    beside = ".".join("attention" if part == "text_attention" else part for part in parts)
    return diffusers_name(beside).replace(".attn1.", ".attn2.")


def diffusers_config(config: DitConfig) -> dict[str, object]:
    """The `config.json` from which diffusers makes the same model.

    Raises:
        ValueError: it cannot: its positions are always scaled to 480 x 720 pixels.
    """
    rows_columns = None if config.base_grid is None else tuple(side * config.patch for side in config.base_grid)
    if rows_columns != (60, 90):
        raise ValueError(
            f"model.base_grid is {config.base_grid} at patch {config.patch}: diffusers' EasyAnimateTransformer3DModel "
            "has a grid of 60 x 90 latents, and would answer otherwise"
        )
    return {
        "_class_name": "EasyAnimateTransformer3DModel",
        "_diffusers_version": "0.42.1",
        "num_attention_heads": config.heads,
        "attention_head_dim": config.head_dim,
        "in_channels": config.in_channels,
        "out_channels": config.latent_channels,
        "patch_size": config.patch,
        "num_layers": config.layers,
        "mmdit_layers": config.mmdit_layers,
        "time_embed_dim": config.time_dim,
        "add_norm_text_encoder": True,
        "text_embed_dim": config.text_dim,
        "norm_eps": 1e-5,
        "time_position_encoding_type": "3d_rope",
        "add_noise_in_inpaint_model": config.condition_channels > 0,
    }


def _replaced(parts: list[str], names: dict[str, str]) -> str:
    """With the longest start that has another name renamed."""
    for length in range(len(parts), 0, -1):
        if (there := names.get(".".join(parts[:length]))) is not None:
            return ".".join((there, *parts[length:]))
    return ".".join(parts)
