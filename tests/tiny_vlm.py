"""Vision-language models of less than a megabyte with random weights, saved as the real ones are."""

from __future__ import annotations

import os
from pathlib import Path

# Nothing here may reach a hub; the model libraries read this when they are first imported.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

SPECIAL_TOKENS = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
SENTENCES = (
    "A red square moves slowly from left to right over a blue background, and the camera is static.",
    "Describe the video in detail: the subjects, what they do, the background, the light and the camera.",
    "In the evening a woman in a green coat walks along the beach while waves roll in behind her.",
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    # Qwen3-VL's own template ends here too: its processor sets a start and an end around each time step.
    "{% elif part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXT = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
MROPE_SECTION = [2, 3, 3]
"""Time, height and width: they share the 8 rotary frequencies of a head of 16."""
PATCH = {"qwen2_vl": 14, "qwen2_5_vl": 14, "qwen3_vl": 16}
KINDS = tuple(PATCH)


def tiny_qwen2_vl(folder: Path, *, kind: str = "qwen2_vl", seed: int = 0) -> Path:
    """Write a complete checkpoint into `folder`, less than a megabyte: configuration, safetensors, tokenizer, image and
    video processor, chat template. `kind` is one of `KINDS`.
    """
    import torch
    from transformers import AutoModelForImageTextToText, GenerationConfig

    tokenizer = _tokenizer()
    torch.manual_seed(seed)
    model = AutoModelForImageTextToText.from_config(_config(kind, tokenizer))
    # Random weights of the usual size give nearly equal logits; larger ones make answers depend on the picture.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8)
        # An answer of noise shall be of words; hence it also goes on to its limit.
        model.lm_head.weight[: len(SPECIAL_TOKENS)] = 0
    end, pad = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    # As the real ones come: they sample and punish repetition unless they are told not to.
    model.generation_config = GenerationConfig(
        eos_token_id=[end, pad],
        pad_token_id=pad,
        do_sample=True,
        temperature=0.5,
        top_k=5,
        repetition_penalty=1.05,
    )
    model.save_pretrained(folder)
    _processor(kind, tokenizer).save_pretrained(folder)
    return folder


def _tokenizer():
    """A byte-level BPE tokenizer of 512 tokens and Qwen's special ones."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import Qwen2TokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(SENTENCES, trainer)
    return Qwen2TokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=list(SPECIAL_TOKENS[3:]),
    )


def _config(kind, tokenizer):
    import transformers

    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in _tokens_by_setting().items()}
    text = {
        **TEXT,
        "vocab_size": len(tokenizer),
        "num_key_value_heads": 2,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": MROPE_SECTION},
    }
    if kind == "qwen2_vl":
        vision = {"depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "mlp_ratio": 2}
        return transformers.Qwen2VLConfig(text_config=text, vision_config=vision, **ids)
    vision = {"depth": 2, "hidden_size": 32, "out_hidden_size": 64, "num_heads": 2, "intermediate_size": 64}
    if kind == "qwen2_5_vl":
        vision |= {"fullatt_block_indexes": [1], "window_size": 56}
        return transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids)
    text["head_dim"] = 16
    text["rope_parameters"]["mrope_interleaved"] = True
    del text["bos_token_id"]
    del text["eos_token_id"]
    vision |= {"deepstack_visual_indexes": [0], "num_position_embeddings": 64}
    return transformers.Qwen3VLConfig(text_config=text, vision_config=vision, **ids)


def _tokens_by_setting():
    return {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }


def _processor(kind, tokenizer):
    import transformers

    patch = PATCH[kind]
    cell = (2 * patch) ** 2  # pixels behind one token
    images = {"size": {"shortest_edge": cell, "longest_edge": 16 * cell}, "patch_size": patch}
    videos = dict(images)
    if kind == "qwen3_vl":  # counts the pixels of all frames together
        videos["size"] = {"shortest_edge": 2 * cell, "longest_edge": 64 * cell}
    image_processor = transformers.Qwen2VLImageProcessor(**images)
    video_processor = {"qwen3_vl": transformers.Qwen3VLVideoProcessor}.get(kind, transformers.Qwen2VLVideoProcessor)
    processor = {
        "qwen2_vl": transformers.Qwen2VLProcessor,
        "qwen2_5_vl": transformers.Qwen2_5_VLProcessor,
        "qwen3_vl": transformers.Qwen3VLProcessor,
    }[kind]
    return processor(image_processor, tokenizer, video_processor(**videos), chat_template=CHAT_TEMPLATE)
