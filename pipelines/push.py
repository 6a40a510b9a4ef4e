"""Send a manifest to a hub as a dataset: its tables, previews, recipe and card, and nothing else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.recipe.recorded import load
from pipelines.report.write import write_report
from preprocess.errors import one_line
from preprocess.io import storage
from preprocess.io.hold import exclusive
from preprocess.io.locations import is_remote, local_path
from preprocess.manifest import Manifest

TOKEN = "HF_TOKEN"  # noqa: S105 - the variable's name
FOLDERS = ("clips", "sources", "previews")
FILES = ("README.md", "run.json")
"""What the dataset is. Tracebacks, answers of servers, parts of a run that goes on and the like stay at home."""


def push(out: str, repo: str, *, public: bool = False) -> str:
    """Make the dataset `repo` (OWNER/NAME) on the hub what is at `out`, in one commit, and return its address.

    Tables that the repository has from an earlier push are replaced. A new repository is private unless `public`. The
    hub is the one of the variable HF_ENDPOINT; the token is that of HF_TOKEN and comes from nowhere else.

    Raises:
        ValueError: there is no manifest, no token, or the hub refuses.
    """
    try:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError as error:
        raise ValueError("push needs huggingface_hub: pip install huggingface_hub") from error
    token = os.environ.get(TOKEN)
    if not token:
        raise ValueError(f"push needs a token that may write, in the variable {TOKEN}")
    manifest = Manifest(out)
    load(manifest)
    hub = HfApi(token=token, endpoint=os.environ.get("HF_ENDPOINT"))
    with exclusive(manifest.location):
        manifest.mend()
        write_report(manifest)
        content = {name: _content(storage.join(manifest.location, name)) for name in dataset_files(manifest)}
        try:
            hub.create_repo(repo, repo_type="dataset", private=not public, exist_ok=True)
            before = hub.list_repo_files(repo, repo_type="dataset")
            changes: list[Any] = [
                CommitOperationAdd(path_in_repo=name, path_or_fileobj=content[name]) for name in content
            ]
            changes += [CommitOperationDelete(path_in_repo=name) for name in before if _is_old(name, content)]
            hub.create_commit(repo, changes, commit_message="The manifest as it is now", repo_type="dataset")
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            said = one_line(str(error)).replace(token, "***")
            raise ValueError(f"{hub.endpoint} does not take the dataset {repo!r}: {said}") from error
    return f"{hub.endpoint}/datasets/{repo}"


def dataset_files(manifest: Manifest) -> Iterator[str]:
    """The names of what is pushed, below OUT. Links are none of it: they may lead anywhere."""
    for folder in FOLDERS:
        for name in storage.list_files(storage.join(manifest.location, folder), ".parquet"):
            if not _is_link(storage.join(manifest.location, folder)):
                yield f"{folder}/{name}"
    yield from (name for name in FILES if name in storage.list_files(manifest.location, name))


def _content(location: str) -> str | bytes:
    """A file's path, or the bytes of an object.

    Raises:
        ValueError: it is no ordinary file.
    """
    if is_remote(location):
        return storage.read_bytes(location) or b""
    if _is_link(location) or not stat.S_ISREG(_path(location).stat().st_mode):
        raise ValueError(f"{location!r} is no ordinary file: remove it")
    return os.fspath(_path(location))


def _is_link(location: str) -> bool:
    return not is_remote(location) and _path(location).is_symlink()


def _path(location: str) -> Path:
    return Path(os.fsdecode(local_path(location)))


def _is_old(name: str, content: dict[str, str | bytes]) -> bool:
    """Whether a file of the repository is of a table that is replaced."""
    folder, _, rest = name.partition("/")
    return folder in FOLDERS and rest.endswith(".parquet") and name not in content
