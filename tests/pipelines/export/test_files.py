"""For every model, each file has exactly its rate, its frame rule and its multiples; DEST is of one export alone."""

import json
import os
from fractions import Fraction
from pathlib import Path

import av
import pyarrow.parquet as pq
import pytest

from pipelines.__main__ import main
from pipelines.cut import Work
from pipelines.export import run
from pipelines.export.order import order
from pipelines.export.planning import Wish
from pipelines.export.profiles import models
from pipelines.export.run import run_export
from tests.pipelines.export.manifests import HOSTILE, LICENCE, TAME, clip_of, film, manifest

USUAL, WORK = Wish(), Work(engine="in-process")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Three sources, one of them a portrait without sound, and 3 s of the first. The longest model takes 10.6 s."""
    folder = tmp_path_factory.mktemp("films")
    films = [
        film(folder, "film.mp4", fps=Fraction(24), seconds=10.8),
        film(folder, "ntsc.mp4", fps=Fraction(30000, 1001), seconds=6.2, size=(200, 112)),
        film(folder, "portrait.mp4", fps=Fraction(60), seconds=6.2, sound=False, size=(96, 160)),
    ]
    return [*map(clip_of, films), clip_of(films[0], start=1, end=4) | {"caption": HOSTILE}]


@pytest.fixture(scope="module")
def out(clips, tmp_path_factory):
    rejected = clips[0] | {"clip_id": "rejected", "status": "rejected", "reasons": ["motion:below_1.0"]}
    return manifest(tmp_path_factory.mktemp("manifest"), [*clips, rejected])


def exported(out, dest, trainer="jsonl", wish=USUAL, at=None, **chosen):
    return run_export(os.fspath(out), os.fspath(dest), order(trainer, **chosen), wish, WORK, at=at)


@pytest.mark.parametrize("name", models())
def test_files_are_exactly_as_the_model_takes_them(name, out, clips, tmp_path):
    model = models()[name]
    done = exported(out, tmp_path / "to", model=name)
    long_enough = [each for each in clips if each["duration_seconds"] > (model.frames - 0.5) / model.fps]
    assert len(done.export.items) == sum(each["has_audio"] or not model.sound for each in long_enough) > 0
    for item in done.export.items:
        with av.open(str(tmp_path / "to" / "train" / item.file.name)) as container:
            stream = container.streams.video[0]
            times = [frame.pts * stream.time_base for frame in container.decode(video=0)]
            assert stream.average_rate == model.fps
            assert not stream.width % model.side_multiple
            assert not stream.height % model.side_multiple
            assert (stream.width, stream.height) == item.size
            assert bool(container.streams.audio) is model.sound
        assert times == [index / Fraction(model.fps) for index in range(model.frames)]
        assert (len(times) - 1) % model.frame_step == 0
        assert item.file.num_frames == len(times)


def test_too_short_ones_are_told_before_anything_is_written(out, tmp_path, capsys, monkeypatch):
    def refused(*arguments, **options):
        raise OSError("no file may be written yet")

    monkeypatch.setattr(run, "exclusive", refused)
    with pytest.raises(OSError, match="yet"):
        exported(out, tmp_path / "to", "musubi")
    told = capsys.readouterr().out
    assert "left out: 1 shorter than 81 frames at 16 a second (5.06 s)" in told
    assert "--frames 45 would keep 1 of those" in told
    assert "PATH/TO" not in told
    assert not (tmp_path / "to").exists()


def test_nothing_to_export_is_no_success(tmp_path):
    with pytest.raises(ValueError, match="none of the kept clips"):
        exported(manifest(tmp_path / "empty", []), tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_all_held_out_is_no_success(clips, tmp_path):
    out = manifest(tmp_path / "out", clips[:1])
    with pytest.raises(ValueError, match="none is left to train on"):
        exported(out, tmp_path / "to", wish=Wish(held_out=1 - 1e-9))


def test_cosmos_predict_gets_a_step_more_than_it_trains_on(out, tmp_path):
    """Its reader draws from `randint(0, frames - 93)`, which fails for 0."""
    done = exported(out, tmp_path, "cosmos-predict")
    assert {item.file.num_frames for item in done.export.items} == {97}
    assert done.export.frames == 93


def test_licence_and_origin_are_in_each_export(out, tmp_path):
    exported(out, tmp_path, "musubi")
    table = pq.read_table(tmp_path / "clips.parquet")
    assert set(table["license"].to_pylist()) == {LICENCE}
    assert set(table["title"].to_pylist()) == {"Numbers"}  # which the table of sources alone has
    assert set(table["url"].to_pylist()) == {"https://example.org/film"}
    assert {*table.column_names} >= {"author", "source_id", "motion", "file", "file_num_frames", "split", "caption"}


def test_clips_as_they_are_keep_rate_and_length(out, clips, tmp_path):
    done = exported(out, tmp_path, "csv")  # without --model
    assert [round(item.file.fps, 3) for item in done.export.items] == [24, 29.97, 60, 24]
    assert [item.file.num_frames for item in done.export.items] == [each["num_frames"] for each in clips]


def test_another_state_of_the_same_export_leaves_nothing_behind(clips, tmp_path):
    first, fewer = manifest(tmp_path / "a", clips), manifest(tmp_path / "b", clips[1:])
    exported(first, tmp_path / "to", "musubi")
    exported(fewer, tmp_path / "to", "musubi", wish=Wish(trigger="ohwx"))
    exported(fewer, tmp_path / "fresh", "musubi", wish=Wish(trigger="ohwx"))
    assert content(tmp_path / "to") == content(tmp_path / "fresh")


def content(folder: Path):
    """What each file says, with DEST for its place; of clips and tables, that they are there."""
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8").replace(os.fspath(folder), "DEST")
        if path.suffix not in (".parquet", ".mp4")
        else ""
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


@pytest.mark.parametrize("trainer", ["diffusion-pipe", "hf"])
def test_a_folder_of_something_else_is_left_alone(trainer, out, tmp_path):
    exported(out, tmp_path / "to", "musubi")
    with pytest.raises(ValueError, match=r"holds another export.*trainer=musubi"):
        exported(out, tmp_path / "to", trainer)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "film.mp4").write_bytes(b"mine")
    with pytest.raises(ValueError, match="of no export"):
        exported(out, tmp_path / "mine", trainer)
    assert (tmp_path / "mine" / "film.mp4").read_bytes() == b"mine"


def test_captions_that_are_hostile_are_one_line_everywhere(clips, tmp_path):
    out = manifest(tmp_path / "out", [each | {"caption": HOSTILE} for each in clips[:1]])
    exported(out, tmp_path / "musubi", "musubi")
    texts = [path.read_text(encoding="utf-8") for path in (tmp_path / "musubi" / "train").glob("*.txt")]
    assert texts == [TAME + "\n"]
    exported(out, tmp_path / "jsonl", "jsonl")
    (line,) = (tmp_path / "jsonl" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["caption"] == TAME


def test_configs_name_the_place_where_the_trainer_will_find_it(out, tmp_path):
    exported(out, tmp_path, "musubi", at="/data/clips")
    assert 'video_directory = "/data/clips/train"' in (tmp_path / "dataset.toml").read_text()


def test_the_command_line_says_how_the_trainer_starts(out, tmp_path, capsys):
    dest = tmp_path / "it's here"
    words = ["export", out, os.fspath(dest), "--engine", "in-process", "--for"]
    assert main([*words, "diffusion-pipe", "--model", "wan2.1"]) == 0
    told = capsys.readouterr().out
    assert "wan2.1: 81 frames at 16 a second, up to 832x480 pixels, without sound" in told
    assert "train.py --deepspeed --config" in told
    assert told.strip().splitlines()[-1] in (dest / "train.sh").read_text()
    assert main([*words, "nobody"]) == 1
