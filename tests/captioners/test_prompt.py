import re

import pytest

from captioners.prompt import load_prompt, prompt_names


def test_prompts_of_the_package_are_named_by_their_content():
    for name in ("detailed_v1", "short_v1", "rewrite_v1"):
        assert name in prompt_names()
        assert re.fullmatch(rf"{name}@[0-9a-f]{{8}}", load_prompt(name).id)
        assert load_prompt(name) == load_prompt(name)


def test_a_file_of_the_users(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_bytes(b"\xef\xbb\xbfSay what you see.\r\nBriefly.\n\n")
    prompt = load_prompt(str(file))
    assert prompt.text == "Say what you see.\nBriefly."
    assert prompt.id.startswith("mine@")
    file.write_text("Say what you hear.")
    assert load_prompt(str(file)).id != prompt.id


def test_the_id_is_that_of_the_words_not_of_the_line_ends(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"One.\nTwo.")
    first = load_prompt(str(tmp_path / "a.txt"))
    (tmp_path / "a.txt").write_bytes(b"One.\r\nTwo.\r\n")
    assert load_prompt(str(tmp_path / "a.txt")) == first


@pytest.mark.parametrize("name", ["detailed_v9", "", "../prompts/detailed_v1", "/nowhere/at/all.txt", "a\x00b"])
def test_an_unknown_prompt_is_answered_with_those_there_are(name):
    with pytest.raises(ValueError, match="short_v1"):
        load_prompt(name)


@pytest.mark.parametrize(("content", "problem"), [(b" \n", "is empty"), (b"\xff\xfe\x00", "cannot be read")])
def test_a_file_that_is_no_prompt(tmp_path, content, problem):
    (tmp_path / "bad.txt").write_bytes(content)
    with pytest.raises(ValueError, match=problem):
        load_prompt(str(tmp_path / "bad.txt"))
