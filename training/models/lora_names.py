"""What programs call the two matrices of a LoRA and its alpha, in files that they write and read.

Sources, by the layout's name:

- `peft`: `src/peft/utils/save_and_load.py` of PEFT 0.21.2: `base_model.model.LAYER.lora_A.weight`, of the layers as the
  wrapped model calls them; rank and alpha are in `adapter_config.json`.
- `diffusers`: `src/diffusers/loaders/peft.py` of diffusers 0.42.1: `transformer.LAYER.lora_A.weight`, of the layers of
  its transformer; a file that says nothing of alpha is one whose alpha is its rank.
- `comfyui`: `comfy/lora.py` and `comfy/weight_adapter/lora.py` of ComfyUI: `diffusion_model.LAYER.lora_down.weight`,
  `.lora_up.weight` and `.alpha`; or, as kohya's scripts write, `lora_unet_LAYER` with underscores for dots.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch

from training.models.dit_names import diffusers_name
from training.models.safe_files import SafeFiles, check_shapes

_STARTS = re.compile(r"^(?:base_model\.model\.|model\.diffusion_model\.|diffusion_model\.|transformer\.|dit\.)+")
_FLAT = ("lora_unet_", "lora_transformer_")
_ENDS = {
    "lora_down": (".lora_down.weight", ".lora_A.weight", ".lora_A.default.weight", ".lora_down", ".lora_A"),
    "lora_up": (".lora_up.weight", ".lora_B.weight", ".lora_B.default.weight", ".lora_up", ".lora_B"),
    "alpha": (".alpha",),
}


Rename = Callable[[str], str]
"""From what a model calls a layer to what another program does."""


def layout_names(layer: str, layout: str, rename: Rename = diffusers_name) -> dict[str, str]:
    """The names of `lora_down`, `lora_up` and, where the layout has it in the file, `alpha`."""
    if layout == "peft":
        start = f"base_model.model.{layer}"
        return {"lora_down": f"{start}.lora_A.weight", "lora_up": f"{start}.lora_B.weight"}
    if layout == "diffusers":
        start = f"transformer.{rename(layer)}"
        return {"lora_down": f"{start}.lora_A.weight", "lora_up": f"{start}.lora_B.weight"}
    if layout == "comfyui":
        start = f"diffusion_model.{rename(layer)}"
        ends = {"lora_down": ".lora_down.weight", "lora_up": ".lora_up.weight", "alpha": ".alpha"}
        return {part: start + end for part, end in ends.items()}
    return {part: f"dit.{layer}.{part}" for part in ("lora_down", "lora_up")}


def fill_lora(
    file: SafeFiles, weights: Mapping[str, torch.Tensor], *, alpha: float, renames: Sequence[Rename] = (diffusers_name,)
) -> None:
    """Fill a LoRA's matrices, sharded or not, from a file of any of these names.

    Args:
        file: of another program, or ours.
        weights: `LAYER.lora_down` and `LAYER.lora_up`, of layers as `VideoDit` calls them.
        alpha: theirs; what a file's alpha makes of its change is kept, in `lora_up`.
        renames: what other programs call the layers.

    Raises:
        ValueError: it is no LoRA, or one of other layers or another rank.
    """
    known = _spellings({name.rpartition(".")[0] for name in weights}, renames)
    names: dict[str, str] = {}
    alphas: dict[str, float] = {}
    for key in file.shapes:
        stem, part = _divided(key)
        layer = known.get(stem, stem)
        if part == "alpha":
            alphas[layer] = float(file.whole(key))
        else:
            names[f"{layer}.{part}"] = key
    if not any(name.endswith(".lora_down") for name in names):
        raise ValueError(f"{file.where}: no LoRA, which has names such as LAYER.lora_A.weight and LAYER.lora_B.weight")
    ranks = {file.shapes[key][0] for name, key in names.items() if name.endswith(".lora_down")}
    ours = {weight.shape[0] for name, weight in weights.items() if name.endswith(".lora_down")}
    if len(ranks) == 1 and ranks != ours:
        [rank] = ranks
        raise ValueError(f"{file.where}: a LoRA of rank {rank}: --set objective.rank={rank} goes on with it")
    try:
        check_shapes(file.where, weights, {name: file.shapes[key] for name, key in names.items()})
    except ValueError as error:
        raise ValueError(f"{error}; objective.targets says which layers are changed") from None
    whole_alpha = _alpha_beside(file)
    for name, weight in weights.items():
        file.read(names[name], weight)
        layer, _, part = name.rpartition(".")
        rank = file.shapes[names[f"{layer}.lora_down"]][0]
        theirs = alphas.get(layer, float(rank) if whole_alpha is None else whole_alpha)
        if part == "lora_up" and theirs != alpha:
            weight.detach().mul_(theirs / alpha)


def ranks_in(file: SafeFiles, layers: Iterable[str], renames: Sequence[Rename] = (diffusers_name,)) -> dict[str, int]:
    """The layers that a file changes, as the model calls them, and the rank of each change.

    Raises:
        ValueError: it is no LoRA, or changes layers that the model has not.
    """
    known = _spellings({*layers}, renames)
    downs = {_divided(key)[0]: key for key in file.shapes if _divided(key)[1] == "lora_down"}
    if not downs:
        raise ValueError(f"{file.where}: no LoRA, which has names such as LAYER.lora_A.weight and LAYER.lora_B.weight")
    others = [stem for stem in downs if stem not in known]
    if others:
        raise ValueError(
            f"{file.where}: a LoRA of another model: of the {len(downs)} layers that it changes this one has "
            f"{len(downs) - len(others)}; not {', '.join(others[:3])}{', ...' if len(others) > 3 else ''}"
        )
    return {known[stem]: file.shapes[key][0] for stem, key in downs.items()}


def _spellings(layers: Iterable[str], renames: Sequence[Rename]) -> dict[str, str]:
    """Each layer by all names that it may have, without what stands before them."""
    known = {}
    for layer in layers:
        for name in (layer, *(rename(layer) for rename in renames)):
            known[name] = layer
            known |= {start + name.replace(".", "_"): layer for start in _FLAT}
    return known


def _divided(key: str) -> tuple[str, str]:
    """A layer's name in a file, and which of its parts the key is; of what is no part of a LoRA, the key and ""."""
    for part, ends in _ENDS.items():
        for end in ends:
            if key.endswith(end):
                return _STARTS.sub("", key.removesuffix(end)), part
    return key, "unknown"


def _alpha_beside(file: SafeFiles) -> float | None:
    """What the file's metadata, or PEFT's `adapter_config.json` beside it, says for all layers.

    Raises:
        ValueError: it says what is not plain LoRA, or it cannot be read.
    """
    where = Path(file.where)
    beside = (where if where.is_dir() else where.parent) / "adapter_config.json"
    told = file.metadata.get("lora_adapter_metadata", "{}")
    try:
        config = json.loads(beside.read_text(encoding="utf-8") if beside.is_file() else told)
        config = {str(key).removeprefix("transformer."): value for key, value in config.items()}
        alpha = config.get("lora_alpha", file.metadata.get("alpha"))
        odd = [key for key in ("use_rslora", "use_dora", "alpha_pattern", "rank_pattern") if config.get(key)]
        if odd:
            raise ValueError(f"{', '.join(odd)} is set, and only plain LoRA is known here")
        return None if alpha is None else float(alpha)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{beside if beside.is_file() else file.where}: {error}") from None
