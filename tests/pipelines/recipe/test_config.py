"""Settings can be changed by name, a misspelt one is told its neighbours, and any change changes the fingerprint."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from filters.embedding import EmbeddingColumnScorer
from pipelines.recipe import recipes
from pipelines.recipe.config import recipe
from pipelines.recipe.plugins import scorer_named, with_scorer
from pipelines.recipe.recorded import recorded_config, run_of, with_added
from preprocess.io.settings import difference, dump, fingerprint, override


def test_override_reaches_every_section() -> None:
    config = override(
        recipes.default(),
        [
            "rules.motion.min=1.5",
            "rules.motion.max=none",
            "shots.margin_frames=4",
            "clips.min_seconds=2",
            "span_seconds=90",
        ],
    )
    flat = dump(config)
    assert (flat["rules.motion.min"], flat["rules.motion.max"]) == (1.5, None)
    assert (flat["shots.margin_frames"], flat["clips.min_seconds"], flat["span_seconds"]) == (4, 2.0, 90.0)


def test_override_makes_a_new_rule() -> None:
    config = override(recipes.default(), ["rules.contrast.min=10"])
    assert dump(config)["rules.contrast.min"] == 10.0


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("rules.motoin.min=1", "motion"),
        ("shots.margin_frame=1", "shots.margin_frames"),
        ("rules.motion.mim=1", "rules.motion.min"),
        ("shots.margin_frames=two", "expected int"),
        ("rules.motion.min=fast", "expected float"),
        ("rules.caption.min=1", "no such column"),
        ("just_a_word", "key=value"),
        ("scorers.motion=false", "no such setting"),
    ],
)
def test_mistakes_are_explained(assignment: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        override(recipes.default(), [assignment])


def test_fingerprint_follows_dump() -> None:
    plain = recipes.default()
    same = override(plain, [f"shots.margin_frames={plain.shots.margin_frames}"])
    moved = override(plain, ["rules.motion.min=1.75"])
    assert fingerprint(plain) == fingerprint(same) != fingerprint(moved)
    assert difference(plain, moved) == [f"rules.motion.min: {dump(plain)['rules.motion.min']} -> 1.75"]


def test_fingerprint_ignores_what_changes_no_result() -> None:
    plain = recipes.easyanimate_pretrain()
    elsewhere = override(plain, ["towers.clip.batch_size=7", "towers.clip.gpus=0.1"])
    assert fingerprint(plain) == fingerprint(elsewhere)
    assert difference(plain, elsewhere) == []
    other_model = override(plain, ["towers.clip.weights=/models/clip"])
    assert fingerprint(plain) != fingerprint(other_model)


def test_rule_without_ends_is_no_rule() -> None:
    plain = recipes.default()
    assert fingerprint(override(plain, ["rules.width.min=none"])) == fingerprint(plain)


@pytest.mark.parametrize("name", ["default", "easyanimate_pretrain", "easyanimate_finetune"])
def test_recorded_settings_rebuild_the_recipe(name: str) -> None:
    config = override(recipe(name), ["rules.short_side.min=none", "rules.motion.max=7"])
    assert recorded_config(run_of(config)) == config


def test_unknown_recipe_names_its_neighbour() -> None:
    with pytest.raises(ValueError, match="did you mean easyanimate_pretrain"):
        recipe("easyanimate_pretrian")


@pytest.mark.parametrize("name", ["default", "easyanimate_pretrain"])
def test_a_run_json_without_a_tree_still_gives_its_recipe(name: str) -> None:
    """As they were written before: the recipe by its name, what was set since, and the filters that were added."""
    config = override(
        with_scorer(recipe(name), scorer_named("embedding")), ["rules.motion.max=none", "scorers.embedding.tower=clip"]
    )
    run = json.loads(json.dumps(run_of(config) | {"added": ["embedding"]}))
    del run["config"]
    assert recorded_config(run) == config
    assert fingerprint(recorded_config(run)) == run["fingerprint"]


def test_a_filter_that_reads_an_unknown_tower_is_refused_with_those_there_are() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Strange(EmbeddingColumnScorer):
        name: ClassVar[str] = "strange"
        tower: str = "resnet"

    with pytest.raises(ValueError, match=r"strange reads tower 'resnet', there are \[\]"):
        with_scorer(recipes.default(), Strange)


def test_added_filters_go_with_a_manifest_as_they_were_set() -> None:
    added = override(with_scorer(recipes.default(), scorer_named("embedding")), ["towers.clip.weights=/models/clip"])
    run = json.loads(json.dumps(run_of(added) | {"added": ["embedding"]}))
    assert with_added(recipes.default(), run) == added
    assert with_added(added, run) == added


def test_a_recipe_of_ones_own_is_kept_and_read_back(tmp_path: Path) -> None:
    """By its file: neither its name nor its classes are in our tables."""
    file = tmp_path / "recipes_of_mine.py"
    file.write_text(OWN_RECIPE)
    config = recipe(f"{file}:reddish")
    assert recipe(f"{file}:reddish") == config
    assert recipe("recipes_of_mine:reddish") == config
    run = json.loads(json.dumps(run_of(override(config, ["scorers.redness.frames=3"]))))
    assert recorded_config(run) == override(config, ["scorers.redness.frames=3"])
    with pytest.raises(ValueError, match=r"no recipe 'redish' in recipes_of_mine, .*did you mean reddish"):
        recipe(f"{file}:redish")


OWN_RECIPE = """
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from filters.base import Score, Scorer
from filters.rules import Range
from pipelines.recipe import recipes
from pipelines.recipe.config import CurateConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Redness(Scorer):
    name: ClassVar[str] = "redness"
    columns: ClassVar[Mapping[str, type[float]]] = {"redness": float}
    frames: int = 4

    def score(self, view: object) -> Mapping[str, Score]:
        return {"redness": 0.0}


def reddish() -> CurateConfig:
    base = recipes.default()
    scorers, rules = (*base.scorers, Redness()), (*base.rules, Range(column="redness", min=1.0))
    return replace(base, name="reddish", scorers=scorers, rules=rules)


def with_argument(more: int) -> CurateConfig:
    return recipes.default()


def nothing() -> None:
    pass
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no.such.module:default", "there is no module 'no.such.module'"),
        (".relative:default", "there is no module '.relative'"),
        ("/no/such/file.py:default", "there is no file '/no/such/file.py'"),
        ("tests.pipelines.recipe.test_config:recipes", "no recipe 'recipes' in tests.pipelines.recipe.test_config"),
        ("pipelines.recipe.recipes:_easyanimate", "no recipe '_easyanimate'"),
        ("{own}:with_argument", "must take 0 positional arguments"),
        ("{own}:nothing", "makes a NoneType, not a CurateConfig"),
        ("{taken}:default", "cannot be a module: there is another 'json'"),
    ],
)
def test_recipes_that_are_none_are_explained(tmp_path: Path, text: str, said: str) -> None:
    own, taken = tmp_path / f"{tmp_path.name}.py", tmp_path / "json.py"
    for file in (own, taken):
        file.write_text(OWN_RECIPE)
    with pytest.raises(ValueError, match=said):
        recipe(text.format(own=own, taken=taken))


def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> dict[str, Any]:
    """A run.json one name of which leads to a module that can be imported, and leaves a file when it is."""
    (tmp_path / "hostile_code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\ndef default(): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    run = json.loads(json.dumps(run_of(recipes.easyanimate_pretrain())))
    place = run
    *above, last = path.split("/")
    for each in above:
        place = place[int(each) if each.isdigit() else each]
    place[last] = "hostile_code:default"
    if "config" not in above:
        del run["config"]
    return cast(dict[str, Any], run)


@pytest.mark.parametrize(
    "path", ["config/type", "config/scorers/0/type", "config/captioner/type", "config/towers/0/type", "recipe/name"]
)
def test_a_strangers_manifest_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    run = hostile(tmp_path, monkeypatch, path)
    said = "hostile_code:default is not part of this program.*--plug-in hostile_code|no recipe 'hostile_code:default'"
    with pytest.raises(ValueError, match=f"the recipe in run.json: .*({said})"):
        recorded_config(run)
    assert not (tmp_path / "ran").exists()
    assert "hostile_code" not in sys.modules


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("config/scorers/0/type", "subprocess:Popen"),
        ("config/scorers/0/type", "filters.base:Scorer"),
        ("config/scorers/0/type", "preprocess.clip:Window"),
        ("config/captioner/type", "filters.motion:MotionScorer"),
        ("config/captioner/type", "filters.motion:cv2"),
        ("config/shots/type", "preprocess.observe:ClipLengths"),
    ],
)
def test_only_records_of_the_kind_are_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, name: str
) -> None:
    run = json.loads(json.dumps(hostile(tmp_path, monkeypatch, path)).replace("hostile_code:default", name))
    with pytest.raises(ValueError, match=f"{name} is no dataclass of kind"):
        recorded_config(run)
