"""Composition. From Python: `from pipelines import curate_videos, open_manifest, score_video` (`pipelines.api`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.api import OpenManifest, curate_videos, open_manifest, score_video

__all__ = ["OpenManifest", "curate_videos", "open_manifest", "score_video"]


def __getattr__(name: str) -> Any:
    """What is asked for is imported then: the command line's help loads no decoder."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pipelines import api

    return getattr(api, name)
