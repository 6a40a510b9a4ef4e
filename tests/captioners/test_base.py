import cv2
import numpy as np
import pytest

from captioners.attributes import AttributesCaptioner
from captioners.base import NO_TEXT, NOTHING, OUTCOMES, Caption, Captioner
from tests.filters.views import moving, texture, view_of


class Looking(Captioner):
    name = "looking"
    num_frames = 3
    long_side = 64

    def caption(self, clips):
        return [Caption(text=f"{len(clip.frames)} frames", outcome="ok") for clip in clips]


def test_a_blank_caption_is_refused():
    with pytest.raises(ValueError, match="blank"):
        Caption(text="  ", outcome="ok")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_outcome_has_a_text_or_has_none(outcome):
    right, wrong = (None, "A dog.") if outcome in NO_TEXT else ("A dog.", None)
    assert Caption(text=right, outcome=outcome).text == right
    with pytest.raises(ValueError, match=outcome):
        Caption(text=wrong, outcome=outcome)


def test_an_outcome_is_one_of_those_there_are():
    with pytest.raises(ValueError, match="refused"):
        Caption(text="A dog.", outcome="fine")


def test_frames_are_jpegs_in_order_and_small():
    fade = [np.full((90, 160, 3), 20 + 6 * t, np.uint8) for t in range(30)]
    frames = Looking().look(view_of(fade)).frames
    pictures = [cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_COLOR) for frame in frames]
    assert all(picture.shape == (36, 64, 3) for picture in pictures)
    assert len({round(float(p.mean())) for p in pictures}) == len(pictures) > 1
    assert sorted(pictures, key=np.mean)[0] is pictures[0]


def test_no_frames_are_made_for_those_that_need_none():
    view = view_of(moving(texture(100, 200), (60, 90), lambda t: (3 * t, 0, 1), seconds=1.0))
    assert AttributesCaptioner().look(view) == NOTHING


def test_halves_of_characters_do_not_reach_the_table():
    class Half(AttributesCaptioner):
        def caption(self, clips):
            return [Caption(text="a \ud83d b", outcome="ok") for _ in clips]

    captioner = Half()
    (scores,) = captioner.scores([None], [{"clip_id": "a"}])
    assert captioner.filled(scores)["caption"] == "a ? b"
