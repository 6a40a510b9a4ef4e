"""What is said over HTTP: the OpenAPI document is made of these."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from training.objectives.solvers import Scheduler

State = Literal["queued", "running", "done", "failed", "cancelled"]
FileKind = Literal["image", "last_image", "video", "mask", "control", "reference"]
"""What a sample may be given as a file."""
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")

_FILE = "Id of an uploaded file; see `files`."


class Ask(BaseModel):
    """One video, or a picture where `frames` is 1. What is left out is as `model` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: str = Field(description="What to show.", max_length=10_000)
    negative: str = Field(default="", description="What to lead away from.", max_length=10_000)
    frames: int | None = Field(default=None, ge=1, le=1 << 20, description="How many.")
    height: int | None = Field(default=None, ge=1, le=1 << 20, description="In pixels.")
    width: int | None = Field(default=None, ge=1, le=1 << 20, description="In pixels.")
    seed: int | None = Field(
        default=None, ge=0, lt=2**53, description="The same gives the same video; by chance without one."
    )
    steps: int | None = Field(default=None, ge=1, le=1000, description="Of sampling.")
    guidance: float | None = Field(
        default=None, ge=-100, le=100, description="How far the text leads; 1 is no guidance."
    )
    scheduler: Scheduler | None = Field(default=None, description="The way from noise to the video.")
    image: str | None = Field(default=None, description=f"A picture to begin with. {_FILE}")
    last_image: str | None = Field(default=None, description=f"A picture to end with. {_FILE}")
    video: str | None = Field(default=None, description=f"A film to make another of, by `strength` or `mask`. {_FILE}")
    mask: str | None = Field(default=None, description=f"White is made anew, black is kept of `video`. {_FILE}")
    strength: float = Field(default=1.0, gt=0, le=1, description="How much of `video` is noise at the beginning.")
    keep: bool = Field(
        default=False,
        description="What `image`, `last_image` and `mask` make known comes out as the autoencoder keeps it.",
    )
    control: str | None = Field(default=None, description=f"A film of poses, depths, edges or tracks. {_FILE}")
    reference: str | None = Field(default=None, description=f"A picture of what things look like. {_FILE}")
    lora: str | None = Field(default=None, description="One of those that `model` lists.")
    lora_strength: float = Field(default=1.0, ge=-4, le=4, description="How many times what it changes.")


class Job(BaseModel):
    """What has become of what was asked."""

    id: str
    state: State
    ask: Ask = Field(description="With all that was left out.")
    step: int = Field(default=0, description="Steps that are done.")
    steps: int = Field(default=0, description="Of how many; 0 before it runs.")
    ahead: int = Field(default=0, description="Jobs before it in the queue.")
    created: str = Field(description="When it was asked, ISO 8601 in UTC.")
    seconds: float | None = Field(default=None, description="How long it took, once it has ended.")
    error: str | None = Field(default=None, description="Why it failed.")
    kind: Literal["film", "picture"] = "film"
    fps: float = Field(description="Frames a second.")


class Size(BaseModel):
    """Of a video."""

    frames: int
    height: int
    width: int


class Model(BaseModel):
    """What the run makes."""

    run: str
    step: int = Field(description="Of its training, at its newest checkpoint.")
    size: Size = Field(description="The largest that it was trained on.")
    fps: float = Field(description="Frames a second.")
    frames_every: int = Field(description="Frames are this times n, plus 1.")
    pixels_every: int = Field(description="Height and width are multiples of this.")
    most_tokens: int = Field(description="A larger video is refused.")
    steps: int
    guidance: float
    scheduler: Scheduler
    schedulers: list[Scheduler]
    takes: list[FileKind] = Field(description="The files that it can be given.")
    loras: list[str] = Field(description="Files of `--loras`.")


class Upload(BaseModel):
    """A file that was taken."""

    id: str
    kind: Literal["film", "picture"]
    width: int
    height: int


class Trouble(BaseModel):
    """What is wrong, in a sentence."""

    detail: str
