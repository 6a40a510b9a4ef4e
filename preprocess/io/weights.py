"""Where the weights of a model lie: a local path, a mirror's folder, or a hub id. Knows of files only, of no model."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MIRROR_VARIABLE = "CLIPMILL_MODELS"
"""Environment variable that names a folder laid out as a hub (`owner/name/files`), which is looked at before the hub.
It holds one revision of a model: what an id says of revisions is for the hub alone.

A mirror that speaks the hub's own protocol is set by the hub's variable, `HF_ENDPOINT`.
"""
ANSWER_SECONDS = 5.0
"""A hub that has not answered by then is out of reach. Downloads themselves take their time."""

_HUB_ID = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>[\w./-]+))?(:(?P<file>[\w./+ -]+))?", re.ASCII)


class MissingWeightsError(ValueError):
    """Weights that a run needs are nowhere to be found.

    The message says which, where it was looked, and which settings name them. It has no full stop, so that a caller can
    go on with what to do without them.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class _HubId:
    repo: str
    revision: str | None
    file: str | None


def find_folder(weights: str, *, setting: str, files: Sequence[str]) -> Path:
    """The local folder of a model. `weights` is a path or a hub id `owner/name[@revision]`.

    `files` are patterns (such as `*.safetensors`) of what is needed of it. The first must match a file, so it is the
    one of the weights themselves; of the others a download brings what there is.

    Raises:
        MissingWeightsError: it is nowhere; the message names what was looked for and `setting`.
    """
    hub_id = _parsed(weights)
    places = _places(weights, hub_id)
    for folder in places:
        if any(folder.glob(files[0])):
            return folder
    what = f"{files[0]!r} of the model {weights!r}"
    if hub_id is None or hub_id.file is not None:
        raise _missing(what, setting, places, "it is no hub id OWNER/NAME[@REVISION]")
    return _from_hub(hub_id, what, setting, places, files)


def find_file(weights: str, *, setting: str) -> Path:
    """One file. `weights` is its path or `owner/name[@revision]:path/in/the/hub/repository`.

    Raises:
        MissingWeightsError: it is nowhere; the message names it and `setting`.
    """
    hub_id = _parsed(weights)
    places = _places(weights, hub_id)
    for path in places:
        if path.is_file():
            return path
    what = f"the file {weights!r}"
    if hub_id is None or hub_id.file is None:
        raise _missing(what, setting, places, "it is no hub id OWNER/NAME[@REVISION]:FILE")
    return _from_hub(hub_id, what, setting, places, [hub_id.file]) / hub_id.file


def _parsed(weights: str) -> _HubId | None:
    """The parts of a hub id; None for a path. No part may lead out of the folder that it is looked up in."""
    match = _HUB_ID.fullmatch(weights)
    if match is None or {"", ".", ".."} & set(re.split("[/@:]", weights)):
        return None
    return _HubId(repo=match["repo"], revision=match["revision"], file=match["file"])


def _places(weights: str, hub_id: _HubId | None) -> list[Path]:
    """Paths where the weights may lie on this machine, apart from the hub's cache."""
    if not weights:
        return []
    places = [Path(weights).expanduser()]
    mirror = os.environ.get(MIRROR_VARIABLE)
    if mirror and hub_id is not None:
        places.append(Path(mirror).expanduser() / hub_id.repo / (hub_id.file or ""))
    return places


def _from_hub(hub_id: _HubId, what: str, setting: str, places: Sequence[Path], files: Sequence[str]) -> Path:
    """The folder in the hub's own cache, into which it is downloaded if need be."""
    try:
        from huggingface_hub import HfApi, snapshot_download
    except ImportError as error:
        because = "huggingface_hub is not installed, so the hub was not asked (`make setup-all` installs it)"
        raise _missing(what, setting, places, because) from error

    def snapshot(*, from_cache: bool) -> Path:
        patterns = list(files)
        folder = snapshot_download(
            hub_id.repo, revision=hub_id.revision, allow_patterns=patterns, local_files_only=from_cache
        )
        return Path(folder)

    try:
        folder = snapshot(from_cache=True)
        if any(folder.glob(files[0])):
            return folder
    except (OSError, ValueError):  # not in the cache, or only in part; or a name that no hub would have
        pass
    try:
        # Asked first, and once: the download would wait for ever for a hub that does not answer.
        HfApi().model_info(hub_id.repo, revision=hub_id.revision, timeout=ANSWER_SECONDS)
        folder = snapshot(from_cache=False)
    except Exception as error:  # its HTTP library's errors have no base in common with its own, and differ by version
        raise _missing(what, setting, places, _reason(error)) from error
    if any(folder.glob(files[0])):
        return folder
    raise _missing(what, setting, places, "the model on the hub has no such file")


def _reason(error: Exception) -> str:
    """Why the hub gave nothing, in words for the user."""
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    hub = constants.ENDPOINT
    if isinstance(error, GatedRepoError):
        return f"{hub} asks for its licence to be accepted there, and for the reader's token in HF_TOKEN"
    if isinstance(error, RepositoryNotFoundError):
        return f"{hub} has no such model, or it is private and HF_TOKEN has no token for it"
    if isinstance(error, RevisionNotFoundError):
        return f"the model on {hub} has no such revision"
    first_line = str(error).strip().partition("\n")[0]
    return f"no answer from {hub}: {type(error).__name__}: {first_line}"


def _missing(what: str, setting: str, places: Sequence[Path], because: str) -> MissingWeightsError:
    looked = ", ".join(repr(os.fspath(place)) for place in places) or "no place, as none is named"
    return MissingWeightsError(
        f"weights are missing: {what}; looked at {looked}; {because}. Name them by `--set {setting}=PATH_OR_HUB_ID` or "
        f"let the variable {MIRROR_VARIABLE} name a folder that holds them as OWNER/NAME/FILES"
    )
