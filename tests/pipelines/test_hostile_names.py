"""A folder may hold anything under any name: each has its row, the page stays whole, and nothing is waited for."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.curate import curate
from pipelines.recipe import recipes
from pipelines.report.write import write_report
from preprocess.io.settings import override
from preprocess.io.storage import local_path
from preprocess.manifest import Manifest
from tests import videos

NAMES = (
    b"new\nline.mp4",
    b"control\x01\x1b[31mred\x07\r.mp4",
    "right to left \u202e4pm.exe.mp4".encode(),
    b"x" * 251 + b".mp4",
    b"not\xff\xfeutf8.mp4",
    b"half a character \xed\xa0\x80.mp4",
    b"-rf.mp4",
    b"--help",
    b"$(touch pwned) `id`.mp4",
    b"<script>alert(1)<!--.mp4",
    b"'\"&amp;%41%.mp4",
    b"[red]rich.mp4",
    b"back\\slash.mp4",
    b"C:\\film.mp4",
    b"s3:x.mp4",
    b" spaces .mp4 ",
    "\u2028\ufeff\U0001f4a9.mp4".encode(),
)
NO_FILES = ("dangling.mp4", "device.mp4", "loop.mp4", "pipe.mp4", "socket.mp4")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Films, one other file each, of all `NAMES`, and what is no file."""
    root = tmp_path / "in"
    root.mkdir()
    film = videos.moving_texture(tmp_path / "film.mp4", size=(64, 36)).read_bytes()
    for number, name in enumerate(NAMES):
        with open(os.path.join(os.fsencode(root), name), "wb") as file:
            file.write(film + bytes(number) if number % 2 else b"no film")
    (root / "round" / "and").mkdir(parents=True)
    (root / "round" / "and" / "round").symlink_to(root)
    (root / "dangling.mp4").symlink_to(root / "nothing")
    (root / "loop.mp4").symlink_to(root / "loop.mp4")
    (root / "device.mp4").symlink_to("/dev/zero")
    os.mkfifo(root / "pipe.mp4")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.mp4")
    with (root / "hole.mp4").open("wb") as hole:
        hole.truncate(1 << 40)
    return root


def test_every_name_has_its_row_and_the_page_stays_whole(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = override(recipes.default(), ["rules.short_side.min=none", "scorers.text_area.max_frames=1"])
    curate(os.fspath(folder), os.fspath(out), config, engine="local")
    rows = {local_path(row["uri"]): row for row in pq.read_table(out / "sources").to_pylist()}
    inside = {os.path.join(os.fsencode(folder), name): number for number, name in enumerate(NAMES)}
    assert {path: rows[path]["status"] for path in inside} == {
        path: "ok" if number % 2 else "failed" for path, number in inside.items()
    }
    for name in NO_FILES:
        assert rows[os.fsencode(folder / name)]["status"] == "failed"
    assert rows[os.fsencode(folder / "pipe.mp4")]["reason"] == "not_a_video: no regular file"
    assert rows[os.fsencode(folder / "hole.mp4")]["reason"].startswith("not_a_video")
    assert len(rows) == len(NAMES) + len(NO_FILES) + 1
    assert not (folder / "pwned").exists()
    page = Path(write_report(Manifest(os.fspath(out)))).read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "\x1b" not in page
    shutil.rmtree(out)


@pytest.mark.attack
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_files_that_change_under_a_run_are_right_after_the_next_one(tmp_path: Path, seed: int) -> None:
    """Cut, grown, written anew, replaced, deleted while they are read: the run ends, and one more has seen all."""
    source, out, fresh = (os.fspath(tmp_path / name) for name in ("in", "out", "fresh"))
    Path(source).mkdir()
    films = [Path(source) / f"{number}.ts" for number in range(12)]
    for number, film in enumerate(films):
        videos.moving_texture(film, size=(64, 36), seconds=4, seed=number)
    whole = [film.read_bytes() for film in films]
    config = override(recipes.default(), ["rules.short_side.min=none", "scorers.text_area.max_frames=1"])
    stop = threading.Event()

    def change() -> None:
        rng = random.Random(seed)
        while not stop.wait(0.02):
            number = rng.randrange(len(films))
            film, content = films[number], whole[number]
            what = rng.choice(("cut", "grow", "write", "replace", "delete"))
            with contextlib.suppress(FileNotFoundError):
                if what == "cut":
                    os.truncate(film, rng.randrange(len(content)))
                elif what == "grow":
                    with film.open("ab") as file:
                        file.write(content)
                elif what == "write":
                    film.write_bytes(content)
                elif what == "replace":
                    beside = film.with_name(f".{film.name}")
                    beside.write_bytes(rng.choice(whole))
                    beside.replace(film)
                else:
                    film.unlink()

    changes = threading.Thread(target=change)
    changes.start()
    try:
        curate(source, out, config, engine="local")
    finally:
        stop.set()
        changes.join()
    for number, film in enumerate(films):
        if number % 3 or not film.exists():  # the row of a file that is gone stays
            film.write_bytes(whole[number])
    curate(source, out, config, engine="local")
    curate(source, fresh, config, engine="local")
    for table in ("clips", "sources"):
        assert pq.read_table(f"{out}/{table}").to_pylist() == pq.read_table(f"{fresh}/{table}").to_pylist()
