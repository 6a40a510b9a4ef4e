"""Pipelines of a few thousand random weights, saved as diffusers saves real ones; and batches of the shapes corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

WORDS = ["<pad>", "</s>", "<unk>", "a", "red", "blue", "green", "yellow", "circle", "square", "triangle", "moving"]
WORDS += ["left", "right", "up", "down", "slowly", "quickly"]


def word_tokenizer(template: str = "$A </s>", special: Sequence[str] = (), **marks: str) -> PreTrainedTokenizerFast:
    """Reads words, and has the end token last; some tokens more, which are no words."""
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[("</s>", 1), ("<unk>", 2)]
    )
    tokenizer.add_special_tokens([*special])
    if special:  # so that captions begin at the 104th token of Hunyuan's template, as they do by Llama's
        tokenizer.normalizer = normalizers.Replace("5", "5 5 5 5 5")
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


def clip_tower() -> dict[str, Any]:
    """Sees 4 patches of 4 x 4 pixels."""
    import transformers

    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.CLIPVisionConfig(**sizes, image_size=8, patch_size=4)
    processor = transformers.CLIPImageProcessor(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8})
    return {"image_encoder": roused(transformers.CLIPVisionModel(config)), "image_processor": processor}


def siglip_tower() -> dict[str, Any]:
    import transformers

    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.SiglipVisionConfig(**sizes, image_size=8, patch_size=4)
    processor = transformers.SiglipImageProcessor(size={"height": 8, "width": 8})
    return {"image_encoder": roused(transformers.SiglipVisionModel(config)), "feature_extractor": processor}


def cogvideox(folder: Path, *, from_image: bool = False, scales_wrongly: bool = False) -> Path:
    from diffusers import (
        AutoencoderKLCogVideoX,
        CogVideoXDDIMScheduler,
        CogVideoXImageToVideoPipeline,
        CogVideoXPipeline,
        CogVideoXTransformer3DModel,
    )

    torch.manual_seed(0)
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=8 if from_image else 4,
        ofs_embed_dim=8 if from_image else None,
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
    vae: Any = AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
        invert_scale_latents=scales_wrongly,
    )
    vae = roused(vae)
    if from_image:  # the pipeline draws the frame's latent, from a posterior of no width here
        with torch.no_grad():
            vae.encoder.conv_out.conv.weight[4:] = 0
            vae.encoder.conv_out.conv.bias[4:] = -30
    scheduler = CogVideoXDDIMScheduler(
        prediction_type="v_prediction",
        clip_sample=False,
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
        snr_shift_scale=1.0,
    )
    (CogVideoXImageToVideoPipeline if from_image else CogVideoXPipeline)(
        tokenizer=word_tokenizer(),
        text_encoder=roused(t5_encoder()),
        vae=vae,
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


def ltx2(folder: Path) -> Path:
    import transformers
    from diffusers import (
        AutoencoderKLLTX2Video,
        FlowMatchEulerDiscreteScheduler,
        LTX2Pipeline,
        LTX2VideoTransformer3DModel,
    )
    from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors

    torch.manual_seed(0)
    transformer = LTX2VideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=2,
        attention_head_dim=12,
        cross_attention_dim=24,
        audio_in_channels=4,
        audio_out_channels=4,
        audio_num_attention_heads=2,
        audio_attention_head_dim=8,
        audio_cross_attention_dim=16,
        num_layers=2,
        caption_channels=16,
    )
    vae = AutoencoderKLLTX2Video(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 16, 32),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1),
    )
    vae.latents_mean.normal_(std=0.1)
    vae.latents_std.uniform_(0.5, 2)
    connectors = LTX2TextConnectors(
        caption_channels=16,
        text_proj_in_factor=3,
        video_connector_num_attention_heads=2,
        video_connector_attention_head_dim=8,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=8,
        audio_connector_num_attention_heads=2,
        audio_connector_attention_head_dim=8,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=8,
        connector_rope_base_seq_len=32,
    )
    text = {"vocab_size": len(WORDS), "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2}
    text |= {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"image_size": 8, "patch_size": 4}
    gemma = transformers.Gemma3ForConditionalGeneration(
        transformers.Gemma3Config(
            text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_index=2, boi_token_index=3
        )
    )
    LTX2Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05),
        vae=roused(vae),
        audio_vae=None,
        text_encoder=roused(gemma),
        tokenizer=word_tokenizer(),
        connectors=roused(connectors),
        transformer=roused(transformer),
        vocoder=None,
    ).save_pretrained(folder)
    return folder


def wan(
    folder: Path, *, channels: int = 16, experts: int = 1, from_image: bool = False, clip: bool = False, **settings: Any
) -> Path:
    from diffusers import (
        AutoencoderKLWan,
        FlowMatchEulerDiscreteScheduler,
        WanImageToVideoPipeline,
        WanPipeline,
        WanTransformer3DModel,
    )

    torch.manual_seed(0)
    transformers = [
        WanTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=2 * channels + 4 if from_image else channels,
            out_channels=channels,
            text_dim=16,
            freq_dim=16,
            ffn_dim=32,
            num_layers=2,
            rope_max_seq_len=32,
            image_dim=8 if clip else None,
            added_kv_proj_dim=24 if clip else None,
        )
        for _ in range(experts)
    ]
    statistics = {"latents_mean": [0.1] * channels, "latents_std": [2.0] * channels} if channels != 16 else {}
    vae = AutoencoderKLWan(base_dim=4, z_dim=channels, dim_mult=[1, 1, 1, 1], num_res_blocks=1, **statistics)
    (WanImageToVideoPipeline if from_image else WanPipeline)(
        tokenizer=word_tokenizer(),
        text_encoder=roused(t5_encoder("UMT5")),
        vae=roused(vae),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        transformer=roused(transformers[0]),
        transformer_2=roused(transformers[1]) if experts > 1 else None,
        **(clip_tower() if clip else {}),
        **settings,
    ).save_pretrained(folder)
    return folder


def llava() -> dict[str, Any]:
    """Sees 24 x 24 patches, which is what the pipeline reckons with, of 2 x 2 pixels, before the text."""
    import transformers

    marks = ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<image>"]
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    words = {"vocab_size": len(WORDS) + len(marks), "hidden_size": 16, "intermediate_size": 16}
    words |= {"num_attention_heads": 2, "num_hidden_layers": 3, "max_position_embeddings": 2048}
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**sizes, image_size=48, patch_size=2),
        text_config=transformers.LlamaConfig(**words),
        image_token_index=len(WORDS) + marks.index("<image>"),
        pad_token_id=0,
        image_seq_length=576,
    )
    size = {"size": {"shortest_edge": 48}, "crop_size": {"height": 48, "width": 48}}
    return {
        "tokenizer": word_tokenizer("<unk> <unk> $A", marks),  # the picture's place is the sixth
        "text_encoder": roused(transformers.LlavaForConditionalGeneration(config)),
        "image_processor": transformers.CLIPImageProcessor(**size),
    }


def hunyuan_video(folder: Path, *, image: str | None = None) -> Path:
    import transformers
    from diffusers import (
        AutoencoderKLHunyuanVideo,
        FlowMatchEulerDiscreteScheduler,
        HunyuanVideoImageToVideoPipeline,
        HunyuanVideoPipeline,
        HunyuanVideoTransformer3DModel,
    )

    torch.manual_seed(0)
    transformer = HunyuanVideoTransformer3DModel(
        in_channels=9 if image == "latent_concat" else 4,
        image_condition_type=image,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=10,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        text_embed_dim=16,
        pooled_projection_dim=8,
        rope_axes_dim=(2, 4, 4),
    )
    vae = AutoencoderKLHunyuanVideo(
        latent_channels=4, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4
    )
    words = {"vocab_size": len(WORDS), "hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    llama = transformers.LlamaModel(transformers.LlamaConfig(**words, num_hidden_layers=3))
    clip = transformers.CLIPTextModel(
        transformers.CLIPTextConfig(**words | {"hidden_size": 8}, num_hidden_layers=1, eos_token_id=1)
    )
    reads = llava() if image else {"tokenizer": word_tokenizer(), "text_encoder": roused(llama)}
    (HunyuanVideoImageToVideoPipeline if image else HunyuanVideoPipeline)(
        **reads,
        tokenizer_2=word_tokenizer(),
        text_encoder_2=roused(clip),
        vae=roused(vae),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        transformer=roused(transformer),
    ).save_pretrained(folder)
    return folder


CHAT = (
    "{% for turn in messages %}{% if turn.content is string %}{{ turn.content }}{% else %}"
    "{% for part in turn.content %}{{ part.text }}{% endfor %}{% endif %} {% endfor %}"
)


def hunyuan_video15(folder: Path, *, from_image: bool = False) -> Path:
    import transformers
    from diffusers import (
        AutoencoderKLHunyuanVideo15,
        ClassifierFreeGuidance,
        FlowMatchEulerDiscreteScheduler,
        HunyuanVideo15ImageToVideoPipeline,
        HunyuanVideo15Pipeline,
        HunyuanVideo15Transformer3DModel,
    )

    torch.manual_seed(0)
    transformer = HunyuanVideo15Transformer3DModel(
        in_channels=9,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=10,
        num_layers=2,
        num_refiner_layers=1,
        text_embed_dim=16,
        text_embed_2_dim=24,
        image_embed_dim=8,
        rope_axes_dim=(2, 4, 4),
        task_type="i2v" if from_image else "t2v",
        target_size=32,
    )
    vae = AutoencoderKLHunyuanVideo15(latent_channels=4, block_out_channels=(8, 8, 8, 8, 8), layers_per_block=1)
    text = {"vocab_size": len(WORDS), "hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    text |= {"num_key_value_heads": 2, "num_hidden_layers": 3, "max_position_embeddings": 2048}
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 1, 2]}
    qwen = transformers.Qwen2_5_VLTextModel(transformers.Qwen2_5_VLTextConfig(**text, rope_parameters=rope))
    # The system's message has less words here than tokens are cut off as its own.
    tokenizer = word_tokenizer(chat_template="a " * 60 + CHAT)
    (HunyuanVideo15ImageToVideoPipeline if from_image else HunyuanVideo15Pipeline)(
        tokenizer=tokenizer,
        text_encoder=roused(qwen),
        tokenizer_2=word_tokenizer(),
        text_encoder_2=roused(t5_encoder(width=24)),
        vae=roused(vae),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=5.0),
        transformer=roused(transformer),
        guider=ClassifierFreeGuidance(guidance_scale=1.0),
        **(siglip_tower() if from_image else {}),
    ).save_pretrained(folder)
    return folder


def easyanimate(folder: Path, *, from_image: bool = False) -> Path:
    import transformers
    from diffusers import (
        AutoencoderKLMagvit,
        EasyAnimateInpaintPipeline,
        EasyAnimatePipeline,
        EasyAnimateTransformer3DModel,
        FlowMatchEulerDiscreteScheduler,
    )

    torch.manual_seed(0)
    transformer = EasyAnimateTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=9 if from_image else 4,
        out_channels=4,
        patch_size=2,
        num_layers=2,
        mmdit_layers=2,
        time_embed_dim=8,
        add_norm_text_encoder=True,
        text_embed_dim=16,
        add_noise_in_inpaint_model=from_image,
    )
    vae = AutoencoderKLMagvit(latent_channels=4, block_out_channels=[8, 8, 8, 8], layers_per_block=1, norm_num_groups=4)
    vae.register_to_config(cache_mag_vae=True)  # not the class's own, and the pipeline asks for it
    text: dict[str, Any] = {"vocab_size": len(WORDS), "hidden_size": 16, "intermediate_size": 16}
    text |= {"num_attention_heads": 2, "num_key_value_heads": 2, "num_hidden_layers": 2}
    text["rope_parameters"] = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 1, 2]}
    vision = {"depth": 1, "embed_dim": 16, "hidden_size": 16, "num_heads": 2, "mlp_ratio": 2}
    qwen = transformers.Qwen2VLForConditionalGeneration(
        transformers.Qwen2VLConfig(text_config=text, vision_config=vision, image_token_id=2, video_token_id=2)
    )
    (EasyAnimateInpaintPipeline if from_image else EasyAnimatePipeline)(
        tokenizer=word_tokenizer(chat_template=CHAT),
        text_encoder=roused(qwen),
        vae=roused(vae),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.0),
        transformer=roused(transformer),
    ).save_pretrained(folder)
    return folder
