"""Which clips fit a choice: by words, status, reason, source, what was said by hand and the range of any score."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.dedup.settle import GROUP, IN, OF
from pipelines.report.data import OTHER_REASONS
from pipelines.serve.choice import Choice
from pipelines.serve.held import Held, Mask, Rows
from pipelines.serve.judge import Judge
from pipelines.verdicts import NOTE, TAGS

_HEX = re.compile(r"[0-9a-f]+")
_RULE = re.compile(r"(\w+):(below|above|not_measured)(?:_(-?[\d.e+-]+))?")


class Finder:
    """Finds."""

    def __init__(self, held: Held, judge: Judge, listed_reasons: Collection[str]) -> None:
        """`listed_reasons` are those that the page names; all others are `other_reasons` to it."""
        self._held, self._judge, self._listed = held, judge, frozenset(listed_reasons)
        self._lowered: dict[str, pa.ChunkedArray] = {}
        self._shuffled: Rows | None = None
        self._words: dict[str, Mask] = {}
        self._uris = pc.utf8_lower(pa.chunked_array([pa.array(held.uris, pa.string())]))
        ids = held.text("clip_id")
        self._ids_are_ours = ids is not None and bool(pc.all(pc.match_substring_regex(ids, "^[0-9a-f]+$")).as_py())
        self._by_uri = {uri: number for number, uri in enumerate(held.uris)}

    def warm(self) -> None:
        """Do at once what would make the first question slow."""
        self._lower("caption")
        self._order(Choice(bounds={}))

    def changed(self) -> None:
        """What was said by hand is not what it was."""
        self._words.clear()
        for name in (NOTE, TAGS):
            self._lowered.pop(name, None)

    def found(self, choice: Choice) -> Rows:
        """The rows that fit, in the order that was asked for; else in that of their ids, which are hashes."""
        mask = self._status(choice)
        if choice.reason:
            mask = mask & self._of_groups(lambda status, reasons: self._has(reasons, choice.reason))
        if choice.source:
            mask = mask & (self._held.source == self._by_uri.get(choice.source, -1))
        if choice.group:
            mask = mask & self._alike(choice.group)
        for column, low, high in choice.ranges:
            if (values := self._held.scores.get(column)) is not None:
                mask = (
                    mask
                    & (values >= (-np.inf if low is None else low))
                    & (values <= (np.inf if high is None else high))
                )
        for word in choice.words:
            mask = mask & self._with(word)
        order = self._order(choice)
        return order[mask[order]]

    def _order(self, choice: Choice) -> Rows:
        if choice.sort in self._held.scores or choice.sort in ("start", "seconds"):
            return self._judge.order(choice.sort, up=choice.up)
        if self._shuffled is None:
            ids = self._held.text("clip_id")
            by_id = np.arange(self._held.num_rows) if ids is None else _order_of(ids)
            self._shuffled = by_id.astype(np.int32)
        return self._shuffled

    def _status(self, choice: Choice) -> Mask:
        held, wanted = self._held, choice.status
        if wanted == "changed":
            return self._judge.differs(self._judge.verdict(choice.bounds))
        if wanted == "keep":
            return held.kept_by_hand
        if wanted == "drop":
            return held.dropped_by_hand
        if wanted == "said":
            return held.said()
        if wanted == "all":
            return np.ones(held.num_rows, np.bool_)
        return self._of_groups(lambda status, reasons: status == wanted)

    def _alike(self, wanted: str) -> Mask:
        """Which rows repeat one another, as `dedup` found them."""
        group, stood_for, elsewhere = (self._valid(name) for name in (GROUP, OF, IN))
        if wanted == "any":
            return group | stood_for | elsewhere
        if wanted == "repeats":
            return stood_for | elsewhere
        column = self._held.text(GROUP)
        return group if column is None else _equal(column, wanted)

    def _valid(self, name: str) -> Mask:
        column = self._held.text(name)
        none = np.zeros(self._held.num_rows, np.bool_)
        return none if column is None else np.asarray(column.is_valid().to_numpy(), np.bool_)

    def _of_groups(self, holds: Callable[[str, tuple[str, ...]], bool]) -> Mask:
        """For which rows something holds that hangs on status and reasons alone."""
        each = np.array([holds(*group) for group in self._held.groups], np.bool_)
        return each[self._held.group] if len(each) else np.zeros(self._held.num_rows, np.bool_)

    def _has(self, reasons: tuple[str, ...], reason: str) -> bool:
        return reason in reasons or (reason == OTHER_REASONS and any(each not in self._listed for each in reasons))

    def _with(self, word: str) -> Mask:
        """Which rows hold a word in their captions, names, ids, reasons, tags or notes."""
        if word not in self._words:
            if len(self._words) >= 8:
                self._words.clear()
            held = self._held
            told = self._of_groups(lambda status, reasons: word in _told(status, reasons))
            uris = _holds(self._uris, word)
            mask = told | (uris[held.source] if len(uris) else told)
            ids = ["clip_id"] if _HEX.fullmatch(word) or not self._ids_are_ours else []
            for name in ("caption", TAGS, NOTE, *ids):
                if (column := self._lower(name)) is not None:
                    mask = mask | _holds(column, word)
            self._words[word] = mask
        return self._words[word]

    def _lower(self, name: str) -> pa.ChunkedArray | None:
        column = self._held.text(name)
        if column is None:
            return None
        if name not in self._lowered:
            if pa.types.is_list(column.type):
                joined = [None if each is None else "\n".join(each) for each in column.to_pylist()]
                column = pa.chunked_array([pa.array(joined, pa.string())])
            kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
            plain = column.cast(kind)
            self._lowered[name] = plain if name == "clip_id" else pc.utf8_lower(plain)
        return self._lowered[name]


def _equal(column: pa.ChunkedArray, text: str) -> Mask:
    return np.asarray(pc.fill_null(pc.equal(column.cast(pa.string()), text), False).to_numpy(), np.bool_)


def _holds(column: pa.ChunkedArray, word: str) -> Mask:
    """Which texts (N,) have a word. A seldom one is looked for in all texts as if they were one, which is five times as
    fast as Arrow's way; a frequent one is found early in each text, and then Arrow's way is the faster one."""
    pattern, found = re.compile(re.escape(word.encode())), []
    for chunk in column.chunks:
        mask = _places(chunk, pattern, word) if len(word) > 2 and len(chunk) else None
        if mask is None:
            return np.asarray(pc.fill_null(pc.match_substring(column, word), False).to_numpy(), np.bool_)
        found.append(mask)
    return np.concatenate([np.zeros(0, np.bool_), *found])


def _places(texts: pa.StringArray, pattern: re.Pattern[bytes], word: str) -> Mask | None:
    """Which texts (N,) have a word; None where that is too many to be worth it."""
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    mask = np.zeros(len(texts), np.bool_)
    if data is None or ends[0] == ends[-1]:
        return mask
    matches = pattern.finditer(memoryview(data)[ends[0] : ends[-1]])
    starts = np.fromiter((match.start() for match in itertools.islice(matches, len(texts) // 4 + 64)), np.int64)
    if len(starts) > len(texts) // 4 + 63:
        return None
    starts += ends[0]
    rows, last = (np.searchsorted(ends, at, side="right") - 1 for at in (starts, starts + len(word.encode()) - 1))
    mask[rows[rows == last]] = True
    for first, stop in zip(rows[rows < last], last[rows < last], strict=True):
        for row in range(first + 1, stop + 1):  # one that lies across several texts may hide one in another
            mask[row] |= word in (texts[row].as_py() or "")
    return mask & np.asarray(texts.is_valid().to_numpy(zero_copy_only=False), np.bool_)


def _told(status: str, reasons: tuple[str, ...]) -> str:
    """As the page says it, and as the table does."""
    words = [_reason_words(reason) for reason in reasons]
    return " ".join([*reasons, *words, status]).lower()


def _reason_words(reason: str) -> str:
    match = _RULE.fullmatch(reason)
    if match:
        number = f" {float(match[3]):g}" if match[3] else ""
        return f"{match[1]} {match[2]}{number}".replace("_", " ")
    return reason.replace("_", " ")


def _order_of(ids: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """The order of the ids; of our own, as numbers, eight letters at a time."""
    whole = pa.chunked_array(ids, pa.string()).combine_chunks()
    size = len(whole[0].as_py() or "") if len(whole) else 0
    lengths = pc.fill_null(pc.binary_length(whole), 0)
    if size and size % 8 == 0 and pc.all(pc.equal(lengths, size)).as_py():
        letters = np.frombuffer(whole.buffers()[2], np.uint8, len(whole) * size, whole.offset * size)
        words = letters.view(">u8").reshape(-1, size // 8).astype(np.uint64)
        return np.lexsort(words.T[::-1])
    return np.asarray(pc.array_sort_indices(pc.fill_null(whole, "None")).to_numpy(), np.int64)
