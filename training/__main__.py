"""The command line: `python -m training COMMAND --help`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

from preprocess.errors import StorageError
from preprocess.io.config_files import as_toml, read_config
from preprocess.io.names import elsewhere, imported, recipe_in, recipe_named
from preprocess.io.roots import Roots
from preprocess.io.settings import dump, override
from preprocess.io.storage import absolute
from training import recipes
from training.evaluate import evaluate
from training.export import LAYOUTS, export
from training.models.grid import Shape
from training.objectives.generate import GenerateConfig
from training.run.checkpoint import latest, read_state
from training.run.config import Precision, TrainConfig, located, refuse_remote
from training.run.launch import train
from training.run.signals import Interrupted, tell
from training.run.stages import in_order
from training.run.turn import NonFiniteError
from training.run.watch import shown
from training.sample import sample

FIRST_RANK_SECONDS = 2.0
"""What all ranks refuse, the first one tells, and torchrun ends the others. What one refuses alone, it tells later."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 1 refused with a reason."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        for name in options.plug_in:
            imported(name)
        options.run(options)
    except (ValueError, NonFiniteError, StorageError) as error:
        return _refused(options.command, error)
    except OSError as error:
        if error.filename is None:
            raise  # of no file that was named
        return _refused(options.command, error)
    return 0


def _refused(command: str, error: Exception) -> int:
    if os.environ.get("RANK", "0") != "0":
        time.sleep(FIRST_RANK_SECONDS)
    print(f"{command}: {error}", file=sys.stderr)
    return 1


def _train(options: argparse.Namespace) -> None:
    config = _config(options, out=absolute(options.out))
    if options.usual is not None:
        usual = recipe_in(recipes, options.usual, TrainConfig, options.manifest, "")
        if not isinstance(config.objective, type(usual.objective)):
            mine, theirs = (type(each.objective).__name__ for each in (usual, config))
            raise ValueError(f"recipe {config.name} has a {theirs}: `{options.command}` is for a {mine}")
    try:
        _launch(config, options)
    except Interrupted:
        _tell_where(config)
        raise
    _tell_where(config)


def _config(options: argparse.Namespace, *, out: str) -> TrainConfig:
    """The recipe that the command line names, or that a file holds, for this manifest and run, and what is set."""
    if options.config is None:
        config = recipe_named(options.recipe, recipes.__name__, TrainConfig, options.manifest, out)
    else:
        config = replace(read_config(options.config, TrainConfig), out=out)
        config = _with_data(config, "manifest", options.manifest)
    if getattr(options, "roots", ()):
        config = _with_data(config, "roots", Roots.of(options.roots))
    return located(override(config, options.set))


def _with_data(config: TrainConfig, name: str, value: object) -> TrainConfig:
    """With a setting of its data, and of its stages' data, where they have it."""
    keys = ["data", *(f"stages.{stage}.data" for stage in config.stages)]
    return override(config, [f"{key}.{name}={value}" for key in keys if f"{key}.{name}" in dump(config)])


def _show_config(options: argparse.Namespace) -> None:
    options.manifest = ""
    print(as_toml(_config(options, out="")), end="")


def _launch(config: TrainConfig, options: argparse.Namespace) -> None:
    if options.launcher == "ray":
        from cluster.connection import send_along  # Ray takes seconds to import
        from cluster.ray_train import run_on_workers

        send_along(elsewhere(config))
        with shown(config.out, steps=config.trainer.steps):
            run_on_workers(
                partial(train, config),
                workers=options.workers,
                gpus_per_worker=options.gpus_per_worker,
                address=options.address,
                working_dir=os.fspath(Path(__file__).parents[1]),
                storage=os.fspath(Path(config.out) / "ray"),
                restarts=options.restarts,
                on_signal=tell,
            )
    else:
        train(config)


def _tell_where(config: TrainConfig) -> None:
    """At which step the run is, or its stage; alone of a finished one there is nothing else to say."""
    for run in reversed([*in_order(config)]):
        checkpoint = latest(run.out)
        if checkpoint is not None and os.environ.get("RANK", "0") == "0":
            step = read_state(checkpoint)["step"]
            logging.info("at step %d of %d: %s", step, run.trainer.steps, checkpoint)
            return


def _cache(options: argparse.Namespace) -> None:
    config = _config(options, out="")
    print(config.data.fill_cache(config, options.out, epochs=options.epochs, processes=options.processes))


def _sample(options: argparse.Namespace) -> None:
    shape = None if options.shape is None else _shape(options.shape)
    config = GenerateConfig(num_steps=options.steps, guidance=options.guidance, shift=options.shift)
    refuse_remote(options.out)
    out = Path(options.out)
    image = None if options.image is None else Path(options.image)
    for path in sample(
        options.run_folder,
        options.prompt,
        out,
        count=options.count,
        seed=options.seed,
        shape=shape,
        image=image,
        config=config,
        precision=options.precision,
    ):
        print(path)


def _evaluate(options: argparse.Namespace) -> None:
    sampling = GenerateConfig(num_steps=options.steps, guidance=options.guidance, shift=options.shift)
    print(json.dumps(evaluate(options.run_folder, sampling, seed=options.seed, precision=options.precision)))


def _export(options: argparse.Namespace) -> None:
    print(export(options.run_folder, options.file, options.layout, merged=options.merged))


def _shape(text: str) -> Shape:
    try:
        frames, height, width = (int(number) for number in text.split("x"))
    except ValueError:
        raise ValueError(f"--shape {text}: expected FRAMESxHEIGHTxWIDTH, such as 9x32x32") from None
    return Shape(frames, height, width)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, usual, what in (
        ("train", None, "train what a recipe names"),
        ("vae", "tiny_vae", "train an autoencoder"),
        ("dit", "tiny_dit", "train a transformer on its latents; --set objective.vae=RUN"),
        ("lora", "tiny_lora", "teach a transformer a look by few clips; --set objective.base=RUN"),
        ("reward", "tiny_reward", "tune a transformer by rewards; --set objective.base=RUN"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("manifest", metavar="MANIFEST", help="what `python -m pipelines curate` wrote")
        _add_recipe(command, usual)
        command.add_argument("--out", required=True, metavar="RUN", help="folder of the run; the same again resumes")
        command.add_argument("--launcher", choices=("local", "ray"), default="local", help="local is torchrun's too")
        command.add_argument("--workers", type=int, default=1, help="how many workers Ray starts")
        command.add_argument("--gpus-per-worker", type=float, default=0.0)
        command.add_argument("--address", help="of a Ray cluster, such as auto (default: a local one for this run)")
        command.add_argument("--restarts", type=int, default=0, help="how often Ray may start lost workers again")
        command.set_defaults(run=_train, usual=usual)
    command = commands.add_parser("cache", help="encode a transformer's clips once, for --set data.cache=")
    command.add_argument("manifest", metavar="MANIFEST")
    _add_recipe(command, "tiny_dit")
    command.add_argument("--out", required=True, metavar="CACHE", help="a folder or bucket; the same again resumes")
    command.add_argument("--epochs", type=int, default=1, help="how many places of each clip (default: %(default)s)")
    command.add_argument("--processes", type=int, default=1, help="of the run to come (default: %(default)s)")
    command.set_defaults(run=_cache)
    command = commands.add_parser("show-config", help="print a recipe with all its settings, for --config FILE")
    _add_recipe(command, "tiny_vae")
    command.set_defaults(run=_show_config)
    _add_sample(commands)
    command = commands.add_parser("eval", help="measure a run on held-out clips; for shapes, in its samples' pixels")
    command.add_argument("run_folder", metavar="RUN")
    _add_sampling(command)
    command.set_defaults(run=_evaluate)
    command = commands.add_parser("export", help="write a run's weights, or its LoRA, as other programs read them")
    command.add_argument("run_folder", metavar="RUN")
    out = "ends in .safetensors; of peft, and of whole weights for diffusers, a folder"
    command.add_argument("file", metavar="FILE", type=Path, help=out)
    command.add_argument("--layout", choices=LAYOUTS, default=LAYOUTS[0], help="whose names (default: %(default)s)")
    command.add_argument("--merged", action="store_true", help="the whole weights with the LoRA in them")
    command.set_defaults(run=_export)
    for command in commands.choices.values():
        what = "where a run's own classes are, such as my_objective.py; may be given several times"
        command.add_argument("--plug-in", action="append", default=[], metavar="MODULE", help=what)
    return parser


def _add_recipe(command: argparse.ArgumentParser, default: str | None) -> None:
    where = "one of training/recipes.py, or module:name, or path/to/file.py:name"
    where += "" if default is None else " (default: %(default)s)"
    either = command.add_mutually_exclusive_group(required=default is None)
    either.add_argument("--recipe", metavar="NAME", default=default, help=where)
    either.add_argument("--config", metavar="FILE", type=Path, help="TOML, as show-config prints it, or YAML")
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting")
    what = "videos that MANIFEST names below A lie below B now; may be given several times"
    command.add_argument("--root", dest="roots", action="append", default=[], metavar="A=B", help=what)


def _add_sample(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("sample", help="write videos for a prompt, and a sheet of their frames")
    command.add_argument("run_folder", metavar="RUN")
    command.add_argument("--prompt", required=True)
    command.add_argument("--image", metavar="FILE", help="a picture to begin with; its middle, where it does not fit")
    out = "such as clip.mp4; the sheet is clip.png. Or picture.png, with a shape of one frame"
    command.add_argument("--out", default="sample.mp4", metavar="FILM", help=f"{out} (default: %(default)s)")
    command.add_argument("--count", type=int, default=1)
    command.add_argument("--shape", help="FRAMESxHEIGHTxWIDTH (default: the largest that was trained on)")
    _add_sampling(command)
    command.set_defaults(run=_sample)


def _add_sampling(command: argparse.ArgumentParser) -> None:
    default = GenerateConfig()
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--steps", type=int, default=default.num_steps, help="(default: %(default)s)")
    command.add_argument("--guidance", type=float, default=default.guidance, help="(default: %(default)s)")
    command.add_argument("--shift", type=float, help="of noise levels (default: as the run was trained)")
    how = "of weights and computation (default: as the run was trained; on a CPU fp32)"
    command.add_argument("--precision", choices=get_args(Precision), help=how)


if __name__ == "__main__":
    sys.exit(main())
