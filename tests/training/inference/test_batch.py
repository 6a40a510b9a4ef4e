"""Prompts of files, and a folder of what was made of them."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.training.tiny_dit_run import ShapedClips, tiny_dit_config
from training.__main__ import main
from training.inference.batch import LIST, sample_each
from training.inference.making import How
from training.inference.prompts import Asked, read_prompts
from training.objectives.generate import GenerateConfig
from training.run.launch import train

CONFIG = GenerateConfig(num_steps=2, guidance=2.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "dit"
    train(replace(tiny_dit_config(out, "trainer.steps=1"), data=ShapedClips()))
    return out


def test_prompts_are_read_from_lines_tables_and_manifests(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text('\ufeffa red circle \n\n<b>, "x"\n', encoding="utf-8")
    assert read_prompts(str(tmp_path / "a.txt")) == [Asked(prompt="a red circle"), Asked(prompt='<b>, "x"')]
    (tmp_path / "a.csv").write_text('seed,caption,negative\n3,"red, round",\n,blue,dull\n', encoding="utf-8")
    expected = [Asked(prompt="red, round", seed=3), Asked(prompt="blue", negative="dull")]
    assert read_prompts(str(tmp_path / "a.csv")) == expected
    table = pa.table({"caption": ["red, round", "blue"], "seed": [3, None], "negative": [None, "dull"], "b": [1, 2]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read_prompts(str(tmp_path / "a.parquet")) == expected
    (tmp_path / "out" / "clips").mkdir(parents=True)
    clips = pa.table({"status": ["kept", "rejected", "kept", "kept"], "caption": ["red", "blue", None, "green"]})
    pq.write_table(clips, tmp_path / "out" / "clips" / "part-0.parquet")
    assert read_prompts(str(tmp_path / "out")) == [Asked(prompt="red"), Asked(prompt="green")]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", b" \n", "no prompt in it"),
        ("a.txt", b"\xff\xfe\x00", "no text in UTF-8"),
        ("a.csv", b"text\nred\n", "row 1: no caption; its columns are text"),
        ("a.csv", b"caption,seed\nred,x\n", "seed 'x' is no whole number"),
        ("a.parquet", b"PAR", "no Parquet file"),
        ("none.txt", None, "none.txt"),
    ],
)
def test_a_file_without_prompts_is_refused(tmp_path: Path, capsys, run, name, content, reason) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main(["sample", str(run), "--prompts", str(tmp_path / name), "--out", str(tmp_path / "made")]) == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_a_folder_is_filled_and_the_same_again_makes_what_is_missing(run: Path, tmp_path: Path) -> None:
    asked = [Asked(prompt="red"), Asked(prompt="blue", negative="dull", seed=7), Asked(prompt="red")]
    paths = sample_each(str(run), asked, tmp_path / "made", count=2, config=CONFIG, how=How())
    names = ["00000_seed_0", "00000_seed_1", "00001_seed_7", "00001_seed_8", "00002_seed_0", "00002_seed_1"]
    assert [path.name for path in paths] == [f"{name}.mp4" for name in names]
    films = {path.name: path.read_bytes() for path in paths}
    assert films["00000_seed_0.mp4"] == films["00002_seed_0.mp4"]  # the same prompt and seed
    assert len(set(films.values())) == 4
    rows = {row["film"]: row for row in map(json.loads, (tmp_path / "made" / LIST).read_text().splitlines())}
    assert rows.keys() == films.keys()
    assert (rows["00001_seed_8.mp4"]["negative"], rows["00001_seed_8.mp4"]["seed"]) == ("dull", 8)
    times = {path: path.stat().st_mtime_ns for path in paths}
    paths[2].unlink()
    with (tmp_path / "made" / LIST).open("a") as file:
        file.write('{"film": "00000_se')
    assert sample_each(str(run), asked, tmp_path / "made", count=2, config=CONFIG, how=How()) == paths
    assert {path.name: path.read_bytes() for path in paths} == films
    assert [path for path in paths if path.stat().st_mtime_ns != times[path]] == [paths[2]]


def test_the_command_has_all_ways(run: Path, tmp_path: Path, capsys, caplog) -> None:
    (tmp_path / "prompts.txt").write_text("a red circle\na blue circle\n")
    few = ["--steps", "3", "--shape", "9x16x16"]
    command = ["sample", str(run), "--prompts", str(tmp_path / "prompts.txt"), "--out", str(tmp_path / "made"), *few]
    assert main([*command, "--scheduler", "unipc", "--negative", "grey", "--chunk", "5", "--offload"]) == 0
    films = capsys.readouterr().out.split()
    assert films == [str(tmp_path / "made" / f"0000{number}_seed_0.mp4") for number in range(2)]
    one = ["sample", str(run), "--prompt", "a", "--out", str(tmp_path / "a.mp4"), "--steps", "6"]
    with caplog.at_level(logging.INFO):
        assert main([*one, "--cache-steps", "50", "--cache-compare"]) == 0
    assert "blocks were computed in 2 of 6 steps" in caplog.messages
    assert any("PSNR against all steps" in message and "dB" in message for message in caplog.messages)
    assert main([*one, "--cache-compare"]) == 1
    assert "--cache-compare goes with --cache-steps" in capsys.readouterr().err
