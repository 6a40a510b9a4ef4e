"""The house rules that no reviewer should have to check: imports run one way, and the packages are ours."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "preprocess": set(),
    "cluster": set(),
    "filters": {"preprocess"},
    "captioners": {"preprocess"},
    "training": {"preprocess", "cluster"},
    "pipelines": {"preprocess", "filters", "captioners", "cluster", "examples"},
    "examples": {"preprocess"},
}


def imported_packages(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_run_one_way(package: str) -> None:
    for file in (ROOT / package).rglob("*.py"):
        ours = imported_packages(file) & (MAY_IMPORT.keys() | {"tests", "benchmarks"})
        assert ours <= MAY_IMPORT[package] | {package}, file


def test_only_cluster_imports_ray() -> None:
    for package in MAY_IMPORT:
        for file in (ROOT / package).rglob("*.py"):
            assert package == "cluster" or "ray" not in imported_packages(file), file


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_are_those_of_this_tree(package: str) -> None:
    assert Path(str(importlib.import_module(package).__file__)).is_relative_to(ROOT)


def test_plug_in_packages_import_nothing_by_themselves() -> None:
    for package in ("filters", "captioners"):
        assert (ROOT / package / "__init__.py").read_text(encoding="utf-8") == ""


def test_default_recipe_imports_no_torch() -> None:
    code = (
        "import sys; from pipelines import __main__; from pipelines.recipe import recipes; config = recipes.default();"
        "[s.setup() for s in config.scorers]; config.captioner.setup(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import preprocess.manifest", {"av", "cv2", "scenedetect"}),
        ("import pipelines.report.write, pipelines.progress", {"av", "cv2", "scenedetect"}),
        # what __main__ says of threads is read when numpy is loaded
        ("from pipelines.__main__ import main\ntry: main(['--help'])\nexcept SystemExit: pass", {"numpy", "pyarrow"}),
    ],
)
def test_what_reads_tables_or_helps_loads_no_more(code: str, unwanted: set[str]) -> None:
    code = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert not unwanted & set(done.stdout.split())
