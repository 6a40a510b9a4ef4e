"""One manifest as it is served: its page, and answers that are of its tables as they are now."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from typing import Any

from pipelines.report.page import fill_template
from pipelines.serve.answers import Answers
from pipelines.serve.films import Films
from pipelines.serve.landing import Landing
from pipelines.serve.stills import Stills
from pipelines.verdicts import Waiting, Word, store
from preprocess.forgotten import FORGOTTEN
from preprocess.io.roots import Roots
from preprocess.io.tables import PartedTable, generation_of
from preprocess.manifest import Manifest

_log = logging.getLogger("clipmill")


class Site:
    """Serves one manifest."""

    def __init__(
        self, out: str, *, sources: Sequence[str] = (), roots: Sequence[str] = (), plug_ins: Sequence[str] = ()
    ) -> None:
        """Reads the tables.

        Raises:
            ValueError: there is no manifest.
        """
        self._manifest = Manifest(out)
        self.location = self._manifest.location
        self.films = Films(self.location, sources, Roots.of(roots))
        self.stills = Stills(self.location)
        self._lock = threading.Lock()
        self._said: dict[str, None] = {}
        """Ids of clips of which something was said since the tables were read."""
        self._page: bytes | None = None
        self.answers = self._read()
        self.stills.warm()
        self.answers.warm()
        self.page()
        self._landing = Landing(self.location, self._landed, plug_ins)
        if Waiting.at(self.location).places:
            self._landing.said()

    def close(self) -> None:
        """Begin nothing more."""
        self._landing.stop()

    def page(self) -> bytes:
        """The page, of the tables as they are now: where somebody else has changed them, they are read again."""
        with self._lock:
            if self._generation(self._manifest.parted_clips()) != self._read_generation:
                _log.info("the tables have changed, and are read again")
                self.answers = self._read()
            if self._page is None:
                data = self.answers.data | {"served": True, "judged": self.answers.judged()}
                overlay = self.answers.overlay(list(self._said))
                data |= {"totals": data["totals"] | overlay["totals"], "said": overlay["said"] if self._said else None}
                self._page = fill_template(data, served=True).encode()
            return self._page

    def say(self, data: bytes) -> dict[str, Any]:
        """Keep what is said by hand; it is safe when this returns.

        Raises:
            ValueError: it is nothing that can be said, or of no clip of ours.
            OSError: it cannot be kept.
        """
        try:
            word = Word.of(json.loads(data))
        except RecursionError:
            raise ValueError("nested too deeply") from None
        with self._lock:
            self.answers.check(word)
            store(self.location, word)
            told = self.answers.say(word)
            self._said |= dict.fromkeys(word.clip_ids)
            self._page = None
        self._landing.said()
        return told

    def _read(self) -> Answers:
        """The tables, with what waits to be put into them."""
        clips, run = self._manifest.parted_clips(), self._manifest.run_to_be() or self._manifest.run()
        if clips.schema is None or run is None:
            raise ValueError(f"{self.location!r}: no manifest there; `python -m pipelines curate SOURCE OUT` makes one")
        self._read_generation = self._generation(clips)
        self._said, self._page = {}, None
        run = {name: said for name, said in run.items() if name not in (FORGOTTEN, "history")}
        answers = Answers(self._manifest, clips, run, self.films)
        for clip_id, values in Waiting.at(self.location).values.items():
            word = Word(clip_ids=[clip_id], values=values)
            try:
                answers.check(word)
                answers.say(word)
            except ValueError as error:
                _log.warning("what was said of %s by hand waits: %s", clip_id, error)
            else:
                self._said[clip_id] = None
        return answers

    def _landed(self) -> None:
        """The table has what was said, and so has what we hold: it need not be read again. Where clips repeat one
        another, what was said of one decides of others, and the next page reads it again."""
        with self._lock:
            clips = self._manifest.parted_clips()
            if not self.answers.has_groups and clips.num_rows == self.answers.held.num_rows:
                self._read_generation = self._generation(clips)

    def _generation(self, clips: PartedTable) -> object:
        return None if clips.schema is None else generation_of(clips.schema)
