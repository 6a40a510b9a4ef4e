"""Loads the models behind the towers from a local folder: those of open_clip, and four kinds of transformers.

Nothing here asks the network, runs code that comes with a model, or unpickles anything.
"""

from __future__ import annotations

from pathlib import Path

from filters.towers.base import TowerModel, read_json
from filters.towers.open_clip import CONFIG, OpenClipModel
from filters.towers.transformers import KINDS, TransformersModel


def layout(folder: Path) -> str:
    """`open_clip`, or the `model_type` of transformers. Reads the configuration only.

    Raises:
        ValueError: neither; the message says what is there and what could be.
    """
    if (folder / CONFIG).is_file():
        return "open_clip"
    allowed = f"allowed are {CONFIG}, or config.json of type {', '.join(KINDS)}"
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder}: no model's configuration; {allowed}")
    kind = read_json(folder / "config.json").get("model_type")
    if kind not in KINDS:
        raise ValueError(f"{folder}/config.json: model_type is {kind!r}; {allowed}")
    return str(kind)


def load_model(folder: Path) -> TowerModel:
    """The folder's model.

    Raises:
        ValueError: it is of no known kind, or its weights are not those of its configuration.
    """
    from safetensors import SafetensorError

    kind = layout(folder)
    try:
        return OpenClipModel(folder) if kind == "open_clip" else TransformersModel(folder, kind)
    except (OSError, RuntimeError, SafetensorError) as error:  # how the libraries put weights that do not fit
        raise ValueError(f"{folder}: {type(error).__name__}: {error}") from error
