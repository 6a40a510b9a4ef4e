"""Texts as diffusers' pipelines encode them, by the same tiny random encoders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from preprocess.io.settings import override
from preprocess.io.weights import MissingWeightsError
from tests.tiny_vlm import tiny_qwen2_vl
from training.models.text_bilingual import BilingualTextConfig
from training.models.text_hub import QwenVlTextConfig
from training.recipes import tiny_dit

CAPTIONS = ["a red circle moving left", "a blue square", ""]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "blue", "circle", "square", "moving", "left"]


def tiny_bert(folder: Path) -> Path:
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(vocab={word: place for place, word in enumerate(WORDS)}).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    BertModel(BertConfig(vocab_size=len(WORDS), **sizes)).save_pretrained(folder)
    return folder


def tiny_mt5(folder: Path) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import MT5Config, MT5EncoderModel, PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", *WORDS[5:]]
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    torch.manual_seed(1)
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
    MT5EncoderModel(MT5Config(vocab_size=len(words), **sizes)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> BilingualTextConfig:
    folder = tmp_path_factory.mktemp("bilingual")
    return BilingualTextConfig(clip=str(tiny_bert(folder / "clip")), t5=str(tiny_mt5(folder / "t5")))


def test_qwens_vectors_are_those_of_easyanimates_pipeline(tmp_path: Path) -> None:
    from diffusers import EasyAnimatePipeline
    from transformers import AutoTokenizer, Qwen2VLForConditionalGeneration

    folder = tiny_qwen2_vl(tmp_path / "qwen")
    pipeline: Any = object.__new__(EasyAnimatePipeline)
    pipeline.text_encoder = Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    pipeline.tokenizer = AutoTokenizer.from_pretrained(folder)
    pipeline.enable_text_attention_mask = True
    with torch.no_grad():
        theirs, their_mask = pipeline.encode_prompt(
            CAPTIONS, do_classifier_free_guidance=False, max_sequence_length=256
        )[::2]
    ours, mask = QwenVlTextConfig(weights=str(folder)).encoder().encode(CAPTIONS)
    assert theirs.shape[1] == 256
    for row, count in enumerate(mask.sum(1).tolist()):
        assert count == int(their_mask[row].sum())
        # Random weights eight times as large as usual give values of some hundreds.
        near = 1e-5 * float(theirs[row, :count].abs().max())
        assert (ours[row, :count] - theirs[row, :count]).abs().max() < near


def test_clip_and_mt5_are_those_of_hunyuan_dits_pipeline(config: BilingualTextConfig) -> None:
    from diffusers import HunyuanDiTPipeline
    from transformers import AutoTokenizer, BertModel, MT5EncoderModel

    pipeline: Any = object.__new__(HunyuanDiTPipeline)
    pipeline.text_encoder, pipeline.text_encoder_2 = (
        BertModel.from_pretrained(config.clip).eval(),
        MT5EncoderModel.from_pretrained(config.t5).eval(),
    )
    pipeline.transformer = None
    pipeline.tokenizer, pipeline.tokenizer_2 = (
        AutoTokenizer.from_pretrained(each) for each in (config.clip, config.t5)
    )
    ours, mask = config.encoder().encode(CAPTIONS)
    assert ours.shape[2] == 24 + 32 + 1
    starts = [0] * len(CAPTIONS)
    for number, place in enumerate((slice(0, 24), slice(24, 56))):
        with torch.no_grad():
            theirs, _, their_mask, _ = pipeline.encode_prompt(
                CAPTIONS,
                device=torch.device("cpu"),
                dtype=torch.float32,
                do_classifier_free_guidance=False,
                text_encoder_index=number,
            )
        for row, count in enumerate(their_mask.sum(1).tolist()):
            own = ours[row, starts[row] : starts[row] + count]
            assert torch.allclose(own[:, place], theirs[row, :count], atol=1e-5)
            assert own[:, -1].tolist() == [float(number)] * count
            assert (
                own.abs().sum(0)[[column for column in range(56) if not place.start <= column < place.stop]].sum() == 0
            )
            starts[row] += count
    assert mask.sum(1).tolist() == starts
    assert int(mask.sum(1).max()) == mask.shape[1]


def test_a_caption_does_not_depend_on_the_others_and_hostile_ones_are_read(config: BilingualTextConfig) -> None:
    encoder = config.encoder()
    together, mask = encoder.encode(CAPTIONS)
    for row, caption in enumerate(CAPTIONS):
        alone, own = encoder.encode([caption])
        assert own.all()
        assert torch.allclose(together[row, mask[row]], alone[0], atol=1e-5)
    odd, odd_mask = encoder.encode(["\ud800", "a " * 5000, "[CLS]</s>\0"])
    assert odd.isfinite().all()
    assert odd_mask.shape[1] == 77 + 256
    assert not any(weight.requires_grad for weight in encoder.parameters())


def test_it_is_set_on_the_command_line_and_told_apart(config: BilingualTextConfig) -> None:
    kind = "training.models.text_bilingual:BilingualTextConfig"
    text = f'{{"type": "{kind}", "clip": "{config.clip}", "t5": "{config.t5}"}}'
    recipe = override(tiny_dit("clips", "out"), [f"objective.text={text}", "objective.model.text_dim=57"])
    assert recipe.objective.text == config
    others = {
        config.identity(),
        replace(config, max_t5_tokens=9).identity(),
        replace(config, t5=config.clip).identity(),
    }
    assert len(others) == 3
    with pytest.raises(MissingWeightsError, match=r"objective\.text\.t5"):
        replace(config, t5="/nowhere").encoder()
