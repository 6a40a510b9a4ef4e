from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import rapidocr

from filters.base import Score
from filters.text.boxes import covered_share
from filters.text.line_detector import LONG_SIDE, LineDetector
from filters.text.line_reader import LineReader
from filters.text.news import frames_to_read
from filters.text_area import TextAreaScorer
from tests.filters.views import moving, texture, view_of

Frame = npt.NDArray[np.uint8]

NOTHING = {
    "text_area": 0.0,
    "text": None,
    "text_scripts": None,
    "subtitles": 0.0,
    "subtitle_top": None,
    "subtitle_bottom": None,
}


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


@pytest.mark.parametrize(("line", "at", "scale"), [("Berlin", (30, 380), 8), ("SEA", (120, 400), 11)])
def test_letters_of_a_third_and_half_of_the_height_are_seen(
    scorer: TextAreaScorer, line: str, at: tuple[int, int], scale: float
) -> None:
    scene = texture(540, 960)
    frame, truth = with_text(scene, line, at=at, scale=scale)
    for frames in ([frame], [scene] * 2 + [frame] * 2):
        scores = scorer.score(view_of(frames, fps=2))
        assert scores["text"] == line
        assert 0.8 * truth < area(scores) < 1.9 * truth


@pytest.mark.parametrize("at", [(-150, 290), (560, 300)], ids=["above", "below"])
def test_upright_title_that_the_edge_cuts_off_is_seen(scorer: TextAreaScorer, at: tuple[int, int]) -> None:
    whole = "Chapter One: the river"
    frame, _ = with_text(texture(540, 960), whole, at=at, scale=1.8, degrees=90)
    scores = scorer.score(view_of([frame], fps=2))
    assert len(str(scores["text"])) >= 6
    assert str(scores["text"]) in whole
    assert area(scores) > 0.01


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
        assert scorer.score(view_of([frame], fps=2)) == NOTHING


@pytest.mark.parametrize("seed", range(3))
def test_rows_of_things_measure_exactly_zero(scorer: TextAreaScorer, seed: int) -> None:
    draw = np.random.default_rng(seed)
    for thing in (coin, note, window, leaf, chevron, ring):
        frame = texture(540, 960, seed=seed) // 3
        size = int(draw.integers(20, 60))
        for number in range(14):
            thing(frame, 60 + int(number * size * 1.2), 200 + 40 * seed, size, draw)
        assert scorer.score(view_of([frame], fps=2)) == NOTHING


@pytest.mark.parametrize(
    "line",
    ["Где ты был всё это время", "여기서 뭐 하고 있어", "הרכבת האחרונה יוצאת בתשע"],
    ids=["cyrillic", "korean", "hebrew"],
)
def test_text_of_a_script_that_cannot_be_read_counts_and_is_not_quoted(scorer: TextAreaScorer, line: str) -> None:
    for seed, (scale, at, degrees) in enumerate([(1.0, (200, 480), 0), (1.4, (150, 300), 0), (1.2, (190, 280), 12)]):
        frame, truth = with_text(texture(540, 960, seed=seed), line, at=at, scale=scale, degrees=degrees)
        scores = scorer.score(view_of([frame], fps=2))
        assert 0.8 * truth < area(scores) < 1.9 * truth
        assert scores["text"] is None
        assert scores["text_scripts"] == "unknown"


def test_scripts_are_those_of_what_was_read(scorer: TextAreaScorer) -> None:
    frame = texture(540, 960)
    for row, line in enumerate(["Back to Berlin", "这段时间你去哪儿了", "Πού ήσουν όλο αυτό", "여기서 뭐 하고 있어"]):
        frame, _ = with_text(frame, line, at=(200, 120 + 110 * row), scale=1.6)
    named = str(scorer.score(view_of([frame], fps=2))["text_scripts"]).split(", ")
    assert set(named) == {"Greek", "Han", "Latin", "unknown"}
    assert named[-1] == "unknown"
    digits, _ = with_text(texture(540, 960), "12:45 30", at=(200, 300), scale=2)
    scores = scorer.score(view_of([digits], fps=2))
    assert (scores["text"], scores["text_scripts"]) == ("12:45 30", None)


def test_reading_is_that_of_rapidocr() -> None:
    models = Path(rapidocr.__file__).parent / "models"
    reader = LineReader(models)
    theirs = rapidocr.RapidOCR(params={"Global.log_level": "critical", "Global.use_preprocess_img": False})
    for line in ("Back to Berlin", "o", "markers are found here and there and on the way to the sea"):
        frame, _ = with_text(texture(60, 960), line, at=(10, 40), scale=0.9)
        crop = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)[:, : 60 + 16 * len(line)]
        ours = reader.read(crop)
        expected = theirs(crop, use_det=False, use_cls=False, use_rec=True)
        assert ours.line == expected.txts[0]
        assert ours.confidence == pytest.approx(expected.scores[0], abs=2e-4)


def test_detection_is_that_of_rapidocr() -> None:
    models = Path(rapidocr.__file__).parent / "models"
    detector = LineDetector(models)
    theirs = rapidocr.RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_preprocess_img": False,
            "Det.limit_type": "max",
            "Det.limit_side_len": LONG_SIDE,
        }
    )
    frame, _ = with_text(texture(360, 640), "Back to Berlin", at=(60, 320), scale=1.2)
    frame, _ = with_text(frame, "Where are you going", at=(150, 190), scale=0.9, degrees=25)
    bgr = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR).astype(np.uint8)
    found = theirs(bgr, use_det=True, use_cls=False, use_rec=False).boxes
    assert len(found) >= 2
    np.testing.assert_allclose(np.stack(detector.detect(bgr)), found, atol=1)


def test_boxes_are_looked_for_where_it_is_asked() -> None:
    detector = LineDetector(Path(rapidocr.__file__).parent / "models")
    frame, _ = with_text(texture(540, 960), "PART TWO", at=(600, 480), scale=2)
    bgr = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR).astype(np.uint8)
    everywhere = np.ones((9, 16), np.bool_)
    lower_right, left = np.zeros((2, 9, 16), np.bool_)
    lower_right[7, 10:15] = left[:, :6] = True
    assert [detector.boxes_any(bgr, where) for where in (everywhere, lower_right, left)] == [True, True, False]
    assert not detector.boxes_any(bgr[:, :4], lower_right)


def test_line_that_stays_while_the_scene_moves_is_a_subtitle(scorer: TextAreaScorer) -> None:
    titled = [subtitled(frame) if 8 <= n < 24 else frame for n, frame in enumerate(panning(4))]
    scores = scorer.score(view_of(titled, fps=8))
    assert scores["subtitles"] == 0.5
    assert_band(scores)


def test_line_that_comes_and_goes_is_a_subtitle_also_in_a_still_scene(scorer: TextAreaScorer) -> None:
    scene = texture(540, 960)
    scores = scorer.score(view_of([scene] * 4 + [subtitled(scene)] * 4, fps=2))
    assert scores["subtitles"] == 0.5
    assert_band(scores)


def test_lines_that_replace_one_another_are_subtitles_wherever_they_begin(scorer: TextAreaScorer) -> None:
    scene = texture(540, 960)
    first, second = (
        with_text(scene, line, at=(90, 500), scale=1.2)[0] for line in ("Did you see it go", "No. It was here")
    )
    scores = scorer.score(view_of([scene] * 2 + [first] * 3 + [second] + [scene] * 2, fps=2))
    assert scores["subtitles"] == 0.5
    assert_band(scores)
    alone = scorer.score(view_of([scene] * 2 + [first] * 3 + [scene] * 3, fps=2))
    assert area(alone) > 0.005
    assert alone["subtitles"] == 0.0


def test_sign_is_no_subtitle(scorer: TextAreaScorer) -> None:
    wide = texture(700, 1400)
    sign = cv2.putText(wide.copy(), "GRAND HOTEL", (550, 560), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 255, 4, cv2.LINE_AA)
    with_camera = moving(sign, (540, 960), lambda t: (60 * t - 100, 0, 1), fps=8, seconds=4)
    for frames, fps in ((list(with_camera), 8), ([subtitled(texture(540, 960))] * 8, 2)):
        scores = scorer.score(view_of(frames, fps=fps))
        assert area(scores) > 0.005
        assert (scores["subtitles"], scores["subtitle_top"], scores["subtitle_bottom"]) == (0.0, None, None)


def test_title_in_the_middle_or_beside_is_no_subtitle(scorer: TextAreaScorer) -> None:
    for at in ((330, 280), (30, 500), (620, 60)):
        titled = [with_text(frame, "PART TWO", at=at, scale=1.5)[0] for frame in panning(2)]
        scores = scorer.score(view_of(titled, fps=8))
        assert area(scores) > 0.005
        assert scores["subtitles"] == 0.0


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


def panning(seconds: int) -> list[Frame]:
    scene = texture(700, 1400, seed=3)
    return list(moving(scene, (540, 960), lambda t: (40 * t - 160, 5 * t, 1), fps=8, seconds=seconds))


def subtitled(frame: Frame) -> Frame:
    return with_text(frame, "Where have you been", at=(290, 500), scale=1.2)[0]


def assert_band(scores: Mapping[str, Score]) -> None:
    """Of `subtitled`, whose letters reach from 474 to 507 of 540."""
    top, bottom = scores["subtitle_top"], scores["subtitle_bottom"]
    assert isinstance(top, float)
    assert isinstance(bottom, float)
    assert abs(top - 474 / 540) < 10 / 540
    assert abs(bottom - 507 / 540) < 10 / 540


def coin(frame: Frame, x: int, y: int, size: int, draw: np.random.Generator) -> None:
    cv2.circle(frame, (x, y), size // 2, 210, -1, cv2.LINE_AA)
    cv2.ellipse(frame, (x, y), (size // 4, size // 3), float(draw.uniform(0, 180)), 0, 250, 140, 2, cv2.LINE_AA)


def note(frame: Frame, x: int, y: int, size: int, draw: np.random.Generator) -> None:
    y += int(draw.integers(-2, 3)) * size // 4
    cv2.ellipse(frame, (x, y), (size // 4, size // 5), -20, 0, 360, 230, -1, cv2.LINE_AA)
    cv2.line(frame, (x + size // 4, y), (x + size // 4, y - size), 230, 2, cv2.LINE_AA)


def window(frame: Frame, x: int, y: int, size: int, draw: np.random.Generator) -> None:
    cv2.rectangle(frame, (x, y), (x + 2 * size // 3, y + size), int(draw.integers(120, 255)), -1)
    cv2.line(frame, (x + size // 3, y), (x + size // 3, y + size), 20, 2)


def leaf(frame: Frame, x: int, y: int, size: int, draw: np.random.Generator) -> None:
    cv2.ellipse(frame, (x, y), (size // 2, size // 6), float(draw.uniform(0, 180)), 0, 360, 200, -1, cv2.LINE_AA)


def ring(frame: Frame, x: int, y: int, size: int, draw: np.random.Generator) -> None:
    cv2.ellipse(frame, (x, y), (size // 2, size // 4), 90 * (x // size % 2), 0, 360, 220, size // 9, cv2.LINE_AA)


def chevron(frame: Frame, x: int, y: int, size: int, draw: np.random.Generator) -> None:
    corners = np.array([[x, y], [x + size // 2, y + size // 2], [x, y + size]])
    cv2.polylines(frame, [corners], False, 220, size // 8, cv2.LINE_AA)


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
