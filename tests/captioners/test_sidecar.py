import json
import os
from pathlib import Path
from urllib.parse import quote

from captioners.base import ClipToDescribe
from captioners.sidecar import SidecarCaptioner


def _captions(*paths, **settings):
    clips = [ClipToDescribe(row={"source_uri": str(path)}) for path in paths]
    return SidecarCaptioner(**settings).caption(clips)


def test_clips_get_their_films_caption(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"caption": "a red circle moving left", "caption_short": "a circle"}))
    (tmp_path / "b.mp4.json").write_text(json.dumps({"caption": "a dog"}))
    captions = _captions(tmp_path / "b.mp4", tmp_path / "a.mp4", tmp_path / "a.mp4")
    assert [(c.text, c.short) for c in captions] == [
        ("a dog", None),
        ("a red circle moving left", "a circle"),
        ("a red circle moving left", "a circle"),
    ]
    assert {c.outcome for c in captions} == {"ok"}


def test_other_keys(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"text": "a cat", "title": "Cat"}))
    [caption] = _captions(tmp_path / "a.mp4", key="text", short_key="title")
    assert (caption.text, caption.short) == ("a cat", "Cat")


def test_says_what_is_missing_or_broken(tmp_path):
    (tmp_path / "no_text.json").write_text(json.dumps({"caption": ["a"]}))
    (tmp_path / "blank.json").write_text(json.dumps({"caption": " \n\u200b "}))
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe{")
    outcomes = [
        caption.outcome
        for caption in _captions(*(tmp_path / f"{name}.mp4" for name in ("none", "no_text", "blank", "list", "binary")))
    ]
    assert outcomes == ["empty", "empty", "empty", "error", "error"]


def test_text_becomes_one_printable_line(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"caption": "a\tred\r\n\x1b[31mcircle \x00"}))
    assert _captions(tmp_path / "a.mp4")[0].text == "a red [31mcircle"


def test_films_of_any_name_and_files_of_any_kind_have_an_outcome(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "deep.json").write_text("[" * 200_000)
    (tmp_path / "half.json").write_text('{"caption": "a \\ud800 dog", "score": NaN}')
    (tmp_path / "long.json").write_text(json.dumps({"caption": "a" * 2000}))
    latin = os.fsencode(tmp_path) + b"/caf\xe9"
    Path(os.fsdecode(latin + b".json")).write_text(json.dumps({"caption": "a cup"}))
    names = ["pipe.mp4", "folder.mp4", "deep.mp4", "half.mp4", "long.mp4", "n" * 252 + ".mp4"]
    films = [*(tmp_path / name for name in names), f"file://{quote(latin)}.mp4"]
    outcomes = [(caption.outcome, caption.text) for caption in _captions(*films, max_bytes=1_000_000)]
    assert outcomes[:3] == [("empty", None), ("empty", None), ("error", None)]
    assert outcomes[3:] == [("ok", "a dog"), ("ok", "a" * 2000), ("empty", None), ("ok", "a cup")]
    assert _captions(tmp_path / "long.mp4", max_bytes=1999)[0].outcome == "error"
