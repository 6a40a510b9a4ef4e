"""Text encoders of the transformers library: Qwen2-VL as EasyAnimate v5.1 uses it, and the T5 family. Never trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from preprocess.io.weights import find_folder
from training.models.text import Text, TextEncoder
from training.models.weights import files_id, settings_id

FILES = ("*.safetensors", "*.json", "*.jinja", "merges.txt", "*.model")
"""Weights, configurations, templates and the files of all tokenizers; no pickled weights, no Python."""
MODEL_PART, TOKENIZER_PART = "text_encoder", "tokenizer"
"""Folders within that of a pipeline, as diffusers and EasyAnimate have them."""
SETTING = "objective.text.weights"
_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class QwenVlTextConfig:
    """A vision-language model, of which only the language half is kept."""

    weights: str = "Qwen/Qwen2-VL-7B-Instruct"
    """Folder or hub id, or the folder of a pipeline with a `text_encoder` and a `tokenizer`."""
    max_tokens: int = 256
    """The template's tokens are among them; longer captions are cut off there."""
    pads: bool = field(default=False, repr=False)
    """Fill every caption up to that with padding, and count it as text, as EasyAnimate's released weights know it."""

    @property
    def learns(self) -> bool:
        """Never."""
        return False

    def identity(self, *, seed: int = 0) -> str:
        """Of the files and the settings."""
        # of encoders that do not pad the same as before there was a choice
        return settings_id(replace(self, weights=""), _files_id(self.weights) + " padded" * self.pads)

    def encoder(self, *, seed: int = 0) -> QwenVlTextEncoder:
        """With its own weights, whatever the seed."""
        return QwenVlTextEncoder(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class T5TextConfig:
    """The encoder of T5, mT5 or UMT5."""

    weights: str = "google/t5-v1_1-xxl"
    """Folder or hub id."""
    max_tokens: int = 256

    @property
    def learns(self) -> bool:
        """Never."""
        return False

    def identity(self, *, seed: int = 0) -> str:
        """Of the files and the settings."""
        return settings_id(replace(self, weights=""), _files_id(self.weights))

    def encoder(self, *, seed: int = 0) -> T5TextEncoder:
        """With its own weights, whatever the seed."""
        return T5TextEncoder(self)


class QwenVlTextEncoder(TextEncoder):
    """The last layer's input: the last layer itself speaks of the next word rather than of what was read."""

    def __init__(self, config: QwenVlTextConfig) -> None:
        from transformers import AutoModelForImageTextToText

        super().__init__()
        folder, words = _folders(config.weights)
        self.max_tokens, self.pads = config.max_tokens, config.pads
        self.tokenizer = _tokenizer(words)
        whole = AutoModelForImageTextToText.from_pretrained(folder, dtype=_dtype(), use_safetensors=True, **_LOCAL)
        self.model = whole.model.language_model.eval().requires_grad_(False)
        self.dim = int(self.model.config.hidden_size)

    def encode(self, captions: Sequence[str]) -> Text:
        """Vectors (B, L, dim) and their mask (B, L); see `training.models.text.TextEncoder`."""
        asked = [self._asked(caption) for caption in captions]
        ids_BL, mask_BL = _padded(self.tokenizer, asked, self.max_tokens, whole=self.pads)
        ids_BL, mask_BL = ids_BL.to(self.model.device), mask_BL.to(self.model.device)
        with torch.no_grad():
            # Padding is on the right and attention looks to the left only, so it reaches no word.
            states = self.model(ids_BL, attention_mask=mask_BL, use_cache=False, output_hidden_states=True)
        return states.hidden_states[-2], mask_BL.bool() | self.pads

    def _asked(self, caption: str) -> str:
        # A caption may not bring marks of its own, such as those of an image.
        content = [{"type": "text", "text": caption.replace("<|", "< |")}]
        messages = [{"role": "user", "content": content}]
        return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


class T5TextEncoder(TextEncoder):
    """The encoder's last states."""

    def __init__(self, config: T5TextConfig) -> None:
        from transformers import AutoModelForTextEncoding

        super().__init__()
        folder, words = _folders(config.weights)
        self.max_tokens = config.max_tokens
        self.tokenizer = _tokenizer(words)
        model = AutoModelForTextEncoding.from_pretrained(folder, dtype=_dtype(), use_safetensors=True, **_LOCAL)
        self.model = model.eval().requires_grad_(False)
        self.dim = int(self.model.config.d_model)

    def encode(self, captions: Sequence[str]) -> Text:
        """Vectors (B, L, dim) and their mask (B, L); see `training.models.text.TextEncoder`."""
        ids_BL, mask_BL = _padded(self.tokenizer, list(captions), self.max_tokens)
        ids_BL, mask_BL = ids_BL.to(self.model.device), mask_BL.to(self.model.device)
        with torch.no_grad():
            states = self.model(ids_BL, attention_mask=mask_BL)
        return states.last_hidden_state, mask_BL.bool()


def _files_id(weights: str) -> str:
    folders = set(_folders(weights))
    return files_id(sorted({path for folder in folders for pattern in FILES for path in folder.glob(pattern)}))


def _folders(weights: str) -> tuple[Path, Path]:
    """Of the model and of the tokenizer, which a pipeline's folder has apart."""
    if (Path(weights) / MODEL_PART).is_dir():
        return Path(weights) / MODEL_PART, Path(weights) / TOKENIZER_PART
    folder = find_folder(weights, setting=SETTING, files=FILES)
    return folder, folder


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, **_LOCAL)
    tokenizer.padding_side = "right"
    return tokenizer


def _padded(
    tokenizer: Any, texts: list[str], max_tokens: int, *, whole: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask, each (B, L) int64, as long as the longest of them, or `whole`, as long as one may be."""
    padding = "max_length" if whole else "longest"
    readable = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    batch = tokenizer(readable, padding=padding, truncation=True, max_length=max_tokens, return_tensors="pt")
    return batch["input_ids"], batch["attention_mask"]


def _dtype() -> torch.dtype:
    return torch.bfloat16 if torch.cuda.is_available() else torch.float32
