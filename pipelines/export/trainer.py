"""Who reads an export. A trainer is one file in `trainers/`, a plain format one in `formats/`; each holds a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pipelines.export.content import Export

Text = tuple[str, str | bytes]
"""Path of a small file in DEST, and what it holds; text is written as UTF-8."""


def nothing(export: Export) -> Sequence[str]:
    """The commands of what is no trainer."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainer:
    """The folders, keys and config that a consumer of clips expects."""

    name: str
    """As `--for` takes it."""
    source: str
    """Where its expectations are said publicly."""
    models: tuple[str, ...] = ()
    """Those that it trains, the usual one first. None: a format for any model, or for none."""
    media: str = ""
    """The folder of the clips' files within that of their split."""
    captions: str | None = None
    """The folder of their captions there, each in a `.txt` of the file's name; None where it reads none such."""
    spare: bool = False
    """Whether a file has to be one step of frames longer than what is trained on."""
    pictures: Callable[[str | None], bool] = lambda model: False
    """Whether it reads pictures beside clips, in the same folder, for the model of that name, or for none."""
    learns_sound: bool = True
    """Whether it trains the sound of a model that has some."""
    texts: Callable[[Export], Iterator[Text]]
    """What it reads beside clips and captions: tables of them, and its own config."""
    commands: Callable[[Export], Sequence[str]] = nothing
    """Lines of a shell that start it, in its own folder. What the export cannot know is in capitals: PATH/TO/..."""
    pack: Callable[[Export, str], None] | None = None
    """Puts the clips' files, which are then taken away, into something larger in the local folder of DEST."""
    library: str | None = None
    """The package that `pack` needs, which the extra `export` brings."""
