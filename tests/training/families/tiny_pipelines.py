"""Pipelines of a few thousand random weights, saved as diffusers saves real ones; and batches of the shapes corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

WORDS = ["<pad>", "</s>", "<unk>", "a", "red", "blue", "green", "yellow", "circle", "square", "triangle", "moving"]
WORDS += ["left", "right", "up", "down", "slowly", "quickly"]


def word_tokenizer(**marks: str) -> PreTrainedTokenizerFast:
    """Reads words, and has the end token last."""
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", **marks
    )


def t5_encoder(kind: str = "T5", width: int = 16) -> Any:
    import transformers

    settings = {"vocab_size": len(WORDS), "d_model": width, "d_kv": 4, "d_ff": 32, "num_layers": 1, "num_heads": 4}
    return getattr(transformers, f"{kind}EncoderModel")(getattr(transformers, f"{kind}Config")(**settings))


def roused(network: torch.nn.Module) -> torch.nn.Module:
    """With no weight at zero, as layers that begin so would answer nothing."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.05)
    return network.eval()


def cogvideox(folder: Path) -> Path:
    from diffusers import AutoencoderKLCogVideoX, CogVideoXDDIMScheduler, CogVideoXPipeline, CogVideoXTransformer3DModel

    torch.manual_seed(0)
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=4,
        time_embed_dim=8,
        text_embed_dim=16,
        num_layers=2,
        sample_width=8,
        sample_height=8,
        sample_frames=9,
        patch_size_t=2,
        use_rotary_positional_embeddings=True,
        patch_bias=False,
    )
    vae = AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
    )
    scheduler = CogVideoXDDIMScheduler(
        prediction_type="v_prediction",
        clip_sample=False,
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
        snr_shift_scale=1.0,
    )
    CogVideoXPipeline(
        tokenizer=word_tokenizer(),
        text_encoder=roused(t5_encoder()),
        vae=roused(vae),
        scheduler=scheduler,
        transformer=roused(transformer),
    ).save_pretrained(folder)
    return folder


def ltx(folder: Path) -> Path:
    from diffusers import (
        AutoencoderKLLTXVideo,
        FlowMatchEulerDiscreteScheduler,
        LTXPipeline,
        LTXVideoTransformer3DModel,
    )

    torch.manual_seed(0)
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=2,
        attention_head_dim=12,
        cross_attention_dim=24,
        num_layers=2,
        caption_channels=16,
    )
    vae = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
    )
    vae.latents_mean.normal_(std=0.1)
    vae.latents_std.uniform_(0.5, 2)
    scheduler = FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.95,
        max_shift=2.05,
        base_image_seq_len=1024,
        max_image_seq_len=4096,
        shift_terminal=0.1,
    )
    LTXPipeline(
        tokenizer=word_tokenizer(),
        text_encoder=roused(t5_encoder()),
        vae=roused(vae),
        scheduler=scheduler,
        transformer=roused(transformer),
    ).save_pretrained(folder)
    return folder


def wan(folder: Path) -> Path:
    from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanPipeline, WanTransformer3DModel

    torch.manual_seed(0)
    transformer = WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=16,
        out_channels=16,
        text_dim=16,
        freq_dim=16,
        ffn_dim=32,
        num_layers=2,
        rope_max_seq_len=32,
    )
    vae = AutoencoderKLWan(base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1)
    WanPipeline(
        tokenizer=word_tokenizer(),
        text_encoder=roused(t5_encoder("UMT5")),
        vae=roused(vae),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        transformer=roused(transformer),
    ).save_pretrained(folder)
    return folder
