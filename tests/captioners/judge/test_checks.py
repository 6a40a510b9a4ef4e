"""The rules against captions such as models write: those they must hit, and those they must leave alone."""

import pytest

from captioners.attributes import CAMERAS, AttributesCaptioner
from captioners.base import ClipToDescribe
from captioners.judge.checks import clean, issues, outcome, repeated_share

STREET = (
    "A woman in a long green coat and white trainers walks briskly along a wet cobbled street, from the left of "
    "the picture towards its centre, carrying a red umbrella in her right hand. Behind her, a yellow tram "
    "approaches with its headlights on and two cyclists in dark jackets overtake it. She stops at the kerb, "
    "lowers the umbrella, shakes it twice and steps onto the pavement. Brick houses with shop windows line both "
    "sides of the street; puddles reflect their warm light. The camera follows her at shoulder height in a medium "
    "shot, then holds still as she leaves on the right. Overcast evening light, soft shadows, muted blues and "
    "browns with red and yellow accents. Live action, natural colour, shallow depth of field."
)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that request.",
        "I\u2019m really sorry, but I can\u2019t help with identifying people in this.",
        "Sorry, I cannot describe this content.",
        "I apologize, but I am unable to view videos.",
        "I cannot provide a description of this content as it may violate guidelines.",
        "Unfortunately, I am not able to see the frames you mention.",
        "As an AI language model, I do not have the capability to watch videos.",
        "A man stands by a door. I'm unable to identify the person.",
        "No image was provided. Please upload the frames.",
        "It seems you haven't attached any frames.",
        "I'm afraid I can't do that.",
        "抱歉，我无法描述这段视频。",  # noqa: RUF001
    ],
)
def test_refusals(text):
    assert outcome(text, "stop") == "refused"


@pytest.mark.parametrize(
    "text",
    [
        STREET,
        "Afraid of the dog, a boy in a blue shirt runs behind a tree.",
        "A protester holds a sign that reads \"I'm sorry, but I can't stay silent\".",
        "A woman mouths words of apology to a man, who turns away and cannot see her.",
        "A help desk in an airport; a man who is not able to walk is assisted by two others.",
        "A robot with the letters AI on its chest, as an artist paints it.",
        "A sorry-looking puppy sits in the rain.",
        "A cat.",
        "一个穿红色外套的女人沿着湿漉漉的街道走向镜头，身后一辆黄色电车缓缓驶来。",  # noqa: RUF001
    ],
)
def test_captions_are_no_refusals(text):
    assert outcome(text, "stop") == "ok"


@pytest.mark.parametrize(
    "text",
    [
        "The sky is blue with white clouds. " * 12,
        STREET + " She walks on and on." * 40,
        "a tree, a car, a house, " * 20,
        "very " * 60,
        "天空是蓝色的，" * 15,  # noqa: RUF001
    ],
)
def test_loops_are_repetitive(text):
    assert outcome(text, "length") == "repetitive"
    assert outcome(text, "stop") == "repetitive"


@pytest.mark.parametrize(
    ("words", "repeated", "judgement"),
    [(15, 5, "repetitive"), (16, 5, "ok"), (8, 5, "repetitive"), (8, 4, "ok")],  # a quarter of all, and five at least
)
def test_a_loop_is_a_quarter_of_the_runs_of_four_words_and_five_at_least(words, repeated, judgement):
    once = [f"word{index}" for index in range(words)]
    again = once[: repeated + 3]  # so many runs of four words, of which none goes over the seam
    text = " ".join([*once, *(word.upper() for word in again)])
    assert repeated_share(text) == (pytest.approx(repeated / (words + repeated)) if repeated >= 5 else 0)
    assert outcome(text, "stop") == judgement


def test_prose_repeats_little():
    assert repeated_share(STREET) < 0.05
    twice = "The man walks to the left. The man walks to the right. The man walks to the door."
    assert outcome(twice, "stop") == "ok"


@pytest.mark.parametrize(
    ("text", "reason", "expected"),
    [
        ("", "stop", "empty"),
        (" \n\t\u200b", "stop", "empty"),
        ("<think>Let me look at", "length", "empty"),
        ("<think>I can't see it</think>", "stop", "empty"),
        ("A man walks along a", "length", "truncated"),
        ("A man walks along a", "content_filter", "refused"),
        ("A man walks.", None, "ok"),
    ],
)
def test_other_outcomes(text, reason, expected):
    assert outcome(text, reason) == expected


def test_a_caption_is_cleaned_of_what_is_not_said():
    assert clean("<think>what is it\n</think>\n A **dog**\nruns.\x00 ") == "A dog runs."
    assert clean('"A dog runs."') == "A dog runs."
    assert clean('"STOP" is written on a wall painted "RED"') == '"STOP" is written on a wall painted "RED"'


PAN_LEFT = {"camera": "pan_left", "motion": 6.0}
PAN_RIGHT = {"camera": "pan_right", "motion": 6.0}
SLOW_PAN = {"camera": "pan_right", "motion": 1.3}
TILT_UP = {"camera": "tilt_up", "motion": 3.0}
ZOOM_OUT = {"camera": "zoom_out", "motion": 4.0}
STATIC = {"camera": "static", "motion": 0.1}
BUSY_STATIC = {"camera": "static", "motion": 2.5}
SHAKY = {"camera": "shaky", "motion": 3.0}
UNKNOWN = {"camera": None, "motion": float("nan")}


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("A static shot of a harbour.", PAN_LEFT),
        ("Boats lie in a harbour. The camera remains completely stationary.", ZOOM_OUT),
        ("A static wide shot shows a valley with a river.", PAN_RIGHT),
        ("The camera pans left across a row of houses.", PAN_RIGHT),
        ("The camera slowly pans to the left, revealing a church.", PAN_RIGHT),
        ("The shot pans smoothly from left to right along the beach.", PAN_LEFT),
        ("Panning right, a long shot follows a train.", PAN_LEFT),
        ("The camera is moving steadily towards the right.", PAN_LEFT),
        ("The camera pans left across a table with a lamp on the right.", PAN_RIGHT),
        ("As the camera tilts downwards, a fountain comes into view.", TILT_UP),
        ("The camera zooms in on a woman's face.", ZOOM_OUT),
        ("The camera pushes in on the door.", ZOOM_OUT),
        ("The camera pans left across the square.", STATIC),
        ("A drone shot zooms out over a forest.", STATIC),
    ],
)
def test_the_camera_is_contradicted(text, row):
    assert issues(text, row) == ["camera_contradicts_motion"]


@pytest.mark.parametrize(
    ("text", "row"),
    [
        (STREET, PAN_RIGHT),
        (STREET, STATIC),
        ("A static shot of a harbour.", STATIC),
        ("A static shot of a harbour.", BUSY_STATIC),
        ("A static shot of a harbour.", SLOW_PAN),
        ("A static shot of a harbour.", SHAKY),
        ("A static shot of a harbour.", UNKNOWN),
        ("A static shot of a harbour.", {}),
        ("A static shot of a harbour, then the camera pans right.", PAN_RIGHT),
        ("The camera is mostly static.", PAN_RIGHT),
        ("The camera stays fixed on the runner as he crosses the field.", PAN_RIGHT),
        ("A stationary vehicle is passed by a bus; the camera follows the bus.", PAN_RIGHT),
        ("Static fills the television; a fixed lamp hangs above.", PAN_RIGHT),
        ("The camera pans right across a row of houses.", PAN_RIGHT),
        ("The camera pans left, then right.", PAN_RIGHT),
        ("The camera pans left and right over the crowd.", PAN_RIGHT),
        ("The camera pans left along the wall before swinging back to the right.", PAN_RIGHT),
        ("The camera does not pan left; it holds on the door.", PAN_RIGHT),
        ("Without the camera panning left, the car drives away.", PAN_RIGHT),
        ("A cook sets two pans left of the stove; the camera follows.", PAN_RIGHT),
        ("A woman holding a camera turns left and waves.", PAN_RIGHT),
        ("A car moves left while the camera pans.", PAN_RIGHT),
        ("The camera pans to reveal a lake on the left.", PAN_RIGHT),
        ("The camera moves right behind her.", PAN_LEFT),
        ("She tilts down her head and smiles.", TILT_UP),
        ("The camera tilts up the tower.", TILT_UP),
        ("The camera zooms in on a face.", PAN_RIGHT),
        ("A man zooms in on his phone.", ZOOM_OUT),
        ("The camera slowly pans left across the square.", STATIC),
        ("The camera pans left across the square.", BUSY_STATIC),
        ("The camera pans left across the square.", UNKNOWN),
        ("The camera zooms in.", {"camera": None, "motion": 0.0}),
    ],
)
def test_the_camera_is_not_contradicted(text, row):
    assert issues(text, row) == []


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('A shop sign reads "BAKERY".', "PHARMACY"),
        ('A banner with the words "Happy New Year" hangs over the stage.', None),
        ("A title says \u201cThe Last Summer\u201d in white letters.", "EXIT / PLATFORM 4"),
    ],
)
def test_quoted_text_was_not_there(text, read):
    assert issues(text, {"text": read, "text_area": 0.02 if read else 0.0}) == ["quotes_unseen_text"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('A shop sign reads "BAKERY".', "BAKERY / since 1950"),
        ('A shop sign reads "Bakery".', "8AK ERY"),
        ('A shop sign reads "Bakery since 1950".', "since 195O / BAKEBY"),
        ('A poster with the words "Summer Festival 2024".', "2024 / FESTIVAL / SUMMER"),
        ('A sign reads "出口".', "EXIT"),
        ('A sign reads "Exit".', "出口"),
        ('A sign reads "P".', None),
        ('A woman takes a "selfie" with her friends.', None),
        ('A man in a so-called "fisherman\'s" jumper walks by.', "EXIT"),
        ("A sign hangs over the door.", "EXIT"),
    ],
)
def test_quoted_text_may_have_been_there(text, read):
    assert issues(text, {"text": read, "text_area": 0.02 if read else 0.0}) == []


def test_nothing_is_said_of_text_that_was_not_looked_for_or_not_kept():
    sign = 'A shop sign reads "BAKERY".'
    assert issues(sign, {}) == []
    assert issues(sign, {"text": float("nan"), "text_area": float("nan")}) == []
    assert issues(sign, {"text": "breaking news / " * 31, "text_area": 0.3}) == []


def test_nothing_is_said_of_text_that_could_not_be_read():
    sign = 'A shop sign reads "BAKERY".'
    assert issues(sign, {"text": None, "text_scripts": "unknown", "text_area": 0.02}) == []
    assert issues(sign, {"text": "EXIT", "text_scripts": "Latin, unknown", "text_area": 0.02}) == []
    assert issues(sign, {"text": None, "text_area": 0.02}) == []
    assert issues(sign, {"text": "EXIT", "text_scripts": "Latin", "text_area": 0.02}) == ["quotes_unseen_text"]


@pytest.mark.parametrize(
    "text",
    [
        "The image shows a dog on a lawn.",
        "This photo clearly depicts two men in suits.",
        "In the image, a dog runs across a lawn.",
        "A dog runs. The lighting in this picture, soft and even, suggests morning.",
        "A black and white photograph of a woman at a piano.",
        "In the first frame, a dog sits; in the second frame, it runs.",
        "Across the frames a ball rolls to the right.",
        "A sequence of images of a ball.",
    ],
)
def test_a_video_is_no_image(text):
    assert issues(text, {}) == ["says_image"]


@pytest.mark.parametrize(
    "text",
    [
        STREET,
        "A man takes a photo of the skyline with a tripod.",
        "She holds up a picture. The picture shows a boy.",
        "A photo of a soldier hangs on the wall above the bed.",
        "Her mirror image moves in the water.",
        "The photographer lowers his camera.",
        "An old photograph of a ship lies in an album.",
        "On the screen, the image shows a map.",
        "The first frame of the door is painted red, the second one blue.",
        "A still lake; the shot is out of focus.",
        "Two picture frames lean against a chair.",
    ],
)
def test_a_video_may_show_an_image(text):
    assert issues(text, {}) == []


def test_sentences_made_from_the_measures_agree_with_them():
    for camera in CAMERAS:
        for motion in (0.05, 0.5, 2.5, 9.0):
            row = {"camera": camera, "motion": motion, "text": "SALE 50% off", "text_area": 0.1}
            [caption] = AttributesCaptioner().caption([ClipToDescribe(row=row)])
            assert issues(caption.text, row) == []
