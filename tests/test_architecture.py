"""The house rules that no reviewer should have to check: imports run one way, and the packages are ours."""

from __future__ import annotations

import ast
import functools
import importlib
import subprocess
import sys
import tomllib
from collections.abc import Mapping
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


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def trees() -> Mapping[str, ast.Module]:
    """Every module of ours."""
    return {
        module_name(file): ast.parse(file.read_text(encoding="utf-8"))
        for package in (*MAY_IMPORT, "benchmarks")
        for file in (ROOT / package).rglob("*.py")
    }


def imported_modules(tree: ast.Module) -> set[str]:
    """What a module imports, at its top, in functions and for type checkers, or by a name in quotes."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, "relative import"
            assert node.level == 0, "relative import"
            names |= {
                whole if (whole := f"{node.module}.{alias.name}") in trees() else node.module for alias in node.names
            }
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            names |= {each.value for each in node.args if isinstance(each, ast.Constant) and each.value in trees()}
    return names


@functools.cache
def imports() -> Mapping[str, set[str]]:
    return {name: imported_modules(tree) & trees().keys() - {name} for name, tree in trees().items()}


def imported_packages(file: Path) -> set[str]:
    return {name.split(".")[0] for name in imported_modules(ast.parse(file.read_text(encoding="utf-8")))}


def folder(module: str) -> str:
    return module.rpartition(".")[0]


def test_no_circles_of_modules() -> None:
    """Modules that are imported by nothing that is left are taken away, again and again: only circles stay."""
    left = dict(imports())
    while leaves := {name for name, others in left.items() if not others & left.keys()}:
        left = {name: others for name, others in left.items() if name not in leaves}
    assert not {name: sorted(others & left.keys()) for name, others in left.items()}


def test_no_two_way_folders() -> None:
    """A folder and one within it may know each other: the plug-ins in one know what they share in the other."""
    arrows = {
        (folder(name), folder(other)): f"{name} imports {other}"
        for name, others in imports().items()
        for other in others
    }
    two_way = [
        (arrows[pair], arrows[pair[::-1]])
        for pair in arrows
        if pair[::-1] in arrows and not any(f"{one}.".startswith(f"{two}.") for one, two in (pair, pair[::-1]))
    ]
    assert not two_way


def test_no_module_asks_what_kind_of_thing_another_folder_gave_it() -> None:
    """Things speak for themselves, by methods and fields: who adds one touches no other file."""
    owners: dict[str, set[str]] = {}
    for name, tree in trees().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                owners.setdefault(node.name, set()).add(folder(name))
    asked: dict[str, set[str]] = {}
    for name, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
                words = {each.id for each in ast.walk(node.args[1]) if isinstance(each, ast.Name)}
                words |= {each.attr for each in ast.walk(node.args[1]) if isinstance(each, ast.Attribute)}
                foreign = {word for word in words & owners.keys() if folder(name) not in owners[word]}
                asked[name] = asked.get(name, set()) | foreign
    assert not {name: words for name, words in asked.items() if words}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_run_one_way(package: str) -> None:
    for file in (ROOT / package).rglob("*.py"):
        if file.parent == ROOT / "examples" / "python":  # as users write them
            continue
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
        ("import pipelines", {"av", "cv2", "numpy", "pyarrow"}),
        ("import pipelines.report.write, pipelines.progress", {"av", "cv2", "scenedetect"}),
        # what __main__ says of threads is read when numpy is loaded
        ("from pipelines.__main__ import main\ntry: main(['--help'])\nexcept SystemExit: pass", {"numpy", "pyarrow"}),
    ],
)
def test_what_reads_tables_or_helps_loads_no_more(code: str, unwanted: set[str]) -> None:
    code = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert not unwanted & set(done.stdout.split())


def test_every_package_is_listed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {
        module_name(file)
        for package in MAY_IMPORT
        for file in (ROOT / package).rglob("__init__.py")
        if package != "examples" or file.parent.name == "demo_films"
    }
    assert sorted(listed) == sorted(there)
