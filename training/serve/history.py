"""Jobs on the disk: a folder each, with what was asked and what was made, for the next server as well."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from preprocess.io import storage
from training.film import Frames, write_film, write_picture
from training.serve.messages import ENDED, Job

FILM, STILL, RECORD = "film.mp4", "still.png", "job.json"

_log = logging.getLogger("clipmill")


class History:
    """A folder of jobs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> list[Job]:
        """All jobs, oldest first; those that a server left unfinished have failed. What is no record is passed over."""
        jobs = []
        for path in sorted(self._folder.glob(f"*/{RECORD}")):
            try:
                job = Job.model_validate_json(path.read_bytes())
            except ValueError as error:
                _log.warning("%s is no record of a job, and is left out: %s", path, str(error).splitlines()[0])
                continue
            if job.id != path.parent.name:
                continue
            if job.state not in ENDED:
                job.state, job.error, job.ahead = "failed", "the server ended before it was made", 0
            jobs.append(job)
        return jobs

    def keep(self, job: Job) -> None:
        """Write what is known of a job; whole or not at all."""
        place = self._folder / job.id
        place.mkdir(parents=True, exist_ok=True)
        storage.write_atomic(str(place / RECORD), job.model_dump_json(indent=2).encode())

    def keep_film(self, job: Job, film: Frames) -> None:
        """Write what was made (F, H, W, 3), and a still of its first frame."""
        write_picture(self._folder / job.id / STILL, film[0])
        if job.kind == "film":
            write_film(self._folder / job.id / FILM, film, fps=job.fps)

    def film(self, job: Job) -> Path:
        """Where the film or picture is."""
        return self._folder / job.id / (FILM if job.kind == "film" else STILL)

    def still(self, job: Job) -> Path:
        """Where its first frame is."""
        return self._folder / job.id / STILL

    def forget(self, job: Job) -> None:
        """Delete it."""
        shutil.rmtree(self._folder / job.id)
