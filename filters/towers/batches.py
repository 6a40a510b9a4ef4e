"""Models of torch: loaded as plain tensors only, and run in batches that fit into memory."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

Made = TypeVar("Made")


def load_model(model_of: Callable[[], torch.nn.Module], file: Path) -> torch.nn.Module:
    """The model with the tensors of a `.pth` file, for inference in float32, on the GPU where there is one.

    Raises:
        ValueError: `file` holds anything but tensors, or those of another model.
    """
    import torch

    tensors = _tensors(file)
    # Built without memory of its own, as all of it is replaced.
    with torch.device("meta"):
        model = model_of()
    try:
        model.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise ValueError(f"{file}: not the weights of this model: {error}") from error
    return model.float().eval().requires_grad_(False).to(device())


def device() -> str:
    """Where models run."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


class Batches:
    """Runs a model over items in batches, of half the size from when memory did not hold one."""

    def __init__(self, size: int) -> None:
        """Begin with batches of at most `size` items."""
        self.size = size

    def run(self, forward: Callable[[Any], Iterable[Made]], items: Any) -> list[Made]:
        """What `forward` makes of each item, in order. It is given slices of `items`, an array or a list."""
        import torch

        made: list[Made] = []
        while len(made) < len(items):
            batch = items[len(made) : len(made) + self.size]
            try:
                made.extend(forward(batch))
                continue
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise
            # Only out here, where the traceback no longer holds the batch's tensors, can their memory be given back.
            self.size = len(batch) // 2
            torch.cuda.empty_cache()
        return made


def _tensors(file: Path) -> dict[str, torch.Tensor]:
    import torch

    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f"{file}: holds more than plain tensors, and so is not loaded") from error
    except (EOFError, OSError, RuntimeError) as error:
        raise ValueError(f"{file}: cannot be read: {error}") from error
    if not isinstance(state, dict):
        raise ValueError(f"{file}: holds a {type(state).__name__}, not named tensors")
    # Saved from a DataParallel, each name begins with "module.".
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}
