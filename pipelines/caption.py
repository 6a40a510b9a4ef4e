"""Describe the clips of an existing manifest, with another captioner or where captions failed. It resumes, too."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from captioners.kept import after_asking, last_outcome
from filters.rules import Mask
from pipelines.clips.answers import answers_folder, counted, keeping_answers, kept_answers
from pipelines.clips.decisions import passing
from pipelines.clips.revisit import asked_clips, fields_of, revisit_clips, with_values
from pipelines.clips.task import Task
from pipelines.curate import choose_engine
from pipelines.decide import rewrite, to_be_changed
from pipelines.heartbeat import heartbeat
from pipelines.outcomes import Finished, Outcomes
from pipelines.recipe.checks import check_models, refuse_mixed_towers
from pipelines.recipe.config import CurateConfig
from pipelines.recipe.plugins import captioner_named, with_captioner
from pipelines.recipe.trust import refuse_strange_sources, refuse_unsaid
from preprocess.io import storage
from preprocess.io.hold import exclusive
from preprocess.io.roots import Roots
from preprocess.io.settings import difference, fingerprint, override
from preprocess.manifest import Manifest, Row
from preprocess.measurement import Step
from preprocess.schema import CAPTION_COLUMNS

_log = logging.getLogger("clipmill")


def run_caption(
    out: str,
    *,
    captioner: str | None = None,
    assignments: list[str] | None = None,
    sources: Sequence[str] = (),
    roots: Sequence[str] = (),
    engine: str = "auto",
    workers: int | None = None,
    strict: bool = False,
) -> Finished:
    """Describe every clip of the manifest at `out` that passes the rules and that this captioner has not described.

    Another model, prompt or number of frames describes all of them anew. Clips whose caption ended in an `error` are
    asked for again. A caption that is there is replaced by another one, never by the lack of one (`captioners.kept`).
    Scorers of captions (`alignment`) follow the new ones. `captioner` is the name of a file in `captioners/`, or
    `module:Class`. Videos at addresses that the manifest alone names (`io.places`) are opened below `sources` only;
    `roots`, such as `/data=/mnt/data`, say where they are now.

    Raises:
        ValueError: no manifest, no such captioner, weights or a server that are missing, a misspelt setting, something
            outside that run.json alone names, or not a single clip was described.
    """
    kind = None if captioner is None else captioner_named(captioner)  # imported before run.json is read
    manifest = Manifest(out)
    with exclusive(manifest.location) as hold, heartbeat(manifest.location, command="caption") as beating:
        run, before = to_be_changed(manifest)
        moved = Roots.of(roots)
        config = override(with_captioner(before, kind or type(before.captioner)), assignments or [])
        followers = [scorer for scorer in config.scorers if scorer.step == Step.CAPTIONED]
        refuse_mixed_towers(before, config, anew=followers)
        refuse_unsaid(
            config, measurements=followers, captions=True, said=assignments or [], captioner_said=kind is not None
        )
        opened = any(each.needs_frames for each in (config.captioner, *followers))
        refuse_strange_sources(manifest, config, sources, moved, opened=opened)
        check_models(config, measurements=followers, captions=True)
        anew = any(line.startswith("captioner") for line in difference(before, config))
        columns = {column.name: column.field for column in CAPTION_COLUMNS}
        for scorer in followers:
            columns |= fields_of(scorer)
        rows = asked_clips(manifest, lambda clips: _wanted(config, clips, anew=anew), moved)
        done = storage.join(manifest.location, "columns", f"caption-{fingerprint(config)}")
        answers, outcomes = answers_folder(manifest.location, config.captioner), Outcomes(config)
        with keeping_answers(answers):
            values = revisit_clips(
                manifest,
                rows,
                Task(
                    config=config,
                    measurements=tuple(followers),
                    captions=True,
                    gated=False,
                    answers=kept_answers(answers),
                ),
                columns=columns,
                done=done,
                engine=choose_engine(engine, workers, config),
                beating=beating,
                hold=hold,
                outcomes=outcomes,
                roots=moved,
                strict=strict,
                unsettled=lambda values: values["caption_outcome"] == "error",
            )
        stay = {row["clip_id"]: after_asking(row, values[row["clip_id"]]) for row in rows if row["clip_id"] in values}
        hold.confirm()
        rewrite(
            manifest, run, config, lambda clips: with_values(clips, stay, columns), spent=[done, answers], roots=moved
        )
    _tell(config.captioner.name, rows, values)
    return Finished(out, outcomes)


def _wanted(config: CurateConfig, clips: pa.Table, *, anew: bool) -> Mask:
    """Which clips (N,) are to be described, and have not been in this way."""
    name, prompt_id = config.captioner.name, config.captioner.prompt_id
    said = clips.select(["captioner", "prompt_id", "caption_outcome", "caption_issues"]).to_pylist()
    settled = [not anew and last_outcome(row, name, prompt_id) not in (None, "error") for row in said]
    return passing(config, clips, before=Step.CAPTIONED) & ~np.array(settled, np.bool_)


def _tell(captioner: str, rows: Sequence[Row], values: Mapping[str, Row]) -> None:
    """Say what became of the clips that were asked about.

    Raises:
        ValueError: none of them was described.
    """
    answers = [values[row["clip_id"]] for row in rows if row["clip_id"] in values]
    failed = [answer for answer in answers if answer["caption"] is None]
    line = f"{captioner} was asked about {len(rows):,} clips: {counted(each['caption_outcome'] for each in answers)}"
    stay = [row for row in rows if row["caption"] is not None and values.get(row["clip_id"], {}).get("caption") is None]
    if stay:
        line += f"; {len(stay):,} keep the caption that they had"
    if not answers or len(failed) < len(answers):
        _log.info("%s", line)
        return
    words = failed[-1]["caption_issues"] or ["no reason"]
    raise ValueError(f"{line}; the last one: {words[0]}")
