from __future__ import annotations

import math
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from filters.base import Score
from filters.text_area_easyocr import EasyOcrTextAreaScorer
from preprocess.io.weights import MissingWeightsError
from tests.filters.views import texture, view_of

torch = pytest.importorskip("torch")
easyocr = pytest.importorskip("easyocr")

from easyocr import config, detection, recognition, utils  # noqa: E402

from filters.text.boxes import covered_share  # noqa: E402
from filters.text.easyocr_detector import boxes_of  # noqa: E402
from filters.text.easyocr_recogniser import RECOGNISERS, Recogniser, recogniser_for  # noqa: E402
from tests import tiny_easyocr  # noqa: E402

Frame = npt.NDArray[np.uint8]
SIZE = (128, 192)
"""Height and width of the frames here: CRAFT takes a second of a core for 0.1 M pixels."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other cost more than they bring where several tests share the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that take what is bright for text, and read bars."""
    folder = tmp_path_factory.mktemp("made")
    return tiny_easyocr.save(folder, tiny_easyocr.craft_of_brightness(), tiny_easyocr.crnn_of_bars())


@pytest.fixture(scope="module")
def random(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("random")
    return tiny_easyocr.save(folder, tiny_easyocr.random_craft(), tiny_easyocr.random_crnn())


@pytest.fixture(scope="module")
def reader(made: Path) -> EasyOcrTextAreaScorer:
    scorer = EasyOcrTextAreaScorer(weights=str(made))
    scorer.setup()
    return scorer


@pytest.fixture(scope="module")
def finder(made: Path) -> EasyOcrTextAreaScorer:
    scorer = EasyOcrTextAreaScorer(weights=str(made), read=False)
    scorer.setup()
    return scorer


@pytest.mark.parametrize("degrees", [0, 4, 20, 45, 70, -30])
def test_line_counts_as_the_rectangle_that_it_is_at_any_slant(degrees: float) -> None:
    region = rectangle(120, 40, degrees)
    assert covered(region) == pytest.approx(drawn_by_craft(120, 40, degrees) / (4 * region.size), rel=0.05)


def test_area_is_that_of_the_frame_with_most_text(finder: EasyOcrTextAreaScorer) -> None:
    little, much = bar(blank(), (90, 30), 40, 12), bar(blank(), (90, 64), 120, 40, 30)
    clips = finder.score([[blank(), much, little], [blank()], [little]])
    assert clips[0]["text_area"] == pytest.approx(drawn_by_craft(61, 21, 30) / math.prod(SIZE), rel=0.1)
    assert 0 < area(clips[2]) < area(clips[0]) / 3
    assert clips[1] == {"text_area": 0.0, "text": None}


def test_overlapping_boxes_count_once() -> None:
    region = np.zeros((128, 192), np.float32)
    region[20:110, 20:32] = region[98:110, 20:150] = 1  # an L: its box is the whole corner,
    corner = covered(region)
    region[40:70, 80:110] = 1  # and this block lies inside that box
    assert len(boxes_of(np.dstack([region, 0 * region]), 384, 256)) == 2
    assert corner > 0.3
    assert covered(region) == pytest.approx(corner, rel=0.01)


def test_letters_are_one_word_where_they_belong_together() -> None:
    letters, between = np.zeros((2, 128, 192), np.float32)
    letters[50:70, 20:40] = letters[50:70, 90:110] = 1
    between[58:62, 35:95] = 1
    apart, word = covered(letters), covered(letters, between)
    assert word == pytest.approx(apart * (110 - 20 + 8) / (2 * (20 + 8)), rel=0.1)


def test_boxes_are_those_of_easyocr(random: Path) -> None:
    net = detection.get_detector(str(random / "craft_mlt_25k.pth"), "cpu", quantize=False)
    frames = [cv2.merge([texture(*shape, seed=seed) for seed in range(3)]) for shape in (SIZE, (120, 180))]
    ours = EasyOcrTextAreaScorer(weights=str(random), read=False)._detector.detect(frames)
    num_slanted = 0
    for frame, boxes in zip(frames, ours, strict=True):
        words = detection.get_textbox(net, frame, 2560, 1.0, 0.7, 0.4, 0.4, False, "cpu")[0]
        level, slanted = utils.group_text_box(words, 0.1, 0.5, 0.5, 0.5, 0.1)
        theirs = [[[x0, y0], [x1, y0], [x1, y1], [x0, y1]] for x0, x1, y0, y1 in level] + slanted
        inside = frame.shape[1::-1]  # EasyOCR also finds text in the black that it adds to the right and below
        theirs = [box for box in theirs if np.ptp(box, axis=0).max() > 20 and (np.min(box, axis=0) < inside).all()]
        assert len(boxes) > 3
        num_slanted += len(slanted)
        np.testing.assert_allclose(sorted(box.roomy.tolist() for box in boxes), sorted(theirs), atol=0.01)
    assert num_slanted > 0


@pytest.mark.filterwarnings("ignore:.*pin_memory")
def test_readings_are_those_of_easyocr(random: Path) -> None:
    file = random / "english_g2.pth"
    characters = tiny_easyocr.ENGLISH
    params = {"input_channel": 1, "output_channel": 256, "hidden_size": 256}
    net, converter = recognition.get_recognizer("generation2", params, characters, {}, {}, str(file), "cpu", False)
    rng = np.random.default_rng(0)
    crops = [
        cv2.resize(rng.integers(low, 255, (8, width), np.uint8), (8 * width, 40))
        for width, low in ((6, 0), (15, 0), (16, 230), (14, 0), (3, 240))
    ]
    theirs = []
    for crop in crops:
        images, width = utils.get_image_list([[0, crop.shape[1], 0, crop.shape[0]]], [], crop)
        theirs += recognition.get_text(characters, 64, width, net, converter, images, workers=0)
    ours = Recogniser(file, "en", batch_size=2).read(crops)
    assert [line for line, _ in ours] == [line for _, line, _ in theirs]
    assert [confidence for _, confidence in ours] == pytest.approx([its for _, _, its in theirs], rel=1e-3)
    assert len({line for line, _ in ours}) > 2
    assert any(confidence < 0.1 for _, confidence in ours)  # which were read twice


def test_only_what_can_be_read_counts(reader: EasyOcrTextAreaScorer, finder: EasyOcrTextAreaScorer) -> None:
    line = barred(blank(), (80, 30), 120, 24)
    lamp = bar(blank(), (100, 90), 60, 40, shade=178)
    both = np.maximum(line, lamp)
    seen = [area(scores) for scores in finder.score([[line], [lamp], [both]])]
    assert reader.score([[line], [lamp], [both]]) == [
        {"text_area": seen[0], "text": "HIHIH"},
        {"text_area": 0.0, "text": None},
        {"text_area": seen[0], "text": "HIHIH"},
    ]
    assert seen[2] == pytest.approx(seen[0] + seen[1])


@pytest.mark.parametrize("degrees", [25, -40, 90])
def test_slanted_and_upright_lines_are_read(reader: EasyOcrTextAreaScorer, degrees: float) -> None:
    scores = scored(reader, barred(blank(), (96, 64), 110, 24, degrees))
    assert scores["text"] == "HIHIH"
    # Drawing it and halving it each add about a pixel of the frame to its sides.
    assert area(scores) == pytest.approx(drawn_by_craft(56, 13, degrees) / math.prod(SIZE), rel=0.1)


def test_lines_are_joined_once_each_in_order(reader: EasyOcrTextAreaScorer) -> None:
    first = barred(blank(), (90, 30), 120, 24)
    second = barred(first, (90, 90), 80, 24, bars=1)
    assert reader.score([[first, second, first]])[0]["text"] == "HIHIH / HIH"


def test_an_unsure_reading_is_no_text(made: Path) -> None:
    line = barred(blank(), (90, 64), 120, 24)
    assert scored(EasyOcrTextAreaScorer(weights=str(made), min_confidence=1.0), line)["text_area"] == 0.0


def test_dense_page_counts_beyond_the_lines_that_are_read(made: Path, reader: EasyOcrTextAreaScorer) -> None:
    page = blank()
    for row, width in enumerate((100, 110, 120)):
        page = barred(page, (96, 24 + 40 * row), width, 20)
    few = EasyOcrTextAreaScorer(weights=str(made), max_lines=2)
    scores = scored(few, page)
    assert scores["text"] == "HIHIH"
    assert scores["text_area"] == scored(reader, page)["text_area"] > 0.3


def test_clip_measures_the_same_whatever_shares_its_batch(random: Path) -> None:
    scorer = EasyOcrTextAreaScorer(weights=str(random), min_confidence=0.0, batch_size=3)
    shapes = [SIZE, (120, 180), (60, 100), SIZE, (8, 6)]
    clips = [
        [cv2.merge([texture(*shape, seed=seed + n)] * 3) for n in range(1 + seed % 2)]
        for seed, shape in enumerate(shapes)
    ]
    alone = [scorer.score([clip])[0] for clip in clips]
    together = scorer.score(clips)
    assert [scores["text"] for scores in together] == [scores["text"] for scores in alone]
    assert [area(scores) for scores in together] == pytest.approx([area(scores) for scores in alone], rel=1e-3)
    assert sum(area(scores) > 0.01 and scores["text"] is not None for scores in alone) >= 3


def test_batches_are_halved_for_good_where_memory_is_short(made: Path) -> None:
    scorer = EasyOcrTextAreaScorer(weights=str(made), batch_size=8)
    scorer.setup()
    clips = [[barred(blank()[:64], (90, 28 + 2 * n), 120, 24)] for n in range(5)]
    roomy = scorer.score(clips)
    sizes: list[int] = []

    def short(_: object, inputs: tuple[torch.Tensor, ...]) -> None:
        sizes.append(len(inputs[0]))
        if len(inputs[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    for net in (scorer._detector._net, scorer._recogniser._net):
        net.register_forward_pre_hook(short)
    assert scorer.score(clips) == roomy
    assert sizes == [5, 2, 2, 1] * 2
    sizes.clear()
    assert scorer.score(clips) == roomy
    assert sizes == [2, 2, 1] * 2


def test_out_of_memory_for_a_single_frame_is_an_error(made: Path) -> None:
    scorer = EasyOcrTextAreaScorer(weights=str(made), read=False)

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    scorer._detector._net.register_forward_pre_hook(full)
    with pytest.raises(torch.OutOfMemoryError):
        scorer.score([[blank()], [blank()]])


def test_frames_are_rgb_and_those_with_new_text(reader: EasyOcrTextAreaScorer) -> None:
    red = np.zeros((*SIZE, 3), np.uint8)
    red[..., 2] = 250
    titled = red.copy()
    cv2.putText(titled, "PART TWO", (20, 70), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 255, 255), 2)
    assert len(reader.frames(view_of([red] * 10, fps=2))) == 1
    frames = reader.frames(view_of([red] * 4 + [titled] * 2 + [red] * 4, fps=2))
    assert 1 <= len(frames) <= 2
    assert frames[0].shape == (*SIZE, 3)
    assert frames[0][0, 0, 0] > 240 > 10 > frames[0][0, 0, 2]


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("name", ["craft_mlt_25k.pth", "english_g2.pth"])
def test_file_with_code_in_it_is_refused(made: Path, tmp_path: Path, name: str) -> None:
    for file in made.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / name).unlink()
    torch.save({"module.conv": Hostile(tmp_path / "ran")}, tmp_path / name)
    with pytest.raises(ValueError, match=f"{name}: holds more than plain tensors"):
        EasyOcrTextAreaScorer(weights=str(tmp_path)).setup()
    assert not (tmp_path / "ran").exists()


def test_damaged_and_mistaken_files_are_named(made: Path, tmp_path: Path) -> None:
    (tmp_path / "craft_mlt_25k.pth").symlink_to(made / "english_g2.pth")
    scorer = EasyOcrTextAreaScorer(weights=str(tmp_path), read=False)
    with pytest.raises(ValueError, match=r"craft_mlt_25k\.pth: not the weights of this model"):
        scorer.setup()
    (tmp_path / "craft_mlt_25k.pth").unlink()
    for content in (b"", (made / "english_g2.pth").read_bytes()[:5000], b"<html>not found</html>"):
        (tmp_path / "craft_mlt_25k.pth").write_bytes(content)
        with pytest.raises(ValueError, match=r"craft_mlt_25k\.pth"):
            scorer.setup()
    torch.save([torch.zeros(1)], tmp_path / "craft_mlt_25k.pth")
    with pytest.raises(ValueError, match="holds a list"):
        scorer.setup()


def test_missing_files_are_found_before_any_model_library_is_loaded(made: Path, tmp_path: Path) -> None:
    (tmp_path / "craft_mlt_25k.pth").symlink_to(made / "craft_mlt_25k.pth")
    EasyOcrTextAreaScorer(weights=str(made)).check()
    EasyOcrTextAreaScorer(weights=str(tmp_path), read=False).check()
    with pytest.raises(MissingWeightsError, match=r"latin_g2\.pth.*--set scorers\.text_area_easyocr\.weights=.*https:"):
        EasyOcrTextAreaScorer(weights=str(tmp_path), languages="en,de").check()
    program = (
        "import sys; from filters.text_area_easyocr import EasyOcrTextAreaScorer as Scorer\n"
        f"try: Scorer(weights={str(tmp_path / 'nowhere')!r}).check()\n"
        "except ValueError as error: print(error, sorted({'torch', 'easyocr', 'cv2.dnn'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "craft_mlt_25k.pth" in run.stdout
    assert "torch" not in run.stdout.rsplit("[", 1)[1]
    assert "easyocr" not in run.stdout.rsplit("[", 1)[1]


def test_languages_get_the_network_that_easyocr_chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])  # the Reader adds to it
    networks = config.recognition_models["gen1"] | config.recognition_models["gen2"]
    folder = Path(easyocr.__file__).parent / "character"
    for language in config.all_lang_list:
        if not (folder / f"{language}_char.txt").exists():
            continue  # announced, and refused by the Reader too
        chosen = recogniser_for(f"{language},en")
        theirs = easyocr.Reader(
            list({language, "en"}), False, str(tmp_path), str(tmp_path), detector=False, recognizer=False, verbose=False
        )
        assert networks[chosen]["model_script"] == theirs.model_lang
        assert networks[chosen]["characters"] == theirs.character
        assert networks[chosen]["filename"] == RECOGNISERS[chosen][0]


def test_silent_and_offline(
    made: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    scorer = EasyOcrTextAreaScorer(weights=str(made))
    scorer.setup()
    assert scored(scorer, barred(blank(), (90, 64), 120, 24))["text"] == "HIHIH"
    scorer.close()
    assert capfd.readouterr() == ("", "")
    assert not list(recwarn)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="batch_size is 0"):
        EasyOcrTextAreaScorer(batch_size=0)
    with pytest.raises(ValueError, match=r"min_confidence is 1\.5"):
        EasyOcrTextAreaScorer(min_confidence=1.5)
    with pytest.raises(ValueError, match="languages is 'ja,ko', must be en or"):
        EasyOcrTextAreaScorer(languages="ja,ko")
    with pytest.raises(ValueError, match="languages is 'en,'"):
        EasyOcrTextAreaScorer(languages="en,")


def blank() -> Frame:
    return np.full((*SIZE, 3), 20, np.uint8)


def bar(
    frame: Frame, centre: tuple[float, float], width: int, height: int, degrees: float = 0, shade: int = 255
) -> Frame:
    """The frame with a filled rectangle, turned clockwise."""
    corners = cv2.boxPoints((centre, (width, height), degrees))
    return cv2.fillPoly(frame.copy(), [np.rint(corners).astype(np.int32)], (shade,) * 3)


def barred(
    frame: Frame, centre: tuple[float, float], width: int, height: int, degrees: float = 0, bars: int = 2
) -> Frame:
    """The frame with a gray line that has white bars across it."""
    frame = bar(frame, centre, width, height, degrees, shade=178)
    turn = math.radians(degrees)
    for n in range(bars):
        along = width * ((n + 1) / (bars + 1) - 0.5)
        at = (centre[0] + along * math.cos(turn), centre[1] + along * math.sin(turn))
        frame = bar(frame, at, width // 8, height, degrees)
    return frame


def rectangle(width: float, height: float, degrees: float) -> npt.NDArray[np.float32]:
    """A region map that is 1 in a rectangle, turned clockwise."""
    y, x = np.mgrid[-120:120, -160:160] + 0.3
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    along, across = x * cos + y * sin, y * cos - x * sin
    return ((abs(along) <= width / 2) & (abs(across) <= height / 2)).astype(np.float32)


def drawn_by_craft(width: float, height: float, degrees: float) -> float:
    """Pixels of the frame in CRAFT's box around a rectangle of its map, which is half as large: dilated by a square
    whose side depends on how much the rectangle fills of its bounds (`getDetBoxes_core`)."""
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    across, down = width * cos + height * sin, width * sin + height * cos
    grown = int(2 * math.sqrt(width * height * min(across, down) / (across * down))) * (cos + sin)
    return 4 * (width + grown) * (height + grown)


def covered(region: npt.NDArray[np.float32], affinity: npt.NDArray[np.float32] | None = None) -> float:
    maps = np.dstack([region, 0 * region if affinity is None else affinity])
    height, width = (2 * side for side in region.shape)
    return covered_share([box.tight for box in boxes_of(maps, width, height)], width, height)


def scored(scorer: EasyOcrTextAreaScorer, frame: Frame) -> Mapping[str, Score]:
    return scorer.score([[frame]])[0]


def area(scores: Mapping[str, Score]) -> float:
    value = scores["text_area"]
    assert isinstance(value, float)
    return value
