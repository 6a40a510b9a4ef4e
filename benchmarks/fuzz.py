"""Feed the real command films that were spoilt in every way, good films among them, and see that nothing gives way.

    python -m benchmarks.fuzz SEEDS [--files 500] [--seed 0] [--batch 50] [--engine local|ray] [--keep DIR]
    python -m benchmarks.fuzz --replay FILE [--replay FILE ...]

SEEDS is a folder of films of yours; others of some forty codecs and twenty containers are encoded here. Mutant number N
depends on `--seed`, N and the films alone. They go through `python -m pipelines curate` in batches, each beside the
same three good films. A batch that fails is tried again in halves until the files are found that fail alone; these
are kept in DIR for `--replay`. The last line is JSON:

- `run_ended`: runs that ended otherwise than with status 0 or 3, by a signal included; `internal_errors` names the
  files with which they say so,
- `hangs`: runs that were over their time; `segfaults_of_run`: runs whose own process a signal ended,
- `sources_without_row`: files that no row of `sources/` is about, after all runs of their batch,
- `nonsense_rows`: statements that cannot be true (`benchmarks/hostile/nonsense.py`), or good films whose rows differ
  from those of a run without the others,
- `peak_rss_mb`: the largest process of all runs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.hostile.mutants import mutant
from benchmarks.hostile.nonsense import nonsense
from benchmarks.hostile.runs import Ended, watched
from benchmarks.hostile.seeds import NEIGHBOURS, write_film, write_seeds
from pipelines.recipe import recipes
from preprocess.clip import Row
from preprocess.manifest import Manifest
from preprocess.sources import SIDE_SUFFIXES

SETTINGS = ("--set", "rules.short_side.min=none", "--set", "scorers.text_area.max_frames=1")
"""All default scorers, OCR among them, run on films of the seeds' size."""
START_SECONDS, SECONDS_A_FILE = 120.0, 30.0
"""A batch may take so long, on a machine that does other things too."""
DONE = (0, 3)
VOLATILE = ("source_uri", "uri", "modified_ns")
"""What tells two runs over the same good films apart, the order of sources aside."""


@dataclass(kw_only=True)
class Findings:
    """What went wrong, in the terms of the last line, and what was fed."""

    files: int = 0
    run_ended: int = 0
    hangs: int = 0
    segfaults_of_run: int = 0
    sources_without_row: int = 0
    nonsense_rows: int = 0
    peak_rss_mb: int = 0
    internal_errors: dict[str, str] = field(default_factory=dict)
    runs: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    """Sources by status and the slug of the reason."""
    codecs: int = 0
    containers: int = 0

    def count(self, ended: Ended) -> None:
        """Add a run."""
        self.runs += 1
        self.peak_rss_mb = max(self.peak_rss_mb, ended.peak_mb)
        self.hangs += ended.hung
        self.run_ended += ended.status not in DONE and not ended.hung
        self.segfaults_of_run += ended.status < 0 and not ended.hung


class Fuzz:
    """One series of runs in a folder for throw-aways."""

    def __init__(self, work: Path, keep: Path, engine: str) -> None:
        self._work, self._keep, self._engine = work, keep, engine
        self._good = work / "good"
        self._good.mkdir()
        for number, seed in enumerate(NEIGHBOURS):
            write_film(self._good / seed.name, seed, number + 1000)
        self.findings = Findings()
        ended, out = self._run("alone", [])
        if ended.status != 0:
            raise RuntimeError(f"the good films alone end with status {ended.status}:\n{ended.said}")
        self._undisturbed = self._of_good(*_tables(out))
        self._seen: set[tuple[str, str]] = set()

    def batch(self, name: str, files: Sequence[Path]) -> None:
        """Run good films and these together; where that fails, find out which of them fail alone."""
        self.findings.files += len(files)
        ended, out = self._run(name, files)
        self.findings.count(ended)
        clips, sources = _tables(out)
        for source in sources:
            self._seen.add((source["codec"] or "", source["container"] or ""))
            slug = f"{source['status']} {(source['reason'] or '').split(':')[0]}".strip()
            self.findings.reasons[slug] = self.findings.reasons.get(slug, 0) + 1
        self.findings.codecs = len({codec for codec, _ in self._seen if codec})
        self.findings.containers = len({container for _, container in self._seen if container})
        wrong = self._wrong(clips, sources)
        self.findings.nonsense_rows += len(wrong)
        rows = {Path(source["uri"]).name: source["reason"] or "" for source in sources}
        lost = [file for file in files if file.name not in rows]
        self.findings.sources_without_row += len(lost)
        internal = {file: rows[file.name] for file in files if rows.get(file.name, "").startswith("internal_error")}
        self.findings.internal_errors |= {file.name: reason for file, reason in internal.items()}
        for line in wrong:
            self._say(line)
        for file in files:
            if any(file.name in line for line in wrong) or file in internal:
                self._store(file, rows.get(file.name, ""))
        if ended.hung or lost or (ended.status not in DONE and not internal):
            self._say(f"{name}: status {ended.status}, {'hung, ' if ended.hung else ''}{len(lost)} without a row")
            self._search(name, lost or list(files), ended)
        shutil.rmtree(out)

    def _search(self, name: str, files: Sequence[Path], ended: Ended) -> None:
        """Halve a batch that failed until single files are left."""
        if len(files) == 1:
            self._store(files[0], ended.said)
            return
        for part, half in enumerate((files[: len(files) // 2], files[len(files) // 2 :])):
            again, out = self._run(f"{name}{'ab'[part]}", half)
            rows = {Path(source["uri"]).name for source in _tables(out)[1]}
            shutil.rmtree(out, ignore_errors=True)
            if again.hung or again.status not in (*DONE, 1) or not rows.issuperset(file.name for file in half):
                self._search(f"{name}{'ab'[part]}", half, again)

    def _run(self, name: str, files: Sequence[Path]) -> tuple[Ended, Path]:
        source, out = self._work / f"{name}.in", self._work / f"{name}.out"
        source.mkdir()
        for file in self._good.iterdir():
            shutil.copy2(file, source / file.name)
        for file in files:
            for beside in (file, *file.parent.glob(f"{_glob_safe(file.stem)}.json")):
                shutil.copy2(beside, source / beside.name)
        arguments = ("curate", str(source), str(out), "--engine", self._engine, *SETTINGS)
        ended = watched(arguments, START_SECONDS + SECONDS_A_FILE * len(files))
        shutil.rmtree(source)
        return ended, out

    def _wrong(self, clips: list[Row], sources: list[Row]) -> list[str]:
        wrong = nonsense(clips, sources, recipes.default().clips)
        found = self._of_good(clips, sources)
        if sources and found != self._undisturbed:
            names = [name for name, rows in self._undisturbed.items() if rows != found.get(name)]
            wrong.append(f"the rows of {names} differ from those of a run without the others")
        return wrong

    def _of_good(self, clips: list[Row], sources: list[Row]) -> dict[str, list[Row]]:
        """The rows about the good films, without what each run gives them anew."""
        names = [file.name for file in self._good.iterdir()]
        rows: dict[str, list[Row]] = {name: [] for name in names}
        for row in (*sources, *clips):
            name = Path(row.get("uri") or row["source_uri"]).name
            if name in rows:
                rows[name].append({column: value for column, value in row.items() if column not in VOLATILE})
        return rows

    def _store(self, file: Path, why: str) -> None:
        self._keep.mkdir(parents=True, exist_ok=True)
        for beside in (file, *file.parent.glob(f"{_glob_safe(file.stem)}.json")):
            shutil.copy(beside, self._keep / beside.name)
        self._say(f"kept {self._keep / file.name}: {why[-600:]}")

    def _say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


def _glob_safe(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "[]*?" else letter for letter in name)


def _tables(out: Path) -> tuple[list[Row], list[Row]]:
    """Rows of clips and sources; none where the run did not come so far."""
    manifest = Manifest(str(out))
    clips, sources = manifest.clips(), manifest.sources()
    return [] if clips is None else clips.to_pylist(), [] if sources is None else sources.to_pylist()


def main(options: argparse.Namespace) -> None:
    """Make, feed, check, print."""
    os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder writes its settings to stderr otherwise
    keep = options.keep or Path(tempfile.gettempdir()) / f"fuzz-seed-{options.seed}"
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        work = Path(folder)
        fuzz = Fuzz(work, keep, options.engine)
        if options.replay:
            for number, file in enumerate(options.replay):
                fuzz.batch(f"replay{number}", [file.resolve()])
        else:
            films = _films(work, options.seeds)
            for begin in range(options.first, options.first + options.files, options.batch):
                end = min(begin + options.batch, options.first + options.files)
                (work / "mutants").mkdir()
                files = [mutant(options.seed, number, films).write(work / "mutants") for number in range(begin, end)]
                fuzz.batch(f"{begin:04d}", files)
                print(f"{end} of {options.first + options.files} files", file=sys.stderr, flush=True)
                shutil.rmtree(work / "mutants")
        print(json.dumps(asdict(fuzz.findings)))


def _films(work: Path, seeds: Path | None) -> list[Path]:
    (work / "seeds").mkdir()
    yours = (
        []
        if seeds is None
        else sorted(path for path in seeds.iterdir() if path.is_file() and path.suffix not in SIDE_SUFFIXES)
    )
    return write_seeds(work / "seeds") + yours


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz")
    parser.add_argument("seeds", metavar="SEEDS", nargs="?", type=Path, help="a folder of films")
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=50, help="mutants in a run")
    parser.add_argument("--engine", default="local", choices=("local", "ray"))
    parser.add_argument("--keep", type=Path, help="folder for mutants that fail (default: /tmp/fuzz-seed-N)")
    parser.add_argument("--replay", type=Path, action="append", help="a file to be fed alone, again")
    main(parser.parse_args())
