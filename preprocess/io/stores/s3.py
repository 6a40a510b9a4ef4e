"""S3 and what speaks its language, through boto3: every key, by pages, with the variables and files that AWS documents.

`AWS_ENDPOINT_URL` (or `AWS_ENDPOINT_URL_S3`) names another server than Amazon's; `AWS_PROFILE`, `AWS_REGION`,
`AWS_ACCESS_KEY_ID` and so on are as everywhere. Without any credentials, or with `AWS_NO_SIGN_REQUEST=1`, a bucket is
asked as anybody may ask it.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from preprocess.errors import StorageError
from preprocess.io.stores.s3_client import connected
from preprocess.io.stores.s3_sentences import NoKey, Passing, code_of, sentence
from preprocess.io.stores.store import FIRST_BYTES, Entry

Answer = TypeVar("Answer")

ATTEMPTS = 5
"""With pauses of 1 to 8 s: a quarter of a minute of 503 passes unseen, and a dead endpoint is known within a minute.
`AWS_MAX_ATTEMPTS` says otherwise. boto3's own pauses are of milliseconds, and it asks nothing again whose answer broke
off."""
_FEW_KEYS = 3
_DELETE_KEYS = 1000
"""What one request may name."""


class S3Store:
    """One bucket."""

    def __init__(self, root: str, bucket: str) -> None:
        """`root` is how people call the bucket, such as s3://films.

        Raises:
            ValueError: the environment names a profile or an endpoint that is none.
        """
        self.root = root
        self._bucket = bucket
        self._client, self._who = connected()

    def open(self, key: str) -> S3Object:
        """One request brings size, version and the first bytes."""
        return self._tried(key, lambda: self._opened(key, FIRST_BYTES))

    def info(self, key: str) -> Entry | None:
        """By `GET`, since the answer to a `HEAD` that is refused does not say why."""
        try:
            return self._tried(key, lambda: self._opened(key, 1)).entry
        except NoKey:
            return None

    def pages(self, prefix: str) -> Iterator[list[Entry]]:
        """A thousand objects at a time."""
        for page in self._pages({"Prefix": prefix}):
            yield [_entry(found["Key"], found["Size"], found) for found in page]

    def names(self, folder: str) -> list[str]:
        """What lies deeper is not fetched."""
        pages = self._pages({"Prefix": folder, "Delimiter": "/"})
        return [found["Key"][len(folder) :] for page in pages for found in page]

    def read(self, key: str) -> tuple[bytes, str] | None:
        """Whole."""

        def ask() -> tuple[bytes, str]:
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            return answer["Body"].read(), answer["ETag"]

        try:
            return self._tried(key, ask)
        except NoKey:
            return None

    def read_range(self, key: str, start: int, stop: int, tag: str) -> bytes:
        """The bytes [start, stop) of the version of `tag`; what came before an answer broke off is kept."""
        data = bytearray()

        def ask() -> None:
            span = f"bytes={start + len(data)}-{stop - 1}"
            answer = self._client.get_object(Bucket=self._bucket, Key=key, Range=span, IfMatch=tag)
            for piece in answer["Body"].iter_chunks(256 << 10):
                data.extend(piece)
            if len(data) != stop - start:
                raise Passing(f"{self.root}/{key}: {len(data)} bytes came of the {stop - start} at {start}")

        self._tried(key, ask)
        return bytes(data)

    def write(self, key: str, data: bytes) -> None:
        """Objects are shown once they are complete."""
        self._tried(key, lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=data))

    def write_if(self, key: str, data: bytes, tag: str | None) -> str | None:
        """By `If-None-Match` and `If-Match`, which Amazon, MinIO, R2 and others know.

        An answer that got lost is not asked for again: whether it was written would not be known.
        """
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        with self._sentences(key):
            try:
                return str(self._client.put_object(Bucket=self._bucket, Key=key, Body=data, **condition)["ETag"])
            except ClientError as error:
                code = code_of(error)
                if code in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
                    return None
                if tag is not None and code in ("NoSuchKey", "404"):
                    return None
                if code in ("NotImplemented", "501", "InvalidArgument"):
                    raise NotImplementedError(f"{self.root} has no conditional writes ({code})") from error
                raise

    def upload(self, source: BinaryIO, key: str) -> None:
        """In several parts, where it is large."""

        def ask() -> None:
            with os.fdopen(os.dup(source.fileno()), "rb") as begun:  # boto3 closes what it is given
                begun.seek(0)
                self._client.upload_fileobj(begun, self._bucket, key)

        self._tried(key, ask)

    def forget_uploads(self, prefix: str) -> None:
        """Those of large files."""
        with suppress(StorageError), self._sentences(prefix):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=prefix)
            for begun in [begun for page in pages for begun in page.get("Uploads", ())]:
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=begun["Key"], UploadId=begun["UploadId"])

    def delete(self, keys: Sequence[str]) -> None:
        """By single requests for a few: not every server knows the other kind."""
        if len(keys) < _FEW_KEYS:
            for key in keys:
                self._tried(key, partial(self._client.delete_object, Bucket=self._bucket, Key=key))
            return
        for first in range(0, len(keys), _DELETE_KEYS):
            objects = {"Objects": [{"Key": key} for key in keys[first : first + _DELETE_KEYS]], "Quiet": True}
            ask = partial(self._client.delete_objects, Bucket=self._bucket, Delete=objects)
            for error in self._tried(keys[first], ask).get("Errors", ()):
                raise StorageError(f"{self.root}/{error['Key']}: not deleted ({error['Code']}: {error['Message']})")

    def _pages(self, asked: dict[str, str]) -> Iterator[list[dict[str, Any]]]:
        """Where one page fails, that page is asked for again."""
        token: dict[str, str] = {}
        while True:
            ask = partial(self._client.list_objects_v2, Bucket=self._bucket, **asked, **token)
            page = self._tried(asked["Prefix"], ask)
            yield page.get("Contents", [])
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _opened(self, key: str, num_bytes: int) -> S3Object:
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key, Range=f"bytes=0-{num_bytes - 1}")
        except ClientError as error:
            if code_of(error) not in ("InvalidRange", "416"):
                raise
            answer = self._client.get_object(Bucket=self._bucket, Key=key)  # 0 bytes have no first one
        begin = answer["Body"].read()
        size = int(answer.get("ContentRange", "").rpartition("/")[2] or answer["ContentLength"])
        return S3Object(store=self, entry=_entry(key, size, answer), begin=begin, tag=answer["ETag"])

    def _tried(self, key: str, ask: Callable[[], Answer]) -> Answer:
        """What `ask` gives; what may pass is given some time to."""
        attempts = max(1, int(os.environ.get("AWS_MAX_ATTEMPTS", ATTEMPTS)))
        for attempt in range(1, attempts):
            try:
                with self._sentences(key):
                    return ask()
            except Passing:
                time.sleep(2 ** (attempt - 1) * random.uniform(0.75, 1.25))  # noqa: S311 - no secret
        with self._sentences(key):
            return ask()

    @contextmanager
    def _sentences(self, key: str) -> Iterator[None]:
        """What boto3 raises in here becomes a sentence."""
        try:
            yield
        except StorageError:
            raise
        except (BotoCoreError, ClientError, OSError) as error:
            endpoint = self._client.meta.endpoint_url
            raise sentence(error, place=f"{self.root}/{key}", endpoint=endpoint, who=self._who) from error
        except Exception as error:  # s3transfer's and urllib3's own, which share no base
            if type(error).__module__.partition(".")[0] not in ("boto3", "s3transfer", "urllib3"):
                raise
            raise Passing(f"{self.root}/{key}: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Object:
    """An object that is open for reading; asking for a range of another version than the one that was opened fails."""

    store: S3Store
    entry: Entry
    begin: bytes
    tag: str

    def read(self, start: int, stop: int) -> bytes:
        """The bytes [start, stop)."""
        return self.store.read_range(self.entry.key, start, stop, self.tag)

    def close(self) -> None:
        """Connections belong to the client."""


def _entry(key: str, size: int, answer: Any) -> Entry:
    """Of the time whole seconds: that is what asking for an object tells, and listing may tell more."""
    return Entry(key=key, size_bytes=size, modified_ns=int(answer["LastModified"].timestamp()) * 1_000_000_000)
