"""The diffusers library, which is imported where one of its models is used and nowhere else."""

from __future__ import annotations

from typing import Any


def diffusers_class(name: str) -> Any:
    """A class of diffusers by its name.

    Raises:
        ValueError: diffusers is not installed, or its version has no such class.
    """
    try:
        import diffusers
    except ImportError as error:
        raise ValueError(
            "models of other people are diffusers' classes, and diffusers is not installed: "
            "`pip install 'diffusers>=0.42'` or `make setup-all` brings it"
        ) from error
    found = getattr(diffusers, name, None)
    if found is None:
        raise ValueError(f"diffusers {diffusers.__version__} has no {name}: a newer one may")
    return found
