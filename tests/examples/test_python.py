"""The scripts and the notebook of `examples/python` run, on a film of four seconds."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines import open_manifest
from tests import videos

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "python"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With `demo/videos`, as `make demo` makes it, but smaller."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "demo" / "videos").mkdir(parents=True)
    videos.shots_video(folder / "demo" / "videos" / "film.mp4", seconds=(4,), openings=("cut",), size=(432, 240))
    return folder


def run(name: str, *arguments: str) -> None:
    sys.argv[1:] = arguments
    runpy.run_path(str(FOLDER / name), run_name="__main__")


def test_scripts(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "argv", [""])
    run("curate_folder.py", "demo/videos", "out")
    assert "film.mp4" in capsys.readouterr().out
    run("contact_sheets.py", "out", "sheets")
    (clip_id,) = open_manifest("out").clips("status == 'kept'")["clip_id"]
    assert Image.open(home / "sheets" / f"{clip_id}.jpg").size == (4 * 432, 240)
    run("score_one.py", "demo/videos/film.mp4", "motion")
    assert "motion" in capsys.readouterr().out


def test_notebook(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    said: dict[str, Any] = {}
    notebook = json.loads((FOLDER / "clipmill.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), said)
    assert said["pixels"].shape == (16, 240, 432, 3)
