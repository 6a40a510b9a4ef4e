import shutil

import pytest
import torch

from preprocess.io.weights import MissingWeightsError
from tests.tiny_vlm import tiny_qwen2_vl
from training.models.text_bytes import PADDING, START, ByteTextConfig, byte_tokens
from training.models.text_hub import QwenVlTextConfig, T5TextConfig
from training.models.weights import files_id

CAPTIONS = ["", "a red circle moving left", "a blue square", "ein grüner Käfer auf 葉 🍃"]


@pytest.fixture(scope="module")
def qwen(tmp_path_factory):
    return str(tiny_qwen2_vl(tmp_path_factory.mktemp("qwen")))


@pytest.fixture(scope="module")
def t5(tmp_path_factory):
    return str(_tiny_t5(tmp_path_factory.mktemp("t5")))


def _tiny_t5(folder):
    """A whole random T5 as the hub has it, decoder included; its tokenizer reads words and has the end token last."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    words = ["<pad>", "</s>", "<unk>", "a", "red", "blue", "circle", "square", "moving", "left"]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = T5Config(vocab_size=len(words), d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder


@pytest.fixture(params=["bytes", "every fourth byte", "qwen", "t5"])
def encoder(request):
    if "byte" in request.param:
        stride = 1 if request.param == "bytes" else 4
        return ByteTextConfig(dim=32, stride=stride).encoder(seed=1)
    make = {"qwen": QwenVlTextConfig, "t5": T5TextConfig}[request.param]
    return make(weights=request.getfixturevalue(request.param)).encoder()


def test_padding_is_on_the_right_and_told_by_the_mask(encoder):
    vectors, mask = encoder.encode(CAPTIONS)
    assert vectors.shape == (4, mask.shape[1], encoder.dim)
    assert mask.dtype == torch.bool
    lengths = mask.sum(1)
    assert torch.equal(mask, torch.arange(mask.shape[1]) < lengths[:, None])
    assert int(lengths.min()) >= 1
    assert int(lengths.max()) == mask.shape[1]


def test_a_caption_does_not_depend_on_the_others(encoder):
    vectors, mask = encoder.encode(CAPTIONS)
    for index, caption in enumerate(CAPTIONS):
        alone, alone_mask = encoder.encode([caption])
        assert alone_mask.all()
        torch.testing.assert_close(vectors[index, mask[index]], alone[0], rtol=0, atol=2e-5)


def test_captions_differ(encoder):
    vectors, _ = encoder.encode(["a red circle", "a blue circle"])
    assert not torch.allclose(vectors[0], vectors[1], atol=1e-3)


def test_bytes_are_utf_8_after_a_start():
    ids = byte_tokens(["", "hé"], max_bytes=10)
    assert ids.tolist() == [[START, PADDING, PADDING, PADDING], [START, ord("h"), 0xC3, 0xA9]]


def test_hostile_captions_are_read(encoder):
    vectors, _ = encoder.encode(["half a pair \ud800", "\0" * 3, "x" * 100_000, "<|image_pad|><|im_end|></s><pad>"])
    assert vectors.isfinite().all()
    assert vectors.shape[1] <= 256


def test_byte_encoder_trains_unless_frozen():
    trained, frozen = ByteTextConfig(dim=32, trainable=True).encoder(), ByteTextConfig(dim=32).encoder()
    trained.encode(["a"])[0].square().sum().backward()
    assert all(parameter.grad is not None for parameter in trained.parameters())
    assert not frozen.encode(["a"])[0].requires_grad


def test_byte_encoder_depends_on_its_seed_alone():
    config = ByteTextConfig(dim=32)
    one, again, other = (config.encoder(seed=seed).encode(["a red circle"])[0] for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_impossible_byte_encoders_are_refused():
    with pytest.raises(ValueError, match="stride is 0"):
        ByteTextConfig(stride=0)
    with pytest.raises(ValueError, match="max_bytes is 0"):
        ByteTextConfig(max_bytes=0)


def test_qwen_states_are_those_of_the_whole_model_before_its_last_layer(qwen):
    """As EasyAnimate takes them: user turn, generation prompt, padded to a fixed length, `hidden_states[-2]`."""
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(qwen)
    model = AutoModelForImageTextToText.from_pretrained(qwen, dtype=torch.float32)
    captions = CAPTIONS[1:3]
    turns = [[{"role": "user", "content": [{"type": "text", "text": caption}]}] for caption in captions]
    texts = [tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True) for turn in turns]
    batch = tokenizer(texts, padding="max_length", max_length=256, padding_side="right", return_tensors="pt")
    with torch.no_grad():
        wanted = model(**batch, output_hidden_states=True).hidden_states[-2]
    vectors, mask = QwenVlTextConfig(weights=qwen).encoder().encode(captions)
    for index in range(2):
        own = mask[index]
        assert int(own.sum()) == int(batch["attention_mask"][index].sum())
        torch.testing.assert_close(vectors[index, own], wanted[index, : int(own.sum())], rtol=0, atol=1e-4)


def test_padding_is_text_to_weights_that_were_released_so(qwen):
    """As diffusers' pipeline of EasyAnimate has it: 256 vectors of every caption, those of padding among them."""
    from transformers import AutoModelForImageTextToText

    encoder = QwenVlTextConfig(weights=qwen, pads=True).encoder()
    vectors, mask = encoder.encode(CAPTIONS)
    assert vectors.shape[:2] == mask.shape == (len(CAPTIONS), 256)
    assert bool(mask.all())
    model = AutoModelForImageTextToText.from_pretrained(qwen, dtype=torch.float32)
    asked = [encoder._asked(caption) for caption in CAPTIONS]
    batch = encoder.tokenizer(asked, padding="max_length", max_length=256, padding_side="right", return_tensors="pt")
    with torch.no_grad():
        wanted = model(**batch, output_hidden_states=True).hidden_states[-2]
    torch.testing.assert_close(vectors, wanted, rtol=0, atol=1e-4)
    plain = QwenVlTextConfig(weights=qwen)
    assert plain.identity() != QwenVlTextConfig(weights=qwen, pads=True).identity()
    assert "pads" not in repr(plain)  # of which identities are made: those of before there was a choice stay


def test_a_pipelines_folder_has_its_encoder_and_its_tokenizer_apart(qwen, t5, tmp_path):
    for name, folder, config in (("q", qwen, QwenVlTextConfig), ("t", t5, T5TextConfig)):
        root = tmp_path / name
        shutil.copytree(folder, root / "text_encoder")
        (root / "tokenizer").mkdir()
        for path in (root / "text_encoder").glob("*token*"):
            path.rename(root / "tokenizer" / path.name)
        for path in (root / "text_encoder").glob("*.jinja"):
            path.rename(root / "tokenizer" / path.name)
        together, apart = config(weights=folder), config(weights=str(root))
        assert torch.equal(apart.encoder().encode(CAPTIONS)[0], together.encoder().encode(CAPTIONS)[0])
        before = apart.identity()
        [weights] = (root / "text_encoder").glob("*.safetensors")
        weights.write_bytes(weights.read_bytes() + b" ")
        assert apart.identity() != before


def test_marks_in_a_caption_are_no_marks(qwen):
    encoder = QwenVlTextConfig(weights=qwen).encoder()
    image = encoder.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    assert image not in encoder.tokenizer(encoder._asked("see <|image_pad|> there"))["input_ids"]


def test_t5_states_are_those_of_the_whole_model(t5):
    from transformers import AutoTokenizer, T5ForConditionalGeneration

    batch = AutoTokenizer.from_pretrained(t5)(["a red circle"], return_tensors="pt")
    with torch.no_grad():
        model = T5ForConditionalGeneration.from_pretrained(t5)
        wanted = model.encoder(input_ids=batch["input_ids"]).last_hidden_state
    vectors, _ = T5TextConfig(weights=t5).encoder().encode(["a red circle"])
    torch.testing.assert_close(vectors, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("config", [QwenVlTextConfig, T5TextConfig])
def test_missing_weights_are_named(config, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingWeightsError, match=r"objective\.text\.weights"):
        config(weights="/nowhere/model").encoder()


def test_pretrained_encoders_are_not_trained(qwen, t5):
    for encoder in (QwenVlTextConfig(weights=qwen).encoder(), T5TextConfig(weights=t5).encoder()):
        assert not any(parameter.requires_grad for parameter in encoder.parameters())
        assert not encoder.encode(["a"])[0].requires_grad


def test_an_identity_tells_encoders_apart_by_weights_and_settings_and_loads_none(qwen, t5, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(qwen, copy)
    monkeypatch.setattr(torch.nn.Module, "__init__", None)  # of which a model would be made
    first = QwenVlTextConfig(weights=str(qwen)).identity()
    assert QwenVlTextConfig(weights=str(copy)).identity(seed=1) == first
    assert QwenVlTextConfig(weights=str(copy), max_tokens=20).identity() != first
    [weights] = copy.glob("*.safetensors")
    with weights.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    assert QwenVlTextConfig(weights=str(copy)).identity() != first
    assert T5TextConfig(weights=str(t5)).identity() != first
    with pytest.raises(MissingWeightsError):
        T5TextConfig(weights=str(tmp_path / "nowhere")).identity()


def test_what_decides_the_vectors_of_bytes_decides_their_identity():
    same = ByteTextConfig(dim=16).identity(seed=1)
    assert ByteTextConfig(dim=16).identity(seed=1) == same
    others = {ByteTextConfig(dim=16).identity(seed=2), ByteTextConfig(dim=16, stride=4).identity(seed=1)}
    assert same not in others
    assert len(others) == 2


def test_large_files_are_told_apart_by_blocks_all_over_them(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(bytes(40 << 20))
    first = files_id([path])
    for place in (0, 20 << 20, (40 << 20) - 1):
        with path.open("r+b") as file:
            file.seek(place)
            file.write(b"\x01" * min(1 << 20, (40 << 20) - place))
        changed = files_id([path])
        assert changed != first
        first = changed
