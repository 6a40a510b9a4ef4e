"""The benchmark's own truth is true: frames are where the plan says, and joins and events do what they are called."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from benchmarks import shots
from benchmarks.joins.tally import Tally, count_transitions
from benchmarks.joins.truth import Event as JoinEvent
from benchmarks.joins.truth import Truth, read_truth
from benchmarks.truth.bounds import Bound, bound_of
from benchmarks.truth.camera import CAMERA
from benchmarks.truth.events import LIGHT_AND_TIME, Event, Where
from benchmarks.truth.film import Film
from benchmarks.truth.formats import FORMATS, Format, as_is
from benchmarks.truth.joins import BRIEF, CUTS, DISSOLVES, FADES, Join
from benchmarks.truth.material import Material
from benchmarks.truth.overlays import OVERLAYS
from benchmarks.truth.plan import films
from benchmarks.truth.shots import figures, write_films
from benchmarks.truth.tables import tables
from benchmarks.truth.wipes import WIPES
from benchmarks.truth.writer import write
from examples.demo_films.encode import write_video
from preprocess.shots.shot import Transition
from tests.videos import counter_frame, read_counter

SIZE = (64, 36)
GRADUAL = (*DISSOLVES, *FADES, *BRIEF, *WIPES)
MOVES_THE_WHOLE_SHOT = {"whip_pan", "shake"}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Four clips of 15 s whose frames carry numbers: clip k counts from 1000 k on."""
    folder = tmp_path_factory.mktemp("clips")
    for clip in range(4):
        pictures = (counter_frame(1000 * clip + number, SIZE) for number in range(360))
        write_video(folder / f"{clip}.mp4", pictures, fps=Fraction(24))
    return Material.of(folder)


def small(name: str) -> Format:
    (chosen,) = [one for one in FORMATS if one.name == name]
    return replace(chosen, size=SIZE, look=as_is, crf=12)


def made(material: Material, folder: Path, name: str, seed: int) -> tuple[Film, list[int], dict[int, np.ndarray]]:
    """A film, the numbers of its stored frames, and their luma by number."""
    (film,) = films(material, seed, 1, [small(name)], joins=4)
    path = write(film, folder)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        shown = {
            round(frame.pts * stream.time_base * film.format.truth_fps): frame.to_ndarray(format="gray")
            for frame in container.decode(stream)
        }
    return film, sorted(shown), shown


@pytest.mark.parametrize(("name", "seed"), [("24p", 0), ("vfr", 1), ("repeats_60", 2), ("interlaced", 3), ("12fps", 4)])
def test_each_frame_is_of_the_take_that_the_plan_names(
    material: Material, tmp_path: Path, name: str, seed: int
) -> None:
    film, numbers, shown = made(material, tmp_path, name, seed)
    assert numbers[0] == 0
    assert len(numbers) <= film.format.stored(film.num_frames)
    assert (len(numbers) < film.format.stored(film.num_frames)) is bool(film.format.uneven)
    checked, at = 0, film.format.stored
    for before, shot, after in zip([None, *film.joins], film.shots, [*film.joins, None], strict=True):
        if shot.event or shot.view or shot.mirrored:
            continue
        first, end = at(before.end if before else 0), at(after.start if after else film.num_frames)
        for number in (one for one in numbers if first <= one < end):
            picture = number * film.format.fps // film.format.truth_fps
            wanted = 1000 * int(shot.take.scene) + shot.offset + (picture - shot.first) * shot.step
            assert read_counter(shown[number][::2]) == wanted
            checked += 1
    assert checked > 20


def test_the_truth_file_is_what_the_benchmark_of_shots_reads(material: Material, tmp_path: Path) -> None:
    film, numbers, _ = made(material, tmp_path, "vfr", 5)
    path = tmp_path / f"{film.name}.json"
    truth = read_truth(path, [number / film.format.truth_fps for number in numbers])
    assert [(one.kind, one.sub) for one in truth.joins] == [(one.join.kind, one.join.sub) for one in film.joins]
    assert [numbers[one.start] for one in truth.joins] == [one.start for one in film.joins]
    assert len(truth.distractors) == sum(shot.event is not None for shot in film.shots)
    written = json.loads(path.read_text())
    assert written["cuts"] == [one.start for one in film.joins if one.join.kind == "cut"]
    assert written["shots"][0]["start"] == 0
    assert written["shots"][-1]["end"] == written["frames"] == film.num_frames
    assert all(one["end"] == two["start"] for one, two in zip(written["shots"], written["shots"][1:], strict=False))


def test_figures_are_of_all_films_and_of_each_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grey, night = Tally(), Tally()
    cuts = [event("cut", "plain", at, at) for at in (40, 80)]
    count_transitions(grey, [Transition(kind="cut", start=40, end=40)], truth_of(cuts, ()))
    wipe, flash = event("wipe", "pushleft", 20, 30), event("flash", "", 60, 62)
    finds = [Transition(kind="fade", start=19, end=28), Transition(kind="cut", start=61, end=61)]
    count_transitions(night, finds, truth_of([wipe], [flash]))
    for name in ("grey", "night"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"format": {"name": name}}))
    reels = [(tmp_path / "grey.json", grey), (tmp_path / "night.json", night)]
    monkeypatch.setattr(shots, "tallies", lambda folder, detector_only: iter(reels))
    said = figures(tmp_path)
    assert said["joins"] == 3
    assert said["joins_recall"] == said["joins_precision"] == pytest.approx(2 / 3, abs=1e-4)
    assert (said["recall cut:plain"], said["recall wipe:pushleft"]) == (0.5, 1.0)
    assert (said["recall in grey"], said["recall in night"]) == (0.5, 1.0)
    assert said["false alarms flash"] == 1


def event(kind: str, sub: str, start: int, end: int) -> JoinEvent:
    return JoinEvent(kind=kind, sub=sub, start=start, end=end)


def truth_of(joins: Sequence[JoinEvent], distractors: Sequence[JoinEvent]) -> Truth:
    return Truth(joins=tuple(joins), distractors=tuple(distractors), num_frames=100)


def test_a_seed_gives_the_same_films_and_another_one_others(material: Material) -> None:
    one, again, other = ([film.truth() for film in films(material, seed, 6)] for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_joins_stay_apart_and_every_kind_comes_up(material: Material) -> None:
    drawn = list(films(material, 0, 40))
    for film in drawn:
        clear = film.format.fps // 2
        for one, two in zip(film.joins, film.joins[1:], strict=False):
            assert two.start - one.end >= 2 * clear
        for join, shot in zip(film.joins, film.shots, strict=False):
            assert shot.event is None or shot.event.end + clear - 1 <= join.start
            assert shot.spare >= 0
    assert {one.join.sub for film in drawn for one in film.joins} == {one.sub for one in (*CUTS, *GRADUAL)}
    events = {shot.event.event.kind for film in drawn for shot in film.shots if shot.event}
    assert events == {one.kind for one in (*LIGHT_AND_TIME, *CAMERA, *OVERLAYS)}


@pytest.mark.parametrize("join", GRADUAL, ids=lambda join: f"{join.kind}-{join.sub}")
def test_every_frame_of_a_join_is_of_neither_shot(join: Join) -> None:
    rng = np.random.default_rng(0)
    before, after = (cv2.resize(rng.integers(0, 200, (9, 16, 3), np.uint8), (160, 90)) for _ in range(2))
    assert join.mix is not None
    count = join.length(24)
    pictures = [join.mix(before.copy(), after.copy(), number, count) for number in range(count)]
    for picture in pictures:
        assert picture.dtype == np.uint8
        assert picture.shape == before.shape
        assert not np.array_equal(picture, before)
        assert not np.array_equal(picture, after)
    if join.kind in ("wipe", "dissolve"):
        towards = [float(abs(picture - after.astype(float)).mean()) for picture in pictures]
        assert towards[0] > towards[-1]
        assert abs(pictures[0] - before.astype(float)).mean() < abs(pictures[-1] - before.astype(float)).mean()


@pytest.mark.parametrize("event", [*LIGHT_AND_TIME, *CAMERA, *OVERLAYS], ids=lambda event: event.kind)
def test_an_event_changes_its_own_frames_and_their_number_stays(event: Event) -> None:
    length = event.length(24)
    where = Where(30, 30 + length, 24)
    given = [counter_frame(number, (320, 180)) for number in range(120 + event.extra(24))]
    happened = list(event.happens(iter([one.copy() for one in given]), where, np.random.default_rng(3)))[:120]
    assert len(happened) == 120
    if event.kind not in MOVES_THE_WHOLE_SHOT:
        assert all(np.array_equal(one, two) for one, two in zip(happened[:30], given, strict=False))
    assert any(not np.array_equal(happened[30 + k], given[30 + k]) for k in range(max(1, length)))
    if event.kind in {"flash", "strobe", "explosion", "light_switch", "glitch", "stutter", "focus_pull", "zoom_burst"}:
        assert all(
            np.array_equal(one, two) for one, two in zip(happened[30 + length :], given[30 + length :], strict=False)
        )


def test_of_a_reel_only_what_lies_between_joins_and_events_is_used(tmp_path: Path, material: Material) -> None:
    film, _, shown = made(material, tmp_path, "24p", 6)
    for copy in "ab":
        write_video(tmp_path / f"{copy}.mp4", (counter_frame(number, SIZE) for number in range(48)), fps=Fraction(24))
    spoilt = {
        number
        for one in (*film.joins, *(shot.event for shot in film.shots if shot.event))
        for number in range(one.start - 1, one.end + 1)
    }
    takes = [take for take in Material.of(tmp_path).takes if take.path.stem == film.name]
    assert takes
    for take in takes:
        assert spoilt.isdisjoint(range(take.first, take.end))
        luma = [cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in take.frames(SIZE, start=2, count=3)]
        for k, picture in enumerate(luma):
            assert abs(picture.astype(float) - shown[take.first + 2 + k]).mean() < 8


def test_tables_are_the_modules_with_rows() -> None:
    found = tables()
    assert "shots" in found
    assert "plan" not in found


def test_any_folder_will_do_whatever_else_lies_in_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no video"):
        Material.of(tmp_path)
    with pytest.raises(ValueError, match="no folder"):
        Material.of(tmp_path / "other")
    write_video(tmp_path / "film.mp4", (counter_frame(number, SIZE) for number in range(48)), fps=Fraction(24))
    (tmp_path / "film.json").write_text('{"license": "CC0"}')
    (tmp_path / "broken.mp4").write_bytes((tmp_path / "film.mp4").read_bytes()[:900])
    (tmp_path / "prose.mkv").write_text("no film")
    cv2.imwrite(str(tmp_path / "still.png"), counter_frame(3, SIZE))
    (tmp_path / "still.mp4").write_bytes((tmp_path / "still.png").read_bytes())
    material = Material.of(tmp_path)
    assert [take.path.name for take in material.takes] == ["film.mp4"]
    assert tables()["shots"].rows(material, 0) == {}
    with pytest.raises(ValueError, match="3 scenes"):
        write_films(material, 0, tmp_path / "films")


def test_a_figure_is_held_to_the_first_bound_that_fits() -> None:
    bounds = {"pan_*": Bound(most=0.1), "*": Bound(least=0.5)}
    first, second = (bound_of(bounds, name) for name in ("pan_dark", "words"))
    assert first is not None
    assert second is not None
    assert (first.says(0.1), first.says(0.2)) == ("at most 0.1: held", "at most 0.1: NOT HELD")
    assert second.says(0.6) == "at least 0.5: held"
    assert bound_of({}, "words") is None
    with pytest.raises(ValueError, match="exactly one"):
        Bound()
