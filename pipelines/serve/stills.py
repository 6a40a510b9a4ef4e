"""The strip of frames of one clip among a million: which group of rows of which file it is in is known beforehand."""

from __future__ import annotations

import threading
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.report.rows import PREVIEW_BYTES
from preprocess.io import storage

_WHERE = np.dtype([("id", "<u8"), ("file", "<i4"), ("group", "<i4")])


class Stills:
    """Of the manifest at a location."""

    def __init__(self, location: str) -> None:
        self._folder = storage.join(location, "previews")
        self._lock = threading.Lock()
        self._files: list[str] = []
        self._where: npt.NDArray[np.void] = np.zeros(0, _WHERE)

    def strip(self, clip_id: str) -> bytes | None:
        """JPEG; None where there is none.

        Raises:
            OSError: storage fails.
        """
        with self._lock:
            found = self._found(clip_id)
            if found is None and storage.list_files(self._folder, ".parquet") != self._files:
                self._index()
                found = self._found(clip_id)
        for file, group in found or ():
            with storage.open_file(storage.join(self._folder, file)) as opened:
                rows = pq.ParquetFile(opened).read_row_group(group, ["clip_id", "jpeg"], use_threads=False)
            mine = rows.filter(pc.equal(rows["clip_id"], clip_id))
            jpeg = mine["jpeg"][0].as_py() if mine.num_rows else None
            if isinstance(jpeg, bytes) and jpeg.startswith(b"\xff\xd8") and len(jpeg) <= PREVIEW_BYTES:
                return jpeg
        return None

    def _found(self, clip_id: str) -> list[tuple[str, int]] | None:
        key = _key(clip_id)
        first, last = (int(np.searchsorted(self._where["id"], key, side=side)) for side in ("left", "right"))
        places = [(self._files[int(each["file"])], int(each["group"])) for each in self._where[first:last]]
        return places or None

    def warm(self) -> None:
        """Do at once what would make the first question slow."""
        with self._lock:
            self._index()

    def _index(self) -> None:
        """Read the ids of all of them: 16 bytes a clip."""
        self._files = storage.list_files(self._folder, ".parquet")
        parts = [np.zeros(0, _WHERE)]
        for number, name in enumerate(self._files):
            with storage.open_file(storage.join(self._folder, name)) as opened:
                file = pq.ParquetFile(opened)
                for group in range(file.num_row_groups):
                    ids = file.read_row_group(group, ["clip_id"], use_threads=False)["clip_id"].to_pylist()
                    part = np.zeros(len(ids), _WHERE)
                    part["id"] = [_key(each) for each in ids]
                    part["file"], part["group"] = number, group
                    parts.append(part)
        where = np.concatenate(parts)
        self._where = where[np.argsort(where["id"], kind="stable")]


def _key(clip_id: object) -> int:
    return int.from_bytes(blake2b(str(clip_id).encode("utf-8", "replace"), digest_size=8).digest())
