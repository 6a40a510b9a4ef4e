"""Any tree of records can be told as flat keys and changed by them, and its fingerprint changes with what matters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from preprocess.io.bounds import above, at_least, check, one_of, within
from preprocess.io.settings import OPERATIONAL, difference, dump, fingerprint, keyed_by, override


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    column: str
    low: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    name: ClassVar[str] = "lens"

    width: int = field(default=4, metadata=at_least(1))
    speed: int = field(default=1, metadata=OPERATIONAL | at_least(1))

    def __post_init__(self) -> None:
        check(self, "lens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    first: int = 1
    last: int = 2

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ValueError(f"{self.first} is after {self.last}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    name: str = "tree"
    weights: Mapping[str, float] = field(default_factory=lambda: {"red": 1.0})
    ranges: Mapping[str, Range] = field(default_factory=lambda: {"days": Range()})
    lenses: tuple[Any, ...] = (Lens(),)
    best: Any = Lens()
    bounds: tuple[Bound, ...] = field(default=(Bound(column="motion", low=240),), metadata=keyed_by("column"))
    channels: tuple[int, ...] = (8, 16)


def test_fields_mappings_and_named_tuples_are_flat_keys() -> None:
    assert dump(Tree()) == {
        "name": "tree",
        "weights.red": 1.0,
        "ranges.days.first": 1,
        "ranges.days.last": 2,
        "lenses.lens": True,
        "lenses.lens.width": 4,
        "lenses.lens.speed": 1,
        "best": "lens",
        "best.width": 4,
        "best.speed": 1,
        "bounds.motion.low": 240,
    }


def test_all_is_set_at_once() -> None:
    """Either bound alone would make a range that is empty; and records that are not named stay the same objects."""
    plain = Tree()
    tree = override(
        plain,
        ["ranges.days.last=9", "ranges.days.first=7", "weights.red=2", "lenses.lens.width=5", "bounds.width.low=1"],
    )
    assert tree.ranges["days"] == Range(first=7, last=9)
    assert (tree.weights, tree.lenses[0].width) == ({"red": 2.0}, 5)
    assert tree.bounds == (*plain.bounds, Bound(column="width", low=1.0))
    assert tree.best is plain.best


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("ranges.days.frist=1", "did you mean ranges.days.first"),
        ("ranges.weeks.first=1", "did you mean ranges.days.first"),
        ("bounds.motion.high=1", "did you mean bounds.motion.low"),
        ("lenses.lens=false", "no such setting"),
        ("best=other", "no such setting"),
        ("weights=1", "no such setting"),
        ("best.width.more=1", "no such setting"),
        ("name=other", "no such setting"),
        ("best.width=wide", "expected int"),
        ("best.width=0", "lens.width is 0, must be at least 1"),
    ],
)
def test_mistakes_are_explained(assignment: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        override(Tree(), [assignment])


@dataclass(frozen=True, slots=True, kw_only=True)
class Glass:
    name: ClassVar[str] = "glass"

    color: str
    layers: tuple[float, ...] = ()
    tint: Literal["warm", "cold"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    lens: Lens | Glass = Lens()
    size: tuple[int, int] | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    glass: Glass = field(default_factory=lambda: Glass(color="red"))


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        (["size=8,16"], Camera(size=(8, 16))),
        (["size=[8, 16]"], Camera(size=(8, 16))),
        (["size=none"], Camera()),
        (["glass.layers=0.5,1"], Camera(glass=Glass(color="red", layers=(0.5, 1.0)))),
        (["glass.tint=warm"], Camera(glass=Glass(color="red", tint="warm"))),
        (["glass.tint=none"], Camera()),
        (['words=["a, b", "c"]'], Camera(words=("a, b", "c"))),
        (["words=[]"], Camera(words=())),
        (["weights.red=1", "weights.blue=0.5"], Camera(weights={"red": 1.0, "blue": 0.5})),
        (['weights={"red": 2}'], Camera(weights={"red": 2})),
        (['ranges={"days": {"first": 0}}'], Camera(ranges={"days": Range(first=0)})),
        ([f"lens={__name__}:Lens", "lens.width=9"], Camera(lens=Lens(width=9))),
        ([f'lens={{"type": "{__name__}:Glass", "color": "blue"}}'], Camera(lens=Glass(color="blue"))),
    ],
)
def test_tuples_mappings_and_kinds_are_set(assignments: list[str], expected: Camera) -> None:
    assert override(Camera(), assignments) == expected


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("size=8,wide", "expected int"),
        ("size=[8, 1.5]", r"size\[1\] is 1.5, expected int"),
        ("size=[8", "--set size="),
        ("weights.red=much", "expected float"),
        ("glass.tint=hot", "expected warm or cold or none"),
        (f"lens={__name__}:Glass", "needs lens.color"),
        (f"lens={__name__}:Bound", "is no dataclass of kind Lens or Glass"),
        ("lens=no_such_module:Lens", "there is no module"),
        ("lenz=1", "did you mean lens"),
        ("ranges.days.first=1", "no such setting"),
    ],
)
def test_mistakes_in_them_are_explained(assignment: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        override(Camera(), [assignment])


@pytest.mark.parametrize("text", ["stranger:Lens", '{"type": "stranger:Lens"}'])
def test_what_a_file_says_imports_nothing(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stranger.py").write_text("raise SystemExit('it ran')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="stranger:Lens is not part of this program"):
        override(Camera(), [f"lens={text}"], imports=False)
    with pytest.raises(SystemExit, match="it ran"):
        override(Camera(), [f"lens={text}"])


def test_240_and_240_0_are_the_same_bound() -> None:
    whole, real = (Tree(bounds=(Bound(column="motion", low=low),)) for low in (240, 240.0))
    assert fingerprint(whole) == fingerprint(real)
    assert difference(whole, real) == []
    assert fingerprint(whole) != fingerprint(Tree(bounds=(Bound(column="motion", low=240.5),)))


def test_true_is_not_one() -> None:
    assert fingerprint(Tree(weights={"red": True})) != fingerprint(Tree(weights={"red": 1.0}))


def test_a_bound_of_none_is_none() -> None:
    assert fingerprint(override(Tree(), ["bounds.width.low=none"])) == fingerprint(Tree())


def test_what_changes_no_result_is_neither_in_the_fingerprint_nor_told() -> None:
    faster = override(Tree(), ["best.speed=9", "lenses.lens.speed=9"])
    assert fingerprint(faster) == fingerprint(Tree())
    assert difference(Tree(), faster) == difference(dump(Tree()), faster) == []
    wider = override(faster, ["best.width=9"])
    assert fingerprint(wider) != fingerprint(Tree())
    assert difference(dump(Tree()), wider) == ["best.width: 4 -> 9"]
    assert difference(Tree(), replace(Tree(), weights={})) == ["weights.red: 1.0 -> absent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded:
    count: int | None = field(default=1, metadata=at_least(1))
    rate: float = field(default=0.5, metadata=above(0))
    share: float = field(default=0.5, metadata=within("[0, 1)"))
    used: float = field(default=0.5, metadata=within("(0, 1]"))
    fit: str = field(default="crop", metadata=one_of("crop", "squash"))
    side: Literal["left", "right"] = "left"

    def __post_init__(self) -> None:
        check(self)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"count": 0}, "count is 0, must be at least 1"),
        ({"rate": 0.0}, "rate is 0.0, must be above 0"),
        ({"rate": math.nan}, "rate is nan, must be above 0"),
        ({"share": 1.0}, r"share is 1.0, must be in \[0, 1\)"),
        ({"share": -0.1}, "share is -0.1"),
        ({"used": 0.0}, r"used is 0.0, must be in \(0, 1\]"),
        ({"fit": "pad"}, "fit is 'pad', allowed are crop, squash"),
        ({"side": "top"}, "side is 'top', allowed are left, right"),
    ],
)
def test_bounds_stand_on_the_field_and_the_sentence_follows(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Bounded(**values)


def test_the_ends_of_bounds_are_allowed() -> None:
    Bounded(count=None, share=0.0, used=1.0, fit="squash", side="right")
