"""Where a film comes from, by its container's tags."""

from __future__ import annotations

from pathlib import Path

import pytest

from preprocess.clip import Source
from preprocess.container_tags import MOST_CHARACTERS, provenance_of
from preprocess.decode import Video
from tests import videos

URL = "https://videos.example/1?a=b"


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ({"LICENSE": "CC BY 4.0", "copyright": "(c) A"}, {"license": "CC BY 4.0"}),
        ({"copyright": "(c)\nA\0"}, {"license": "(c) A"}),
        ({"comment": URL, "artist": "A"}, {"url": URL, "author": "A"}),
        ({"comment": f"seen at {URL}", "author": "", "creator": "B"}, {"author": "B"}),
        ({"url": "javascript:alert(1)", "title": "<b>"}, {"title": "<b>"}),
        ({"title": "x" * 5000, "artist": "\ud800"}, {"title": "x" * MOST_CHARACTERS, "author": "?"}),
        ({"encoder": "Lavf"}, {}),
    ],
)
def test_tags_become_columns(tags: dict[str, str], found: dict[str, str]) -> None:
    assert provenance_of(tags) == found


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_they_are_read_of_a_file(tmp_path: Path, suffix: str) -> None:
    plain, path = videos.counter_video(tmp_path / "plain.mp4"), tmp_path / f"tagged.{suffix}"
    videos.tagged(plain, path, {"copyright": "CC0", "artist": "A", "title": "T", "comment": URL})
    with Video(Source(uri=str(path), size_bytes=0, modified_ns=0)) as video:
        said = dict(video.info.provenance)
    assert said == {"license": "CC0", "url": URL, "title": "T", "author": "A"}
