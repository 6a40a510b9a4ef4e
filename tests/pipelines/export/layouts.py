"""How each trainer's guide says that it reads its folder: clips with captions, and what its config says.

A reader gives (clips with their captions, repeats, frames, size), with None for what its command line says.
"""

import json
import tomllib
from pathlib import Path

import yaml

from tests.pipelines.export.manifests import TAME


def parsed(path: Path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".toml":
        return tomllib.loads(text)
    if path.suffix == ".yaml":
        return yaml.safe_load(text)
    return [json.loads(line) for line in text.split("\n") if line] if path.suffix == ".jsonl" else json.loads(text)


def pairs(folder: Path, captions: Path | None = None):
    """Clips and `.txt` of their names."""
    return [(each, ((captions or folder) / f"{each.stem}.txt").read_text().strip()) for each in folder.glob("*.mp4")]


def of_table(path: Path, video: str, caption: str, base: Path):
    return [(base / row[video], row[caption]) for row in parsed(path)]


def musubi(dest):
    config = parsed(dest / "dataset.toml")
    (data,) = config["datasets"]
    assert config["general"]["caption_extension"] == ".txt"
    assert "source_fps" not in data  # it would drop frames of clips that have the rate already
    assert data["cache_directory"] != data["video_directory"]
    clips = pairs(Path(data["video_directory"]))
    return clips, data["num_repeats"], data["target_frames"][0], config["general"]["resolution"]


def diffusion_pipe(dest):
    training = parsed(dest / "train.toml")
    data = parsed(Path(training["dataset"]))
    (evaluation,) = training["eval_datasets"]
    assert len(pairs(Path(parsed(Path(evaluation["config"]))["directory"][0]["path"]))) == 1
    (folder,) = data["directory"]
    return pairs(Path(folder["path"])), folder["num_repeats"], data["frame_buckets"][0], data["resolutions"][0]


def ai_toolkit(dest):
    (process,) = parsed(dest / "train.yaml")["config"]["process"]
    (data,) = process["datasets"]
    assert data["fps"] == 16
    return pairs(Path(data["folder_path"])), data["num_repeats"], data["num_frames"], None


def simpletuner(dest):
    training = parsed(dest / "config.json")
    videos, text = parsed(Path(training["data_backend_config"]))
    assert text["default"] is True
    assert (videos["dataset_type"], videos["caption_strategy"]) == ("video", "textfile")
    assert (videos["resolution_type"], videos["resolution"]) == ("pixel_area", 632)  # its square has 832x480 pixels
    assert videos["video"]["min_frames"] == videos["video"]["num_frames"]
    size = [int(side) for side in training["validation_resolution"].split("x")]
    return pairs(Path(videos["instance_data_dir"])), videos["repeats"] + 1, videos["video"]["num_frames"], size


def finetrainers(dest):
    datasets = parsed(dest / "training.json")["datasets"]
    buckets = datasets[0]["video_resolution_buckets"]
    (sample,) = parsed(dest / "validation.json")["data"]
    assert (sample["caption"], sample["num_frames"]) == (f"ohwx {TAME}", 81)
    assert "id_token" not in datasets[0]  # it would stand before captions that have the trigger word already
    assert buckets == [[81, 480, 832], [81, 832, 480]]
    return pairs(Path(datasets[0]["data_root"])), len(datasets), buckets[0][0], None


def diffsynth(dest):
    return of_table(dest / "metadata.jsonl", "video", "prompt", dest), None, None, None


def ltx(dest):
    training = parsed(dest / "train.yaml")
    assert training["training_strategy"]["audio"]["is_generated"] is True
    assert training["validation"]["samples"] == [{"prompt": f"ohwx {TAME}"}]
    return of_table(dest / "train.jsonl", "video", "caption", dest), None, training["validation"]["video_dims"][2], None


def videox_fun(dest):
    (row,) = parsed(dest / "metadata.json")
    assert row["type"] == "video"
    assert {row["width"], row["height"]} == {160, 96}
    return of_table(dest / "metadata.json", "file_path", "text", dest), None, None, None


def cosmos_predict(dest):
    return pairs(dest / "train" / "videos", dest / "train" / "metas"), None, None, None


def fastvideo(dest):
    table = dest / "train" / "videos2caption.json"
    (row,) = parsed(table)
    assert {row["resolution"]["width"], row["resolution"]["height"]} == {160, 96}
    assert (row["fps"], row["num_frames"]) == (16, 81)
    return of_table(table, "path", "cap", dest / "train" / "videos"), None, None, None


READERS = {
    each.__name__.replace("_", "-"): each
    for each in (
        *(musubi, diffusion_pipe, ai_toolkit, simpletuner, finetrainers),
        *(diffsynth, ltx, videox_fun, cosmos_predict, fastvideo),
    )
}
