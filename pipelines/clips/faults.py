"""What our own code does wrong with one source or clip: a reason and a traceback beside the manifest, not the end."""

from __future__ import annotations

import hashlib
import platform
import traceback
from dataclasses import dataclass

from captioners.base import CaptionServerError
from pipelines.clips.attempts import Verdict
from preprocess.errors import INTERNAL_ERROR, one_line, slug
from preprocess.io import storage
from preprocess.io.weights import MissingWeightsError

FOLDER = "errors"
MOST_CHARACTERS = 32_000
"""Of a traceback that is kept: its end says what failed."""

NOT_ABOUT_A_CLIP = (CaptionServerError, MissingWeightsError, ImportError)
"""What would fail for the next clip, too: it stops the run, and nothing is settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Settles the errors of our own in a run over the manifest at `out`, or raises them where it is `strict`."""

    out: str | None
    """None keeps no tracebacks."""
    strict: bool = False

    def settle(self, error: Exception, name: str, about: str) -> str:
        """The reason for a source (`name` is its uri) or a clip (its id) that met `error`; its traceback is kept.

        Raises:
            RuntimeError: from the error, where the run is strict. It says what it is `about`.
        """
        said = one_line(f"{type(error).__name__}: {error}")
        if self.strict:
            raise RuntimeError(f"{about}: {said}") from error
        self.keep(name, about, "".join(traceback.format_exception(error)))
        return f"{INTERNAL_ERROR}: {said}"

    def settle_crash(self, verdict: Verdict, name: str, about: str) -> str:
        """The reason for what was given up, which is our error where it crashed native code.

        Raises:
            RuntimeError: it did, and the run is strict.
        """
        if slug(verdict.reason) == INTERNAL_ERROR:
            if self.strict:
                raise RuntimeError(f"{about}: {verdict.reason}\n{verdict.words}")
            self.keep(name, about, verdict.words)
        return verdict.reason

    def keep(self, name: str, about: str, text: str) -> None:
        """Write a traceback, or what the process left of one, with what a reader of it needs to know."""
        if self.out is not None:
            system = f"Python {platform.python_version()} on {platform.platform()}"
            whole = f"{about}\n{system}\n\n{text[-MOST_CHARACTERS:]}\n"
            storage.write_atomic(error_file(self.out, name), whole.encode("utf-8", "backslashreplace"))


def error_file(out: str, name: str) -> str:
    """Where the traceback for a source or a clip is kept."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return storage.join(out, FOLDER, f"{digest}.txt")
