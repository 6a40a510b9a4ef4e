"""Each trainer's layout, keys and config, read back as its own guide says that it reads them.

The fields are those of the public source that the trainer's record names; `test_readers.py` has the consumers' own code
read the same folders, where it is at hand.
"""

import os
import shlex
import tomllib
from fractions import Fraction

import pytest
import yaml

from pipelines.cut import Work
from pipelines.export.content import Export, Item
from pipelines.export.order import order
from pipelines.export.planning import Wish
from pipelines.export.profiles import trainers
from pipelines.export.run import run_export
from preprocess.cutting.result import CutFile
from tests.pipelines.export.layouts import READERS
from tests.pipelines.export.manifests import HOSTILE, TAME, clip_of, film, manifest, share_that_holds_out_one

TRAINERS = [name for name, trainer in trainers().items() if trainer.models]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Two sources that are alike in all but their shape."""
    folder = tmp_path_factory.mktemp("films")
    wide = film(folder, "wide.mp4", fps=Fraction(24), seconds=6.2)
    tall = film(folder, "tall.mp4", fps=Fraction(24), seconds=6.3, size=(96, 160))
    return [clip_of(each) | {"caption": HOSTILE} for each in (wide, tall)]


@pytest.fixture(scope="module", params=TRAINERS)
def export(request, rows, tmp_path_factory):
    """One source is held out; the other one's clip is seen three times an epoch."""
    dest = tmp_path_factory.mktemp(request.param) / "it's here"
    out = manifest(tmp_path_factory.mktemp("out"), rows)
    share = share_that_holds_out_one(rows)
    wish = Wish(trigger="ohwx", held_out=share, repeats=3)
    done = run_export(out, os.fspath(dest), order(request.param), wish, Work(engine="in-process"))
    return request.param, dest, done.export


def test_clips_captions_and_numbers_are_found_where_it_looks_for_them(export):
    name, dest, done = export
    clips, repeats, frames, size = READERS[name](dest)
    (trained,) = done.of("train")
    assert [(path.name, text) for path, text in clips] == [(trained.file.name, f"ohwx {TAME}")]
    assert all(path.is_file() for path, _ in clips)
    assert repeats in (None, 3)
    assert frames in (None, done.frames)
    assert size in (None, list(done.size))


def test_its_command_names_files_that_are_there(export):
    name, dest, _ = export
    lines = (dest / "train.sh").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "set -e"
    words = [word for line in lines[1:] for word in shlex.split(line)]
    config = {
        "musubi": "dataset.toml",
        "diffusion-pipe": "train.toml",
        "ai-toolkit": "train.yaml",
        "diffsynth": "metadata.jsonl",
        "ltx": "train.yaml",
        "simpletuner": None,
        "videox-fun": "metadata.json",
        "finetrainers": "training.json",
        "cosmos-predict": "train",
        "fastvideo": "train",
    }[name]
    assert f"CONFIG_PATH={dest}" in words if config is None else os.fspath(dest / config) in words
    assert (dest / (config or "config.json")).exists()


@pytest.mark.parametrize(
    ("trainer", "expected"),
    [
        ("diffsynth", ["--num_frames 81", "--dataset_repeat 3", "--max_pixels 399360"]),
        ("videox-fun", ["--video_sample_n_frames 81", "--video_sample_stride 1", "--video_repeat 3"]),
        ("fastvideo", ["--preprocess.num_frames 81", "--preprocess.train_fps 16", "--num_latent_t 21"]),
        ("ltx", ["--resolution-buckets"]),
        (
            "cosmos-predict",
            ["dataloader_train.dataset.num_frames=93", "dataloader_train.sampler.dataset.num_frames=93"],
        ),
    ],
)
def test_numbers_that_only_the_command_line_takes_are_there(export, trainer, expected):
    name, dest, _ = export
    if name == trainer:
        text = (dest / "train.sh").read_text(encoding="utf-8")
        assert [each for each in expected if each not in text] == []


def test_folders_of_clips_hold_nothing_else(export):
    """diffusion-pipe takes any other file for a clip, and so do readers of folders of videos."""
    name, dest, done = export
    trainer = trainers()[name]
    for item in done.items:
        names = {each.name for each in (dest / item.split / trainer.media).iterdir() if each.is_file()}
        assert names == {item.file.name} | ({f"{item.stem}.txt"} if trainer.captions == "" else set())


@pytest.mark.parametrize(("name", "model"), [(name, model) for name in TRAINERS for model in trainers()[name].models])
def test_each_model_of_a_trainer_has_a_config_and_a_command(name, model, export_of):
    done, trainer = export_of(name, model)
    texts = dict(trainer.texts(done))
    for path, text in texts.items():
        if path.endswith(".toml"):
            assert "none" not in str(list(tomllib.loads(text).values()))
        elif path.endswith((".json", ".yaml")):
            yaml.safe_load(text)
    lines = trainer.commands(done)
    assert lines
    assert all(shlex.split(line) for line in lines)
    said = " ".join([*texts.values(), *lines])
    assert str(done.frames) in said or name == "cosmos-predict"


@pytest.fixture
def export_of(rows):
    """An export of which no file was made."""

    def made(name, model):
        wanted = order(name, model=model)
        file = CutFile(
            name="c.mp4",
            method="encode",
            width=160,
            height=96,
            fps=wanted.model.fps,
            num_frames=wanted.frames,
            duration_seconds=wanted.frames / wanted.model.fps,
            has_audio=wanted.sound,
            size_bytes=1,
        )
        items = [Item(split=split, file=file, caption=TAME, row=rows[0]) for split in ("train", "validation")]
        done = Export(
            at="/at",
            items=items,
            schema=None,
            model=wanted.model,
            frames=wanted.frames,
            size=wanted.size,
            sound=wanted.sound,
        )
        return done, wanted.trainer

    return made
