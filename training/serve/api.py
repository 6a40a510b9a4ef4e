"""The HTTP API, which its own OpenAPI document describes, and the page, which asks the same as any other client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from training.serve.files import MOST_BYTES, Files
from training.serve.history import History
from training.serve.jobs import FullError, Jobs
from training.serve.messages import Ask, Job, Model, Trouble, Upload
from training.serve.page import Page
from training.serve.studio import Studio

_BINARY = {"type": "string", "format": "binary"}
_TROUBLE: dict[int | str, dict[str, Any]] = {
    400: {"model": Trouble, "description": "It cannot be made."},
    404: {"model": Trouble, "description": "It is not there."},
    422: {"model": Trouble, "description": "It is not understood."},
}
_FILM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"video/mp4": {"schema": _BINARY}, "image/png": {"schema": _BINARY}}}
}
_STILL: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {"schema": _BINARY}}}}


def make_app(studio: Studio, jobs: Jobs, files: Files, history: History, page: Page) -> FastAPI:
    """The app; `Guard` says who may ask it."""
    # Its own pages of documentation would load scripts from elsewhere.
    app = FastAPI(title="ClipMill", version="1", docs_url=None, redoc_url=None, description=__doc__, responses=_TROUBLE)
    app.include_router(_asked(studio, jobs))
    app.include_router(_given(jobs, files, history))
    app.add_exception_handler(RequestValidationError, _misunderstood)
    app.add_exception_handler(HTTPException, _other)
    for kind, status in ((KeyError, 404), (ValueError, 400), (FileNotFoundError, 404), (FullError, 429)):
        app.add_exception_handler(kind, _refusal(status))

    @app.get("/", include_in_schema=False)
    def root() -> HTMLResponse:
        return HTMLResponse(page.html, headers={"Content-Security-Policy": page.policy})

    return app


def _asked(studio: Studio, jobs: Jobs) -> APIRouter:
    router = APIRouter()

    @router.get("/model", operation_id="model")
    def model() -> Model:
        """What the run makes."""
        return studio.model()

    @router.post("/jobs", operation_id="ask", status_code=202)
    def ask(asked: Ask) -> Job:
        """Put a video into the queue."""
        return jobs.add(studio.completed(asked))

    @router.get("/jobs", operation_id="jobs")
    def all_jobs(limit: int = 200) -> list[Job]:
        """All that were asked, newest first."""
        return jobs.all()[: max(limit, 0)]

    @router.get("/jobs/{job_id}", operation_id="job")
    def job(job_id: str) -> Job:
        """What has become of one."""
        return jobs.one(job_id)

    @router.post("/jobs/{job_id}/cancel", operation_id="cancel")
    def cancel(job_id: str) -> Job:
        """Take it out of the queue, or end it before its next step."""
        return jobs.cancel(job_id)

    @router.delete("/jobs/{job_id}", operation_id="forget", status_code=204)
    def forget(job_id: str) -> None:
        """Delete one that has ended, and its film."""
        jobs.forget(job_id)

    return router


def _given(jobs: Jobs, files: Files, history: History) -> APIRouter:
    router = APIRouter()
    body = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": _BINARY}}}}

    @router.post("/files", operation_id="upload", status_code=201, openapi_extra=body)
    async def upload(request: Request) -> Upload:
        """Take a picture or a film, of 64 MiB at most, as the request's body."""
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > MOST_BYTES:
                raise HTTPException(413, f"the file is larger than {MOST_BYTES >> 20} MiB")
        return await run_in_threadpool(files.keep, bytes(data))

    @router.get("/jobs/{job_id}/film", operation_id="film", response_class=FileResponse, responses=_FILM)
    def film_of(job_id: str, download: bool = False) -> FileResponse:
        """The film, or the picture, of a job that is done; by ranges where they are asked for."""
        job = jobs.one(job_id)
        path = history.film(job)
        if job.state != "done" or not path.is_file():
            raise FileNotFoundError(f"the job is {job.state}: there is no film")
        name = f"{job.id}{path.suffix}" if download else None
        return FileResponse(path, filename=name, headers={"Cache-Control": "private, max-age=3600"})

    @router.get("/jobs/{job_id}/still", operation_id="still", response_class=FileResponse, responses=_STILL)
    def still_of(job_id: str) -> FileResponse:
        """The first frame of a job that is done."""
        job = jobs.one(job_id)
        if job.state != "done" or not history.still(job).is_file():
            raise FileNotFoundError(f"the job is {job.state}: there is no film")
        return FileResponse(history.still(job), headers={"Cache-Control": "private, max-age=3600"})

    return router


Handler = Callable[[Request, Exception], Awaitable[JSONResponse]]


def _refusal(status: int) -> Handler:
    async def refuse(request: Request, error: Exception) -> JSONResponse:
        sentence = "there is no such job" if isinstance(error, KeyError) else str(error)
        return JSONResponse({"detail": sentence}, status)

    return refuse


async def _misunderstood(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's list of faults as a sentence."""
    assert isinstance(error, RequestValidationError)
    faults = [f"{'.'.join(map(str, each['loc'][1:])) or 'body'}: {each['msg'].lower()}" for each in error.errors()]
    return JSONResponse({"detail": "; ".join(faults[:5])}, 422)


async def _other(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = "there is no such thing here" if error.status_code == 404 else error.detail
    return JSONResponse({"detail": detail}, error.status_code)
