import pytest

from captioners.attributes import AttributesCaptioner
from captioners.base import ClipToDescribe


def _text(**row):
    [caption] = AttributesCaptioner().caption([ClipToDescribe(row=row)])
    assert (caption.outcome, caption.short) == ("ok", None)
    return caption.text


def test_clips_are_described_in_order():
    rows = [{"dominant_colors": color} for color in ("red", "blue", "grey")]
    captions = AttributesCaptioner().caption([ClipToDescribe(row=row) for row in rows])
    assert [c.text for c in captions] == ["A clip; mainly red.", "A clip; mainly blue.", "A clip; mainly grey."]
    assert AttributesCaptioner().caption([]) == []


def test_says_what_was_measured():
    assert _text(
        duration_seconds=5.23,
        motion=0.4,
        camera="pan_left",
        brightness=181.0,
        dominant_colors=["blue", "white"],
        text="EXIT",
    ) == (
        "A 5.2-second clip with slow motion, the camera panning left; bright, mainly blue and white; "
        'on-screen text reads "EXIT".'
    )


def test_leaves_out_what_was_not_measured():
    assert _text(duration_seconds=8.0, motion=None, camera=None, brightness=float("nan"), text=None) == (
        "An 8.0-second clip."
    )
    assert _text(dominant_colors=["grey"]) == "A clip; mainly grey."
    assert _text() == "A clip."


def test_words_follow_the_measures():
    assert [_text(motion=m) for m in (0.0, 1.0, 30.0)] == [
        "A clip with almost no motion.",
        "A clip with moderate motion.",
        "A clip with fast motion.",
    ]


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("SALE\n50%\x00 off\x1b[31m", "SALE 50% off [31m"),
        ('say "hi"', "say 'hi'"),
        ("出口 EXIT", "出口 EXIT"),
    ],
)
def test_odd_text_is_made_printable(text, quoted):
    assert _text(text=text) == f'A clip; on-screen text reads "{quoted}".'


def test_long_text_is_cut_at_a_word():
    caption = _text(text="breaking news " * 40)
    assert len(caption) < 130
    assert "breaking news..." in caption or "breaking..." in caption
    assert _text(text="   \n\t") == "A clip."


def test_manifests_of_before_have_colours_in_one_text():
    assert _text(dominant_colors="blue, white") == _text(dominant_colors=["blue", "white"])
