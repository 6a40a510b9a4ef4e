"""Two text encoders at once: EasyAnimate v5's, a bilingual CLIP (a BERT) and mT5, which HunyuanDiT has, too.

A caption becomes CLIP's vectors and then mT5's. They have different widths, and places of their own in a vector: what
reads it by one layer has one for each. A last value says which it is, so that each has its own bias as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.nn import functional

from preprocess.io.bounds import at_least, check
from preprocess.io.weights import find_folder
from training.models.text import Text, TextEncoder
from training.models.weights import files_id, settings_id

FILES = ("*.safetensors", "*.json", "*.txt", "*.model")
_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class BilingualTextConfig:
    """Folders, or hub ids, of weights in safetensors, each with its tokenizer in it."""

    clip: str
    """A BERT, such as folder `text_encoder` of EasyAnimate v5 with `tokenizer` put in it."""
    t5: str
    """T5, mT5 or UMT5: `text_encoder_2` and `tokenizer_2`."""
    max_clip_tokens: int = field(default=77, metadata=at_least(2))
    """Longer captions are cut off there."""
    max_t5_tokens: int = field(default=256, metadata=at_least(1))
    """The same of T5."""

    def __post_init__(self) -> None:
        check(self, "text")

    @property
    def learns(self) -> bool:
        """Never."""
        return False

    def identity(self, *, seed: int = 0) -> str:
        """Of the files and the settings."""
        weights = " ".join(files_id(_files(*each)) for each in (("clip", self.clip), ("t5", self.t5)))
        return settings_id(replace(self, clip="", t5=""), weights)

    def encoder(self, *, seed: int = 0) -> BilingualTextEncoder:
        """With its own weights, whatever the seed."""
        return BilingualTextEncoder(self)


class BilingualTextEncoder(TextEncoder):
    """The last states of both."""

    def __init__(self, config: BilingualTextConfig) -> None:
        from transformers import AutoModelForTextEncoding, AutoTokenizer, BertModel

        super().__init__()
        self.longest = (config.max_clip_tokens, config.max_t5_tokens)
        folders = [_folder("clip", config.clip), _folder("t5", config.t5)]
        self.tokenizers: list[Any] = [AutoTokenizer.from_pretrained(folder, **_LOCAL) for folder in folders]
        dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
        how = {"dtype": dtype, "use_safetensors": True, **_LOCAL}
        self.clip: Any = BertModel.from_pretrained(folders[0], add_pooling_layer=False, **how)
        self.t5: Any = AutoModelForTextEncoding.from_pretrained(folders[1], **how)
        self.eval().requires_grad_(False)
        self.widths = int(self.clip.config.hidden_size), int(self.t5.config.d_model)
        self.dim = sum(self.widths) + 1

    def encode(self, captions: Sequence[str]) -> Text:
        """Vectors (B, L, dim), of both without the padding between them, and their mask (B, L)."""
        readable = [caption.encode("utf-8", "replace").decode("utf-8") for caption in captions]
        (clip, clip_mask), (t5, t5_mask) = (self._states(number, readable) for number in (0, 1))
        clip = functional.pad(clip, (0, self.widths[1] + 1))
        t5 = functional.pad(functional.pad(t5, (self.widths[0], 0)), (0, 1), value=1.0)
        whole, mask = torch.cat([clip, t5], dim=1), torch.cat([clip_mask, t5_mask], dim=1)
        # Text first, in its order, and all padding behind it.
        order = (~mask).int().argsort(dim=1, stable=True)
        whole, mask = whole.take_along_dim(order[..., None], dim=1), mask.take_along_dim(order, dim=1)
        length = int(mask.sum(1).max())
        return whole[:, :length], mask[:, :length]

    def _states(self, number: int, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        model = (self.clip, self.t5)[number]
        tokens: Any = self.tokenizers[number](
            texts,
            padding="longest",
            padding_side="right",
            truncation=True,
            max_length=self.longest[number],
            return_tensors="pt",
        )
        ids, mask = (tokens[name].to(model.device) for name in ("input_ids", "attention_mask"))
        with torch.no_grad():
            return model(ids, attention_mask=mask).last_hidden_state, mask.bool()


def _folder(name: str, weights: str) -> Any:
    return find_folder(weights, setting=f"objective.text.{name}", files=FILES)


def _files(name: str, weights: str) -> list[Any]:
    folder = _folder(name, weights)
    return sorted({path for pattern in FILES for path in folder.glob(pattern)})
