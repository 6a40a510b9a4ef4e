"""Rewards by models: tiny random weights in the real files, against the libraries' own ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.tiny_models import tiny_clip, tiny_open_clip
from training.objectives.judges import Judges, reward
from training.rewards.base import Reward

CAPTIONS = ["a red car at night", "a dog runs in the rain"]


def films(frames: int = 5, height: int = 32, width: int = 32) -> torch.Tensor:
    return torch.rand(2, 3, frames, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


def judged(made: Reward, video: torch.Tensor) -> torch.Tensor:
    """And see that gradients reach the frames that are looked at, and no weight."""
    video = video.clone().requires_grad_()
    figures = made(video, CAPTIONS)
    figures.sum().backward()
    assert video.grad is not None
    seen = video.grad.abs().amax((0, 1, 3, 4)) > 0
    assert bool(seen[0])
    assert made.module is not None
    assert not any(weight.requires_grad for weight in made.module.parameters())
    return figures.detach()


def test_hps_is_the_cosine_of_open_clip(tmp_path: Path) -> None:
    import open_clip
    from safetensors.torch import load_file

    folder = tiny_open_clip(tmp_path / "tower")
    held = load_file(folder / "open_clip_model.safetensors")
    torch.save({"epoch": 1, "state_dict": held}, folder / "HPS_v2.1_compressed.pt")
    made = reward("hpsv2", Judges(hpsv2=str(folder / "HPS_v2.1_compressed.pt")))
    video = films()
    config = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    model = open_clip.CLIP(**config).eval()
    model.load_state_dict(held)
    mean, deviation = (torch.tensor(each).view(1, 3, 1, 1) for each in (open_clip.OPENAI_DATASET_MEAN, STD))
    pictures = ((video[:, :, 0] + 1) / 2 - mean) / deviation
    with torch.no_grad():
        images = model.encode_image(pictures, normalize=True)
        texts = model.encode_text(open_clip.SimpleTokenizer(context_length=16)(CAPTIONS), normalize=True)
    assert torch.allclose(judged(made, video), (images * texts).sum(1), atol=1e-5)
    several = reward("hpsv2", Judges(hpsv2=str(folder / "HPS_v2.1_compressed.pt"), frames=3))
    each = [made(video[:, :, frame : frame + 1], CAPTIONS) for frame in (0, 2, 4)]
    assert torch.allclose(several(video, CAPTIONS), torch.stack(each).mean(0), atol=1e-5)


STD = (0.26862954, 0.26130258, 0.27577711)


def test_pickscore_is_the_cosine_of_transformers(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, CLIPModel

    folder = tiny_clip(tmp_path / "clip")
    made = reward("pickscore", Judges(pickscore=str(folder)))
    video = films(height=32, width=48)
    model = CLIPModel.from_pretrained(folder).eval()
    tokens = AutoTokenizer.from_pretrained(folder)(CAPTIONS, padding=True, return_tensors="pt")
    mean = torch.tensor((0.48145466, 0.4578275, 0.40821073)).view(1, 3, 1, 1)
    pictures = ((video[:, :, 0, :, 8:40] + 1) / 2 - mean) / torch.tensor(STD).view(1, 3, 1, 1)  # the middle
    with torch.no_grad():
        out = model(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask, pixel_values=pictures)
    assert torch.allclose(judged(made, video), (out.image_embeds * out.text_embeds).sum(1), atol=1e-5)


def test_the_aesthetic_head_reads_the_unit_vector(tmp_path: Path) -> None:
    from transformers import CLIPModel

    folder = tiny_clip(tmp_path / "clip")
    torch.manual_seed(0)
    layers = {0: torch.nn.Linear(16, 8), 2: torch.nn.Linear(8, 1)}
    head = {
        f"layers.{n}.{kind}": getattr(layer, kind).data for n, layer in layers.items() for kind in ("weight", "bias")
    }
    torch.save(head, tmp_path / "head.pth")
    made = reward("aesthetic", Judges(aesthetic=str(folder), aesthetic_head=str(tmp_path / "head.pth")))
    video = films()
    model = CLIPModel.from_pretrained(folder).eval()
    clip: Any = made.module[0]  # type: ignore[index]
    pictures, _ = clip.prepared(video, 1)
    with torch.no_grad():
        unit = functional.normalize(model.visual_projection(model.vision_model(pictures).pooler_output), dim=-1)
        wanted = layers[2](layers[0](unit))[:, 0] / 10
    assert torch.allclose(judged(made, video), wanted, atol=1e-5)


def mps_files(folder: Path) -> tuple[Path, Path, dict[str, torch.Tensor]]:
    """CLIP of two heads' width and two layers on it, by the file's names."""
    from transformers import CLIPConfig, CLIPModel

    tiny_clip(folder)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"bos_token_id": 1, "eos_token_id": 3, "pad_token_id": 3}
    config = CLIPConfig(
        text_config=size | ids | {"vocab_size": 64, "max_position_embeddings": 16},
        vision_config=size | {"image_size": 32, "patch_size": 8},
        projection_dim=128,
    )
    torch.manual_seed(1)
    model = CLIPModel(config)
    config.save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    held = {f"model.{name}": value for name, value in model.state_dict().items()}
    shapes = {
        "0.fn.norm": (128,),
        "0.fn.to_q": (128, 128),
        "0.fn.to_kv": (128, 128),
        "0.fn.to_out": (128, 128),
        "0.fn.ff.0": (1024, 128),
        "0.fn.ff.2": (128, 512),
        "1.fn.norm": (128,),
        "1.fn.fused_attn_ff_proj": (128 + 64 + 64 + 1024, 128),
        "1.fn.attn_out": (128, 128),
        "1.fn.ff_out.1": (128, 512),
    }
    for layer in range(2):
        for name, shape in shapes.items():
            held[f"cross_model.layers.{layer}.{name}.weight"] = torch.randn(shape) * (0.1 if len(shape) > 1 else 1)
        held[f"cross_model.layers.{layer}.0.fn.norm.bias"] = torch.zeros(128)
        held[f"cross_model.layers.{layer}.1.fn.norm.bias"] = torch.zeros(128)
        held[f"cross_model.layers.{layer}.1.fn.rotary_emb.inv_freq"] = torch.ones(32)
    torch.save(held, folder / "MPS_overall.pth")
    return folder / "MPS_overall.pth", folder, held


def test_mps_looks_at_the_words_that_speak_of_quality(tmp_path: Path) -> None:
    """Against its published arithmetic, one head and one token after another."""
    path, folder, held = mps_files(tmp_path / "mps")
    made = reward("mps", Judges(mps=str(path), mps_config=str(folder)))
    video = films()
    model: Any = made.module
    pictures, _ = model.clip.prepared(video, 1)
    with torch.no_grad():
        words, sentence, mask = model.prompts(CAPTIONS)
        x = model.clip.model.visual_projection(model.clip.model.vision_model(pictures).last_hidden_state)
        for layer in range(2):
            w = {
                name.removeprefix(start).removesuffix(".weight"): value
                for name, value in held.items()
                if name.startswith(start := f"cross_model.layers.{layer}.")
            }
            x = x + cross(x, words, mask, w)
            x = x + alone(x, w)
    wanted = functional.cosine_similarity(x[:, 0], sentence, dim=-1)
    assert torch.allclose(judged(made, video), wanted, atol=1e-4)
    assert mask.any()


def glu(x: torch.Tensor) -> torch.Tensor:
    return functional.silu(x[..., x.shape[-1] // 2 :]) * x[..., : x.shape[-1] // 2]


def cross(x: torch.Tensor, words: torch.Tensor, mask: torch.Tensor, w: dict[str, torch.Tensor]) -> torch.Tensor:
    n = functional.layer_norm(x, (128,), w["0.fn.norm"])
    q, kv = n @ w["0.fn.to_q"].T, words @ w["0.fn.to_kv"].T
    heads = []
    for head in range(2):
        scores = q[..., 64 * head : 64 * head + 64] @ kv[..., :64].transpose(1, 2) / 8
        heads.append(scores.masked_fill(~mask[:, None], -torch.inf).softmax(-1) @ kv[..., 64:])
    return torch.cat(heads, -1) @ w["0.fn.to_out"].T + glu(n @ w["0.fn.ff.0"].T) @ w["0.fn.ff.2"].T


def alone(x: torch.Tensor, w: dict[str, torch.Tensor]) -> torch.Tensor:
    n = functional.layer_norm(x, (128,), w["1.fn.norm"]) @ w["1.fn.fused_attn_ff_proj"].T
    q, k, v, ff = n.split([128, 64, 64, 1024], -1)
    k = turned(k)
    heads = [(turned(q[..., 64 * h : 64 * h + 64]) @ k.transpose(1, 2) / 8).softmax(-1) @ v for h in range(2)]
    return torch.cat(heads, -1) @ w["1.fn.attn_out"].T + glu(ff) @ w["1.fn.ff_out.1"].T


def turned(x: torch.Tensor) -> torch.Tensor:
    """Each pair (j, j + 32) by position x 10000^(-j / 32), as complex numbers."""
    pairs = torch.complex(x[..., :32], x[..., 32:])
    angles = torch.arange(x.shape[1])[:, None] * 10_000.0 ** -(torch.arange(32) / 32)
    pairs = pairs * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([pairs.real, pairs.imag], -1)


def test_weights_are_named_and_never_looked_for_unasked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--set objective\.judges\.pickscore=PATH_OR_HUB_ID"):
        reward("pickscore")
    with pytest.raises(ValueError, match=r"objective\.judges\.mps_config"):
        reward("mps", Judges(mps="somewhere"))
    with pytest.raises(ValueError, match="did you mean smooth_motion"):
        reward("smooth_moton")
    torch.save(["no", "tensors"], tmp_path / "HPS.pt")
    with pytest.raises(ValueError, match="expected tensors by name"):
        reward("hpsv2", Judges(hpsv2=str(tmp_path / "HPS.pt")))
