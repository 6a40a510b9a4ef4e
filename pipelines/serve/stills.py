"""The strip of frames of one clip among a million: which group of rows of which file it is in is known beforehand."""

from __future__ import annotations

import threading
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.report.rows import PREVIEW_BYTES
from preprocess.io import storage

ID_CHARACTERS = 32
"""Of our own ids."""
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
        (key,) = _keys(pa.chunked_array([[clip_id]], pa.string()))
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
                sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
                part = np.zeros(sum(sizes), _WHERE)
                part["id"] = _keys(file.read(["clip_id"], use_threads=False)["clip_id"])
                part["file"], part["group"] = number, np.repeat(np.arange(len(sizes)), sizes)
                parts.append(part)
        where = np.concatenate(parts)
        self._where = where[np.argsort(where["id"], kind="stable")]


def _keys(ids: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """Numbers that ids (N,) are looked up by; two of them may have the same."""
    whole = pc.fill_null(pa.chunked_array(ids, pa.string()).combine_chunks(), "")
    lengths = np.asarray(pc.binary_length(whole).to_numpy(), np.int64)
    ours = np.flatnonzero(lengths == ID_CHARACTERS)
    keys = np.zeros(len(whole), np.uint64)
    letters = np.frombuffer(b"".join(pc.cast(whole.take(pa.array(ours)), pa.binary()).to_pylist()), ">u8")
    words = letters.reshape(-1, ID_CHARACTERS // 8).astype(np.uint64)
    keys[ours] = words[:, 0] * np.uint64(3) + words[:, 1] * np.uint64(5) + words[:, 2] * np.uint64(7) + words[:, 3]
    for place in np.flatnonzero(lengths != ID_CHARACTERS).tolist():
        keys[place] = int.from_bytes(blake2b(whole[place].as_py().encode(), digest_size=8).digest())
    return keys
