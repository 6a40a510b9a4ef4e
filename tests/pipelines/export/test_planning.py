"""Which clips are taken, decided from the table alone."""

import pytest

from pipelines.export.captions import caption_of, one_line
from pipelines.export.content import TRAIN, VALIDATION
from pipelines.export.order import order
from pipelines.export.planning import Wish, is_held_out, plan_export
from preprocess.cutting.format import CutFormat
from tests.pipelines.export.manifests import HOSTILE, TAME

USUAL = Wish()
WAN = order("musubi").cut


def row(seconds=6.0, **facts):
    usual = {"clip_id": "c", "source_id": "s", "fps": 24.0, "width": 1280, "height": 720, "has_audio": True}
    return usual | {"duration_seconds": seconds, "caption": "a", "caption_short": None} | facts


def planned(*rows, wish=USUAL, cut=WAN, needs_sound=False):
    return plan_export(rows, wish, cut, needs_sound=needs_sound)


def test_clips_that_are_too_short_are_counted_with_the_frames_they_have():
    """16 frames a second: 5.0625 s are 81; 3 s are 48, of which 45 are 4n+1; 1 s are 16, of which 13 are."""
    plan = planned(row(5.0625), row(5.0), row(3.0), row(3.0), row(1.0))
    assert (len(plan.chosen), plan.left_out) == (1, {"too_short": 4})
    assert plan.short == [13, 45, 45, 77]
    assert plan.ladder() == [(45, 3), (13, 4)]


@pytest.mark.parametrize("trainer", ["musubi", "cosmos-predict", "ltx"])
def test_what_the_ladder_says_is_what_a_lower_count_keeps(trainer):
    rows = [row(seconds / 10) for seconds in range(5, 70, 3)]
    wanted = order(trainer)
    plan = plan_export(rows, USUAL, wanted.cut, needs_sound=False, spare=wanted.spare)
    assert plan.ladder()
    for frames, kept in plan.ladder():
        assert len(planned(*rows, cut=order(trainer, frames=frames).cut).chosen) == len(plan.chosen) + kept


def test_clips_of_no_frame_promise_nothing():
    assert planned(row(0.05)).ladder() == []


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"caption": None}, "no_caption"),
        ({"caption": " \n "}, "no_caption"),
        ({"width": 15, "height": 200}, "too_small"),
        ({"crop_left": 0, "crop_top": 100, "crop_right": 640, "crop_bottom": 110}, "too_small"),
        ({"has_audio": False}, "no_sound"),
    ],
)
def test_each_clip_that_is_left_out_has_a_reason(facts, reason):
    plan = planned(row(**facts), row(), needs_sound=True)
    assert (len(plan.chosen), plan.left_out) == (1, {reason: 1})


def test_sound_is_asked_of_none_where_it_is_not_learnt():
    assert not planned(row(has_audio=False)).left_out


def test_clips_as_they_are_may_be_of_any_length():
    assert not planned(row(0.1), cut=CutFormat()).left_out


def test_captions_are_one_line_with_the_trigger_once():
    assert one_line(HOSTILE + "\ud800") == TAME
    assert caption_of(row(caption=HOSTILE), "detailed", "ohwx\n") == f"ohwx {TAME}"
    assert caption_of(row(caption="ohwx a"), "detailed", "ohwx") == "ohwx a"
    assert caption_of(row(caption_short="b"), "short", None) == "b"
    assert caption_of(row(), "short", "ohwx") is None


def test_who_learns_sound_is_told_of_it():
    told = row(caption="A dog.", caption_sound="It\nbarks.")
    assert planned(told, needs_sound=True).chosen[0].caption == "A dog. It barks."
    assert planned(told).chosen[0].caption == "A dog."
    assert planned(row(caption=None, caption_sound="It barks."), needs_sound=True).left_out == {"no_caption": 1}


def test_uncaptioned_clips_have_the_trigger_alone():
    plan = planned(row(caption=None), wish=Wish(uncaptioned=True, trigger="ohwx"))
    assert [each.caption for each in plan.chosen] == ["ohwx"]


def test_held_out_are_whole_sources_whatever_else_there_is():
    ids = [f"{number:032x}" for number in range(2000)]
    away = {each for each in ids if is_held_out(each, 0.05)}
    assert away <= {each for each in ids if is_held_out(each, 0.1)}
    assert 60 < len(away) < 140  # 100 expected, standard deviation 10
    rows = [row(clip_id=f"{each}-{number}", source_id=each) for each in ids for number in range(2)]
    whole, half = (planned(*some, wish=Wish(held_out=0.05)) for some in (rows, rows[: len(rows) // 2]))
    split = {each.row["clip_id"]: each.split for each in whole.chosen}
    assert {each.row["source_id"] for each in whole.chosen if each.split == VALIDATION} == away
    assert all(split[each.row["clip_id"]] == each.split for each in half.chosen)


def test_nothing_is_held_out_unless_asked():
    assert {each.split for each in planned(*(row(source_id=str(n)) for n in range(50))).chosen} == {TRAIN}


@pytest.mark.parametrize("wish", [{"held_out": 1.0}, {"held_out": -0.1}, {"repeats": 0}, {"caption": "long"}])
def test_wishes_have_bounds(wish):
    with pytest.raises(ValueError, match=next(iter(wish))):
        Wish(**wish)
