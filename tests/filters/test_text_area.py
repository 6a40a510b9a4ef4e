from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from filters.base import Score
from filters.text.boxes import covered_share, frames_to_read
from filters.text_area import TextAreaScorer
from tests.filters.views import moving, texture, view_of

Frame = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def scorer() -> Iterator[TextAreaScorer]:
    scorer = TextAreaScorer()
    scorer.setup()
    yield scorer
    scorer.close()


def test_area_of_a_line_is_near_its_truth(scorer: TextAreaScorer) -> None:
    for seed, (scale, at) in enumerate([(1.2, (60, 480)), (2.0, (300, 120)), (3.0, (40, 300))]):
        frame, truth = with_text(texture(540, 960, seed=seed), "Back to Berlin", at=at, scale=scale)
        scores = scorer.score(view_of([frame], fps=2))
        assert scores["text"] == "Back to Berlin"
        assert 0.8 * truth < area(scores) < 1.9 * truth


def test_slanted_text_counts_as_it_lies(scorer: TextAreaScorer) -> None:
    frame, truth = with_text(texture(540, 960), "Where are you going", at=(150, 290), scale=1.8, degrees=25)
    assert 0.8 * truth < area(scorer.score(view_of([frame], fps=2))) < 1.9 * truth


@pytest.mark.parametrize("degrees", [90, -90])
def test_text_that_runs_up_or_down_is_read(scorer: TextAreaScorer, degrees: int) -> None:
    frame, truth = with_text(texture(540, 960), "Chapter One", at=(300, 290), scale=1.8, degrees=degrees)
    scores = scorer.score(view_of([frame], fps=2))
    assert scores["text"] == "Chapter One"
    assert 0.8 * truth < area(scores) < 1.9 * truth


def test_subtitle_of_small_video_is_seen(scorer: TextAreaScorer) -> None:
    frame, _ = with_text(texture(540, 960), "I never said that", at=(120, 500), scale=2.2)
    small = cv2.resize(frame, (426, 240), interpolation=cv2.INTER_AREA).astype(np.uint8)
    assert area(scorer.score(view_of([small], fps=2))) > 0.005


def test_pictures_without_text_measure_exactly_zero(scorer: TextAreaScorer) -> None:
    y, x = np.mgrid[:360, :640]
    stripes = np.where(x // 16 % 2, 220, 30)
    fence = np.where((x % 40 < 12) & (abs(y - 180) < 120), 230, 100)
    rings = 127 + 120 * np.sin(np.hypot(x - 320, y - 180) / 9)
    board = np.where((x // 32 + y // 32) % 2, 255, 0)
    discs = np.where(np.hypot(x % 64 - 32, y % 64 - 32) < 22, 60, 200)
    black = np.zeros_like(board)
    patterns = [pattern.astype(np.uint8) for pattern in (stripes, fence, rings, board, discs, black)]
    for frame in [*patterns, *(texture(540, 960, seed=seed) for seed in range(4))]:
        assert scorer.score(view_of([frame], fps=2)) == {"text_area": 0.0, "text": None}


def test_title_that_comes_and_goes_is_seen(scorer: TextAreaScorer) -> None:
    pan = moving(texture(700, 1400, seed=3), (540, 960), lambda t: (40 * t - 160, 5 * t, 1), fps=8, seconds=8)
    frames = list(pan)
    for title_start in (0, 27, 56):
        titled = [
            with_text(frame, "PART TWO", at=(300, 300), scale=2)[0] if title_start <= n < title_start + 8 else frame
            for n, frame in enumerate(frames)
        ]
        scores = scorer.score(view_of(titled, fps=8))
        assert scores["text"] == "PART TWO"
        assert area(scores) > 0.01


def test_still_clip_is_read_once_and_a_new_place_of_text_once_more() -> None:
    scene = texture(540, 960)
    titled = with_text(scene, "PART TWO", at=(300, 300), scale=2)[0]
    assert len(frames_to_read(view_of([scene] * 10, fps=2).samples, 4)) == 1
    both = frames_to_read(view_of([scene] * 4 + [titled] * 2 + [scene] * 4, fps=2).samples, 4)
    assert any(2.0 <= sample.seconds < 3.0 for sample in both)
    assert len(both) <= 2


def test_distinct_lines_are_joined_and_bounded(scorer: TextAreaScorer) -> None:
    scene = texture(540, 960, seed=1)
    first = with_text(with_text(scene, "Chapter One", at=(60, 80), scale=1.5)[0], "The return", at=(60, 200), scale=1.5)
    second = with_text(scene, "Subscribe", at=(500, 450), scale=1.5)
    assert (
        scorer.score(view_of([first[0]] * 3 + [second[0]] * 3, fps=2))["text"] == "Chapter One / The return / Subscribe"
    )


def test_dense_page_counts_beyond_the_lines_that_are_read(scorer: TextAreaScorer) -> None:
    page = np.full((540, 960), 245, np.uint8)
    for row in range(8):
        page, _ = with_text(page, "markers are found here", at=(80, 80 + 55 * row), scale=1.2, shade=10)
    full = scorer.score(view_of([page], fps=2))["text_area"]
    assert TextAreaScorer(max_lines=3).score(view_of([page], fps=2))["text_area"] == full


def test_clip_measures_the_same_whatever_was_scored_before(scorer: TextAreaScorer) -> None:
    titled = view_of([with_text(texture(540, 960, seed=5), "Welcome", at=(200, 300), scale=2.5)[0]], fps=2)
    plain = view_of([texture(360, 640, seed=6)], fps=2)
    alone = [TextAreaScorer().score(view) for view in (titled, plain)]
    assert [scorer.score(view) for view in (titled, plain, titled)] == [alone[0], alone[1], alone[0]]


def test_overlap_counts_once_and_a_slanted_box_as_its_polygon() -> None:
    box = np.array([[100, 100], [500, 100], [500, 200], [100, 200]], np.float32)
    shifted = box + np.array([200, 0], np.float32)
    diamond = np.array([[500, 100], [700, 300], [500, 500], [300, 300]], np.float32)
    assert covered_share([box, box], 1000, 1000) == pytest.approx(0.04, rel=0.03)
    assert covered_share([box, shifted], 1000, 1000) == pytest.approx(0.06, rel=0.03)
    assert covered_share([diamond], 1000, 1000) == pytest.approx(0.08, rel=0.03)


def test_pictures_of_few_pixels_are_measured(scorer: TextAreaScorer) -> None:
    for shape in ((1, 1), (4, 300), (300, 4)):
        assert scorer.score(view_of([np.full(shape, 90, np.uint8)], fps=2))["text_area"] == 0.0


def test_silent_and_offline(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    scorer = TextAreaScorer()
    scorer.setup()
    scorer.score(view_of([texture(360, 640)], fps=2))
    assert capfd.readouterr() == ("", "")


def test_counts_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="max_frames is 0"):
        TextAreaScorer(max_frames=0)
    with pytest.raises(ValueError, match="max_lines is -1"):
        TextAreaScorer(max_lines=-1)


def area(scores: Mapping[str, Score]) -> float:
    value = scores["text_area"]
    assert isinstance(value, float)
    return value


def with_text(
    frame: Frame, text: str, *, at: tuple[int, int], scale: float, degrees: float = 0, shade: int = 255
) -> tuple[Frame, float]:
    """The gray frame with an outlined line drawn from the baseline point `at` and turned counterclockwise about the
    frame's centre; and the share of the frame in the line's own (turned) bounding box."""
    height, width = frame.shape
    fill, outline = np.zeros((2, height, width), np.uint8)
    cv2.putText(fill, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, round(2 * scale), cv2.LINE_AA)
    cv2.putText(outline, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, round(2 * scale) + 4, cv2.LINE_AA)
    _, _, line_width, line_height = cv2.boundingRect(fill)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    fill, outline = (cv2.warpAffine(mask, turn, (width, height)) / 255 for mask in (fill, outline))
    drawn = frame * (1 - outline) + (255 - shade) * outline
    drawn = drawn * (1 - fill) + shade * fill
    return np.rint(drawn).astype(np.uint8), line_width * line_height / (width * height)
