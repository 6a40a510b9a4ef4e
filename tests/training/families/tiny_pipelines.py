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
