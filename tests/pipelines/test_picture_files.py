"""Pictures become files, too: their own bytes where nothing is to change, else pixels of the size that is asked for."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from pipelines.__main__ import main
from pipelines.curate import curate
from pipelines.cut import Work, run_cut
from preprocess.cutting.format import CutFormat
from tests import videos
from tests.pipelines.test_pictures import recipe

HERE = Work(engine="in-process")
NAMES = ("wide.png", "turned.jpg", "odd.webp", "page.tiff", "upright.jpg")


def chart(size: tuple[int, int]) -> Image.Image:
    """Red above, and below blue beside green."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, :, 0] = 220
    pixels[height // 2 :, : width // 2, 2] = 220
    pixels[height // 2 :, width // 2 :, 1] = 220
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    videos.shots_video(folder / "film.mp4", seconds=(4,), openings=("cut",))
    chart((401, 200)).save(folder / "wide.png")
    chart((161, 121)).save(folder / "odd.webp", lossless=True)
    chart((320, 240)).save(folder / "page.tiff")
    chart((320, 240)).save(folder / "upright.jpg", quality=95)
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter to the right shows it upright
    chart((240, 320)).rotate(90, expand=True).save(folder / "turned.jpg", exif=turned, quality=95)
    for name in ("film.mp4", *NAMES):
        (folder / f"{name}.json").write_text(json.dumps({"caption": f"A chart, {name}."}))
    return folder


@pytest.fixture(scope="module")
def out(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = os.fspath(tmp_path_factory.mktemp("out"))
    curate(os.fspath(folder), out, replace(recipe(pictures=True), rules=()), engine="in-process")
    return out


def files_of(out: str, dest: Path) -> pd.DataFrame:
    """The rows of the pictures, by the source's name."""
    clips = pd.read_parquet(Path(out) / "clips")
    clips.index = pd.Index([Path(uri).name for uri in clips["source_uri"]])
    assert names_in(dest) == set(clips["file"])
    return clips


def names_in(folder: Path) -> set[str]:
    """Of what a reader sees."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def seen(path: Path) -> tuple[tuple[int, int], list[int]]:
    """Size, and the strongest colour of the top, of the left and of the right below it."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    height, width = pixels.shape[:2]
    places = ((height // 4, width // 2), (3 * height // 4, width // 4), (3 * height // 4, 3 * width // 4))
    return (width, height), [int(pixels[place].argmax()) for place in places]


def test_as_they_are_they_keep_their_bytes(out: str, folder: Path, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    run_cut(out, os.fspath(dest), work=HERE)
    clips = files_of(out, dest)
    for name in ("wide.png", "turned.jpg", "odd.webp", "upright.jpg"):
        row = clips.loc[name]
        assert (dest / row["file"]).read_bytes() == (folder / name).read_bytes()
        assert row["file"] == f"{row['clip_id']}{Path(name).suffix}"
        assert (row["file_method"], row["file_num_frames"], row["file_has_audio"]) == ("copy", 1, False)
        assert pd.isna(row["file_fps"])
        assert (row["file_width"], row["file_height"]) == (row["width"], row["height"])
    page = clips.loc["page.tiff"]
    assert (page["file"], page["file_method"]) == (f"{page['clip_id']}.png", "encode")
    assert seen(dest / page["file"]) == ((320, 240), [0, 2, 1])
    assert clips.loc["film.mp4", "file"].endswith(".mp4")


def test_with_sides_that_are_asked_for_they_are_reduced_and_upright(out: str, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    run_cut(out, os.fspath(dest), CutFormat(fps=8, short_side=100, side_multiple=16), work=HERE)
    clips = files_of(out, dest)
    sizes = {"wide.png": (192, 96), "turned.jpg": (96, 128), "odd.webp": (128, 96), "page.tiff": (128, 96)}
    for name, size in sizes.items():
        row = clips.loc[name]
        assert seen(dest / row["file"]) == (size, [0, 2, 1]), name
        assert (row["file_width"], row["file_height"], row["file_method"]) == (*size, "encode")


def test_a_rate_changes_no_picture_but_one_that_lies_on_its_side(out: str, folder: Path, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    run_cut(out, os.fspath(dest), CutFormat(fps=8), work=HERE)
    clips = files_of(out, dest)
    assert (dest / clips.loc["wide.png", "file"]).read_bytes() == (folder / "wide.png").read_bytes()
    assert seen(dest / clips.loc["turned.jpg", "file"]) == ((240, 320), [0, 2, 1])


def export(out: str, dest: Path, *words: str) -> int:
    return main(["export", out, os.fspath(dest), *words, "--engine", "in-process"])


@pytest.mark.parametrize("trainer", ["musubi", "diffusion-pipe", "ai-toolkit", "videox-fun", "diffsynth"])
def test_trainers_that_read_them_get_them_beside_clips(
    trainer: str, out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dest = tmp_path / "dest"
    assert export(out, dest, "--for", trainer, "--model", "wan2.1", "--frames", "17") == 0
    assert "1 clip and 5 pictures: 6 in train\n" in capsys.readouterr().out
    pictures = sorted(path for path in (dest / "train").iterdir() if path.suffix in {".png", ".jpg", ".webp"})
    assert len(pictures) == 5
    assert all(side % 16 == 0 for path in pictures for side in Image.open(path).size)
    facts = pd.read_parquet(dest / "clips.parquet")
    assert set(facts["file"]) == {name for name in names_in(dest / "train") if not name.endswith(".txt")}
    if trainer == "musubi":
        data = tomllib.loads((dest / "dataset.toml").read_text())["datasets"]
        assert [set(each) & {"video_directory", "image_directory"} for each in data] == [
            {"video_directory"},
            {"image_directory"},
        ]
        assert len({each["cache_directory"] for each in data}) == 2
    elif trainer == "diffusion-pipe":
        assert tomllib.loads((dest / "dataset.toml").read_text())["frame_buckets"] == [1, 17]
    elif trainer == "ai-toolkit":
        process = yaml.safe_load((dest / "train.yaml").read_text())["config"]["process"][0]
        assert [each["num_frames"] for each in process["datasets"]] == [17, 1]
    elif trainer == "videox-fun":
        rows = json.loads((dest / "metadata.json").read_text())
        assert all((row["type"] == "video") == row["file_path"].endswith(".mp4") for row in rows)
        assert sum(row["type"] == "image" for row in rows) == 5
    else:
        rows = [json.loads(line) for line in (dest / "metadata.jsonl").read_text().splitlines()]
        assert {row["video"] for row in rows} >= {f"train/{path.name}" for path in pictures}


def test_pictures_alone_are_an_export(out: str, tmp_path: Path) -> None:
    only = ("--where", "kind == 'picture'")
    assert export(out, tmp_path / "musubi", "--for", "musubi", *only) == 0
    data = tomllib.loads((tmp_path / "musubi" / "dataset.toml").read_text())["datasets"]
    assert len(data) == 1
    assert "image_directory" in data[0]


def test_others_are_told_how_many_are_left_out(out: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(out, tmp_path / "hf", "--for", "hf") == 0
    assert "left out: 5 pictures: hf has no place for them beside clips of videos" in capsys.readouterr().out
    assert not [path for path in (tmp_path / "hf" / "train").iterdir() if path.suffix in {".png", ".jpg", ".webp"}]


def test_what_is_rejected_later_is_taken_away(out: str, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    assert export(out, dest, "--for", "jsonl") == 0
    assert export(out, dest, "--for", "jsonl", "--where", "width > 300") == 0
    names = names_in(dest / "train")
    rows = [json.loads(line) for line in (dest / "train.jsonl").read_text().splitlines()]
    assert names == {Path(row["file_name"]).name for row in rows}
    assert 0 < len(names) < 6
