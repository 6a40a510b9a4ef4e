import pytest

from captioners.base import Caption


def test_a_blank_caption_is_refused():
    with pytest.raises(ValueError, match="blank"):
        Caption(text="  ", outcome="ok")


def test_ok_needs_a_text():
    with pytest.raises(ValueError, match="without a text"):
        Caption(text=None, outcome="ok")
