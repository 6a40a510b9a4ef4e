"""What is defined in files that workers lack, such as an objective of one's own, travels by value."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from ray import cloudpickle


def send_along(modules: Iterable[ModuleType]) -> None:
    """Have what these modules define travel by value: of files, workers have only those of our packages."""
    for module in modules:
        cloudpickle.register_pickle_by_value(module)


def packed(value: Any) -> bytes:
    """To be read by `pickle.loads`; a worker passes on by value what came to it so."""
    return bytes(cloudpickle.dumps(value))
