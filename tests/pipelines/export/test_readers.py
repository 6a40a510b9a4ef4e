"""The consumers' own dataset code reads what an export has written, where its sources are at hand.

`CLIPMILL_TRAINERS` names a folder of their repositories, such as https://github.com/kohya-ss/musubi-tuner cloned;
none is part of this project. Packages of theirs that only models need are stood in for by empty ones.
"""

import ast
import importlib
import importlib.machinery
import json
import logging
import math
import os
import pathlib
import random
import sys
import tomllib
import types
from argparse import Namespace
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Union

import numpy as np
import pytest
import yaml

from pipelines.cut import Work
from pipelines.export.order import order
from pipelines.export.planning import Wish
from pipelines.export.run import run_export
from tests.pipelines.export.layouts import parsed
from tests.pipelines.export.manifests import HOSTILE, TAME, clip_of, film, manifest

HOME = os.environ.get("CLIPMILL_TRAINERS")
pytestmark = pytest.mark.skipif(HOME is None, reason="CLIPMILL_TRAINERS names no folder of trainers")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """One clip of 160x96, for any trainer, seen three times an epoch."""
    wide = film(tmp_path_factory.mktemp("films"), "wide.mp4", fps=Fraction(24), seconds=6.2)
    out = manifest(tmp_path_factory.mktemp("out"), [clip_of(wide) | {"caption": HOSTILE}])

    def to(trainer):
        dest = tmp_path_factory.mktemp(trainer)
        run_export(out, os.fspath(dest), order(trainer), Wish(repeats=3), Work(engine="in-process"))
        return dest

    return to


@pytest.fixture
def sources(monkeypatch):
    """Makes a trainer's package known without running its `__init__`, which loads models."""

    def of(repository, folder, package):
        place = Path(HOME, repository, folder)
        if not place.is_dir():
            pytest.skip(f"no {place}")
        for name in [each for each in sys.modules if each.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        module = types.ModuleType(package)
        module.__path__ = [os.fspath(place)]
        monkeypatch.setitem(sys.modules, package, module)
        return module

    return of


class Hollow(importlib.machinery.SourceFileLoader):
    """Modules of a package that is not installed: every name in them is an empty class."""

    def __init__(self, packages):
        super().__init__("hollow", "hollow")
        self.packages = packages

    def find_spec(self, name, path=None, target=None):
        found = name.partition(".")[0] in self.packages
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if found else None

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__path__ = []
        module.__getattr__ = lambda name: type(name, (), {"__init__": lambda self, *a, **k: None})
        return module

    def exec_module(self, module):
        pass


@pytest.fixture
def hollow(monkeypatch):
    def packages(*names):
        monkeypatch.setattr(sys, "meta_path", [Hollow(names), *sys.meta_path])

    return packages


def taken(path, names, **known):
    """Only these definitions of a file, run with what they know."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    tree.body = [each for each in tree.body if getattr(each, "name", None) in names]
    exec(compile(tree, str(path), "exec"), known)
    return [known[name] for name in names]


def test_musubi_tuner(exported, sources):
    dest = exported("musubi")
    sources("musubi-tuner", "src/musubi_tuner", "musubi_tuner")
    config = importlib.import_module("musubi_tuner.dataset.config_utils")
    generator = config.BlueprintGenerator(config.ConfigSanitizer())
    arguments = Namespace(debug_dataset=False)
    wishes = tomllib.loads((dest / "dataset.toml").read_text())
    plan = generator.generate(wishes, arguments, architecture="wan")
    (dataset,) = config.generate_dataset_group_by_blueprint(plan.dataset_group).datasets
    assert (dataset.num_repeats, dataset.target_frames, dataset.source_fps) == (3, (81,), None)
    path, frames, caption, _ = dataset.datasource.get_video_data(0)
    assert (len(frames), frames[0].shape[:2], caption) == (81, (96, 160), TAME)
    assert Path(path).parent == dest / "train"


def test_diffsynth_studio(exported, sources):
    pytest.importorskip("imageio")
    dest = exported("diffsynth")
    sources("DiffSynth-Studio", "diffsynth/core/data", "diffsynth_data")
    kind = importlib.import_module("diffsynth_data.unified_dataset").UnifiedDataset
    reader = kind.default_video_operator(base_path=os.fspath(dest), max_pixels=832 * 480, num_frames=81)
    dataset = kind(os.fspath(dest), os.fspath(dest / "metadata.jsonl"), 3, ("video",), reader)
    assert len(dataset) == 3
    assert (len(dataset[0]["video"]), dataset[0]["video"][0].size, dataset[0]["prompt"]) == (81, (160, 96), TAME)


def test_videox_fun(exported, sources):
    pytest.importorskip("decord")
    pytest.importorskip("func_timeout")
    dest = exported("videox-fun")
    sources("VideoX-Fun", "videox_fun/data", "videox_fun_data")
    kind = importlib.import_module("videox_fun_data.dataset_image_video").ImageVideoDataset
    options = {"video_sample_stride": 1, "video_sample_n_frames": 81, "video_sample_size": 96, "image_sample_size": 96}
    dataset = kind(os.fspath(dest / "metadata.json"), os.fspath(dest), video_repeat=3, text_drop_ratio=0, **options)
    assert len(dataset) == 3
    assert (dataset[0]["pixel_values"].shape[0], dataset[0]["text"]) == (81, TAME)


def test_finetrainers(exported, sources):
    """Of its file, what reads such a folder: the rest of it asks for an older torchvision."""
    datasets, torch = pytest.importorskip("datasets"), pytest.importorskip("torch")
    dest = exported("finetrainers")
    home = Path(sources("finetrainers", "finetrainers", "finetrainers").__path__[0])
    importlib.import_module("torch.distributed.checkpoint.stateful")
    typing = {"Union": Union, "List": list}
    (find_files,) = taken(home / "utils" / "file.py", ["find_files"], Path=Path, pathlib=pathlib, **typing)
    known = {"pathlib": pathlib, "torch": torch, "datasets": datasets, "find_files": find_files, **typing}
    names = ["VideoCaptionFilePairDataset", "_has_data_caption_file_pairs", "_read_caption_from_file"]
    known |= {"constants": importlib.import_module("finetrainers.constants"), "MAX_PRECOMPUTABLE_ITEMS_LIMIT": 1024}
    kind, has_pairs, caption_in = taken(home / "data" / "dataset.py", names, **known)
    (*_, wishes) = parsed(dest / "training.json")["datasets"]
    assert has_pairs(Path(wishes["data_root"]))
    (row,) = kind(wishes["data_root"])._data.cast_column("video", datasets.Video(decode=False))
    assert Path(row["video"]["path"]).parent == dest / "train"
    assert caption_in(row["caption"]) == TAME


def load_file(package, name):
    """A module of a package whose `__init__` is not run."""
    parent = types.ModuleType(package)
    home = sys.modules[package.partition(".")[0]].__path__[0]
    parent.__path__ = [os.path.join(home, *package.split(".")[1:])]
    sys.modules[package] = parent
    return importlib.import_module(name)


def test_fastvideo(exported):
    dest = exported("fastvideo")
    path = Path(HOME, "FastVideo", "fastvideo/workflow/preprocess/components.py")
    if not path.is_file():
        pytest.skip(f"no {path}")
    known = {"np": np, "random": random, "Callable": Callable, "Any": Any, "logger": logging.getLogger("test")}
    (kind,) = taken(path, ["PreprocessingDataValidator"], **known)
    validator = kind(max_height=480, max_width=832, num_frames=81, train_fps=16, drop_short_ratio=1.0)
    (row,) = parsed(dest / "train" / "videos2caption.json")
    row = {"caption": row.pop("cap"), "name": row.pop("path"), **row}  # as its `build_dataset` renames them
    assert validator(row)
    assert (dest / "train" / "videos" / row["name"]).is_file()


def test_ltx_trainer(exported, sources, hollow, tmp_path):
    pytest.importorskip("pydantic")
    hollow("ltx_core", "optimum")
    sound = film(tmp_path, "sound.mp4", fps=Fraction(24), seconds=5.2)
    out = manifest(tmp_path / "out", [clip_of(sound) | {"caption": HOSTILE}])
    dest = tmp_path / "to"
    run_export(out, os.fspath(dest), order("ltx"), Wish(), Work(engine="in-process"))
    package = sources("LTX-2", "packages/ltx-trainer/src/ltx_trainer", "ltx_trainer")
    package.logger = logging.getLogger("test")
    for name in ("latents", "conditions", "audio_latents"):  # its first command makes them
        (dest / "precomputed" / name).mkdir(parents=True)
    config = importlib.import_module("ltx_trainer.config")
    read = config.LtxTrainerConfig(**named(yaml.safe_load((dest / "train.yaml").read_text()), tmp_path))
    assert read.data.preprocessed_data_root == os.fspath(dest / "precomputed")
    script = Path(HOME, "LTX-2", "packages/ltx-trainer/scripts/process_videos.py")
    (paths,) = taken(script, ["_load_paths_from_dataset"], Path=Path, json=json)
    (video,) = paths(dest / "train.jsonl", "video")
    video_utils = importlib.import_module("ltx_trainer.video_utils")
    frames, fps = video_utils.read_video(video, max_frames=121)
    assert (frames.shape[0], fps, video_utils.get_video_frame_count(video)) == (121, 24.0, 121)


def named(config, folder):
    """Weights that are there, as its config demands."""
    for name in ("model_path", "text_encoder_path"):
        place = folder / f"{name}.safetensors"
        place.write_bytes(b"")
        config["model"][name] = os.fspath(place)
    return config


def test_cosmos_predict2(exported, sources, hollow):
    pytest.importorskip("decord")
    hollow("imaginaire")
    dest = exported("cosmos-predict")
    sources("cosmos-predict2", "cosmos_predict2", "cosmos_predict2")
    kind = load_file("cosmos_predict2.data", "cosmos_predict2.data.dataset_video").Dataset
    reader = object.__new__(kind)
    reader.sequence_length = 93
    (path,) = (dest / "train" / "videos").glob("*.mp4")
    frames, fps = reader._load_video(os.fspath(path))
    assert (frames.shape, fps) == ((93, 96, 160, 3), 16.0)


def test_diffusion_pipe(exported, monkeypatch, hollow):
    home = Path(HOME, "diffusion-pipe", "utils", "dataset.py")
    if not home.is_file():
        pytest.skip(f"no {home}")
    dest = exported("diffusion-pipe")
    wishes = tomllib.loads((dest / "dataset.toml").read_text())
    known = {"np": np, "Path": Path, "math": math, "dedup_and_sort": lambda values: np.unique(values)}
    (kind,) = taken(home, ["DirectoryDataset"], **known)
    monkeypatch.setattr(kind, "validate", lambda self: None)
    (folder,) = wishes["directory"]
    dataset = kind(folder, wishes, "wan", framerate=16)
    (clip,) = (dest / "train").glob("*.mp4")
    bucket = dataset._find_closest_ar_bucket(np.log(160 / 96), 81, True)
    assert bucket is not None
    assert bucket[1] == 81
    assert folder["num_repeats"] == 3
    assert clip.with_suffix(".txt").read_text().strip() == TAME
