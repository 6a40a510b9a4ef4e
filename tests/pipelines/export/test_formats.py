"""Plain formats, read back by their own readers where those are installed (`pip install -e '.[export]'`)."""

import csv
import io
import json
import os
import tarfile
from fractions import Fraction

import av
import pandas as pd
import pytest

from pipelines.cut import Work
from pipelines.export.order import order
from pipelines.export.planning import Wish
from pipelines.export.run import run_export
from tests.pipelines.export.manifests import (
    HOSTILE,
    LICENCE,
    clip_of,
    film,
    manifest,
    share_that_holds_out_one,
)

SECONDS = 1.0


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    films = [film(folder, f"{name}.mp4", fps=Fraction(rate), seconds=SECONDS) for name, rate in (("a", 24), ("b", 25))]
    return [*(clip_of(each) | {"caption": HOSTILE} for each in films), clip_of(films[0], end=0.5)]


@pytest.fixture(scope="module")
def exported(rows, tmp_path_factory):
    """Into any format, with one source held out."""
    out = manifest(tmp_path_factory.mktemp("out"), rows)

    def to(trainer, dest):
        wish = Wish(held_out=share_that_holds_out_one(rows))
        return run_export(out, os.fspath(dest), order(trainer), wish, Work(engine="in-process")).export

    return to


def frames_of(data: bytes) -> int:
    with av.open(io.BytesIO(data)) as container:
        return sum(1 for _ in container.decode(video=0))


def expected(export, split):
    return {item.clip_id: (item.caption, item.file.num_frames, LICENCE) for item in export.of(split)}


@pytest.mark.parametrize("split", ["train", "validation"])
def test_csv_is_what_pandas_and_python_read(exported, tmp_path, split):
    export = exported("csv", tmp_path)
    table = pd.read_csv(tmp_path / f"{split}.csv", keep_default_na=False)
    found = {row.clip_id: (row.caption, row.file_num_frames, row.license) for row in table.itertuples()}
    assert found == expected(export, split)
    assert all((tmp_path / name).is_file() for name in table.file_name)
    with (tmp_path / f"{split}.csv").open(newline="", encoding="utf-8") as stream:
        assert [row["caption"] for row in csv.DictReader(stream)] == list(table.caption)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_jsonl_is_an_object_a_line(exported, tmp_path, split):
    export = exported("jsonl", tmp_path)
    lines = (tmp_path / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    found = {row["clip_id"]: (row["caption"], row["file_num_frames"], row["license"]) for row in rows}
    assert found == expected(export, split)
    assert all((tmp_path / row["file_name"]).is_file() for row in rows)


def test_hub_loads_clips_by_split(exported, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    export = exported("hf", tmp_path / "to")
    loaded = datasets.load_dataset(os.fspath(tmp_path / "to"), cache_dir=os.fspath(tmp_path / "cache"))
    for split in ("train", "validation"):
        table = loaded[split].cast_column("video", datasets.Video(decode=False))
        found = {row["clip_id"]: (row["caption"], row["file_num_frames"], row["license"]) for row in table}
        assert found == expected(export, split)
        for row in table:
            assert row["video"]["path"].endswith(f"{split}/{row['file']}")
    card = (tmp_path / "to" / "README.md").read_text(encoding="utf-8")
    assert f"- {LICENCE}: 3 clips" in card


def test_webdataset_gives_clips_captions_and_facts(exported, tmp_path):
    webdataset = pytest.importorskip("webdataset")
    export = exported("webdataset", tmp_path)
    for split in ("train", "validation"):
        shard = tmp_path / "shards" / f"{split}-000000.tar"
        samples = list(webdataset.WebDataset(os.fspath(shard), shardshuffle=False).decode())
        found = {each["__key__"]: (each["txt"], frames_of(each["mp4"]), each["json"]["license"]) for each in samples}
        assert found == expected(export, split)
    again = shard.read_bytes()
    exported("webdataset", tmp_path)
    assert names_and_texts(again) == names_and_texts(shard.read_bytes())
    assert not (tmp_path / "train").exists()


def names_and_texts(data: bytes):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [(each.name, each.mtime, each.name.endswith("mp4") or tar.extractfile(each).read()) for each in tar]


def test_lance_has_clips_as_blobs(exported, tmp_path):
    lance = pytest.importorskip("lance")
    export = exported("lance", tmp_path)
    for split in ("train", "validation"):
        table = lance.dataset(os.fspath(tmp_path / f"{split}.lance"))
        rows = table.to_table(columns=["clip_id", "caption", "license", "file_num_frames"]).to_pylist()
        blobs = table.take_blobs("video", indices=list(range(len(rows))))
        found = {
            row["clip_id"]: (row["caption"], frames_of(blob.read()), row["license"])
            for row, blob in zip(rows, blobs, strict=True)
        }
        assert found == expected(export, split)


@pytest.mark.parametrize("library", ["webdataset", "lance"])
def test_a_library_that_is_missing_is_named_before_anything_is_done(library, tmp_path, monkeypatch, rows):
    monkeypatch.setattr("pipelines.export.run.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=f"needs the package {library}: pip install"):
        run_export(os.fspath(tmp_path / "none"), os.fspath(tmp_path / "to"), order(library), Wish(), Work())
