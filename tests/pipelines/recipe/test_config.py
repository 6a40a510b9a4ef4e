"""Settings can be changed by name, a misspelt one is told its neighbours, and any change changes the fingerprint."""

from __future__ import annotations

import pytest

from pipelines.recipe import recipes
from pipelines.recipe.config import recipe
from pipelines.recipe.recorded import recorded_config, run_of
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
