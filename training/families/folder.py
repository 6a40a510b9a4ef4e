"""A pretrained pipeline as diffusers saves it: a folder with a part in each sub-folder, and what the parts say of
themselves. Weights are read from safetensors alone: a pickle could run code."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from preprocess.io.weights import find_folder
from training.families.library import diffusers_class
from training.models.weights import files_id

SETTING = "objective.model"
INDEX = "model_index.json"
FILES = (INDEX, "*/*.safetensors", "*/*.json", "*/*.jinja", "*/*.txt", "*/*.model")
"""Weights, configurations, and the files of all tokenizers; no pickled weights, no Python."""
_VARIANT = re.compile(r"\.(fp16|bf16|fp32|non_ema)(\.|-)")
"""In the name of a file that holds the same weights once more."""


class PipelineFolder:
    """Where the parts of a pretrained pipeline are; none is loaded before it is asked for."""

    def __init__(self, model: str) -> None:
        """`model` is a folder or a hub id `owner/name[@revision]`."""
        self.model = model

    @cached_property
    def path(self) -> Path:
        """The folder.

        Raises:
            MissingWeightsError: there is none.
        """
        return find_folder(self.model, setting=SETTING, files=FILES)

    def config(self, part: str, name: str = "config.json") -> dict[str, Any]:
        """What a part's configuration says.

        Raises:
            ValueError: the pipeline has no such part.
        """
        file = self.path / part / name
        if not file.is_file():
            raise ValueError(f"{SETTING}={self.model} has no {part}/{name}: diffusers' folder of a pipeline has")
        config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return config

    def has(self, part: str) -> bool:
        """Whether there is such a part."""
        return (self.path / part / "config.json").is_file()

    def index(self) -> dict[str, Any]:
        """What `model_index.json` says of the whole."""
        index: dict[str, Any] = json.loads((self.path / INDEX).read_text(encoding="utf-8"))
        return index

    def setting(self, part: str, name: str) -> Any:
        """One of a part's settings; what its file leaves out has the default of its class."""
        config = self.config(part)
        if name in config:
            return config[name]
        return inspect.signature(diffusers_class(config["_class_name"]).__init__).parameters[name].default

    def require(self, part: str, kind: str) -> None:
        """See that a part is of a class.

        Raises:
            ValueError: it is of another one.
        """
        found = self.config(part).get("_class_name")
        if found != kind:
            raise ValueError(f"{SETTING}={self.model}: its {part} is a {found}, and objective.family is for a {kind}")

    def weights(self, part: str) -> list[Path]:
        """The safetensors files of a part.

        Raises:
            ValueError: there are none.
        """
        files = sorted(self.path.glob(f"{part}/*.safetensors"))
        own = [file for file in files if not _VARIANT.search(file.name)] or files
        if not own:
            raise ValueError(f"{self.path / part} holds no .safetensors file; pickled weights are not read")
        return own

    def identity(self, parts: Iterable[str]) -> str:
        """16 hex digits of all files of some parts."""
        return files_id(
            file for part in sorted(parts) for file in sorted((self.path / part).glob("*")) if file.is_file()
        )

    def loaded(self, part: str, kind: str, dtype: torch.dtype) -> nn.Module:
        """A part of diffusers with its weights, on the CPU.

        Raises:
            ValueError: it is of another class, or has no safetensors.
        """
        self.require(part, kind)
        self.weights(part)
        network: nn.Module = diffusers_class(kind).from_pretrained(
            self.path, subfolder=part, dtype=dtype, use_safetensors=True, local_files_only=True
        )
        return network.eval().requires_grad_(False)
