"""Which files make up a vision-language model, for the captioners that load one themselves."""

from __future__ import annotations

import json
from pathlib import Path

from preprocess.io.weights import find_folder

SETTING = "captioner.weights"
NEEDED = ("*.safetensors", "config.json", "*processor_config.json", "tokenizer*.json")
FILES = (*NEEDED, "*.json", "*.jinja", "merges.txt", "*.model")
"""Everything that configures a model, its tokenizer and its processor; no pickled weights, no Python."""


def vlm_folder(weights: str) -> Path:
    """The local folder of a vision-language model, with every file that loading it will need.

    Raises:
        MissingWeightsError: a file is not there, such as one of the shards after an interrupted download.
    """
    folders = [find_folder(weights, setting=SETTING, files=(pattern, *FILES)) for pattern in NEEDED]
    index = folders[0] / "model.safetensors.index.json"
    if index.is_file():
        for shard in sorted(set(json.loads(index.read_text())["weight_map"].values())):
            if Path(shard).name != shard:
                raise ValueError(f"{index} names a shard {shard!r} outside its folder")
            find_folder(weights, setting=SETTING, files=(shard, *FILES))
    return folders[0]
