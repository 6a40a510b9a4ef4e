"""What runs that were killed leave behind: temporary files, a table half replaced, marks of attempts."""

from __future__ import annotations

from preprocess.io import storage
from preprocess.io.tables import drop_other_generations


def sweep(location: str) -> None:
    """Remove it from the manifest at a location. Hold it: what a run that goes on writes just now is of this kind, too,
    but for the files of this very process."""
    storage.restore_folder(storage.join(location, "clips"))
    drop_other_generations(storage.join(location, "clips"))
    storage.forget_uploads(location)
    storage.delete_temporaries(location, deep=False)
    for folder in ("parts", "clips", "sources", "previews", "columns", "errors", "history", "verdicts"):
        storage.delete_temporaries(storage.join(location, folder), deep=True)
    storage.delete_folder(storage.join(location, "attempts"))
