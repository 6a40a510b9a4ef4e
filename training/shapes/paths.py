"""More of the shapes corpus: what goes with each film, a video of the shape's path and a camera, true by construction.

In half of the scenes the background is a grey texture, a wall that the camera goes along or towards; the shape goes its
own way in the picture, or stands still before the wall. The path is a white disc on black, as poses, depths and edges
are videos.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from training.film import Frames, write_film
from training.shapes.corpus import COLORS, FPS, SECONDS, Scene, render, scenes

Move = Literal["still", "left", "right", "in", "out"]
MOVES: dict[Move, tuple[float, float]] = {
    "still": (0.0, 0.0),
    "left": (-0.2, 0.0),
    "right": (0.2, 0.0),
    "in": (0.0, 0.12),
    "out": (0.0, -0.12),
}
"""What the camera goes a second, to the right and forward, in distances to the wall; the picture is as wide as that."""
WAVES = 4
"""Of which a texture is the sum."""
CONTRAST = 90.0
"""Grey levels that they add together, up and down, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A scene before a wall, and what the camera does."""

    scene: Scene
    move: Move | None = None
    """None: the wall is of one grey, and nobody says where the camera is."""
    waves: tuple[tuple[float, float, float], ...] = ()
    """Of the wall: cycles a picture's width along x and y, and a phase."""
    contrast: float = CONTRAST
    """See there."""
    stands: bool = False
    """Whether the shape stands still before the wall, so that it moves in the picture only as the camera does."""

    def camera(self, seconds: float) -> npt.NDArray[np.float64]:
        """(16,), see `training.models.rays.CAMERA_VALUES`: halfway through the film it stands in the middle."""
        right, forward = MOVES[self.move or "still"]
        gone = seconds - SECONDS / 2
        pose = np.eye(3, 4)
        pose[:, 3] = (-right * gone, 0.0, -forward * gone)
        return np.concatenate([[1.0, 1.0, 0.5, 0.5], pose.ravel()])

    def seen(self, seconds: float) -> Scene:
        """The scene as a film of one frame shows it, where the shape stands still: at its place, in its size."""
        camera, scene = self.camera(seconds), self.scene
        distance = 1.0 + camera[15]
        x, y = ((place - 0.5 + camera[entry]) / distance + 0.5 for place, entry in ((scene.x, 7), (scene.y, 11)))
        begun = scene.center(0.0)
        return replace(
            scene, x=float(x + scene.x - begun[0]), y=float(y + scene.y - begun[1]), radius=scene.radius / distance
        )

    def wall(self, size: int, seconds: float) -> npt.NDArray[np.float64]:
        """(size, size): grey levels that the camera sees of it, the scene's own among them."""
        points = (np.arange(size) + 0.5) / size - 0.5
        camera = self.camera(seconds)
        distance = 1.0 + camera[15]
        x, y = (points * distance - camera[7])[None, :], (points * distance - camera[11])[:, None]
        level = np.full((size, size), float(self.scene.grey))
        for along, down, phase in self.waves:
            level += self.contrast / WAVES * np.cos(2 * np.pi * (along * x + down * y) + phase)
        return level


def shots(count: int, *, seed: int = 0, contrast: float = CONTRAST) -> list[Shot]:
    """Every second one of a wall with a texture, those with all movements in turn."""
    rng = np.random.default_rng((seed, 1))
    return [
        Shot(scene=scene, move=list(MOVES)[number // 2 % len(MOVES)], waves=_waves(rng), contrast=contrast)
        if number % 2
        else Shot(scene=scene)
        for number, scene in enumerate(scenes(count, seed=seed))
    ]


def render_shot(shot: Shot, *, size: int, num_frames: int = round(SECONDS * FPS), fps: float = FPS) -> Frames:
    """The film's first frames as uint8 RGB (N, H, W, 3)."""
    times = [index / fps for index in range(num_frames)]
    film = _of_shape(shot, shot.scene, size, times)
    if shot.move is None:
        return film
    walls = np.stack([shot.wall(size, seconds) for seconds in times])
    behind = (1 - _cover(shot, shot.scene, size, times)) * (walls - shot.scene.grey)
    return np.clip(np.rint(film + behind[..., None]), 0, 255).astype(np.uint8)


def render_path(shot: Shot, *, size: int, num_frames: int = round(SECONDS * FPS), fps: float = FPS) -> Frames:
    """Where the shape is in the same frames: a white disc of its radius on black."""
    cover = _cover(shot, replace(shot.scene, shape="circle"), size, [index / fps for index in range(num_frames)])
    return np.rint(255 * cover)[..., None].repeat(3, axis=3).astype(np.uint8)


def cameras(shot: Shot, *, num_frames: int = round(SECONDS * FPS), fps: float = FPS) -> npt.NDArray[np.float32]:
    """(N, 16) of the same frames, see `training.models.rays.CAMERA_VALUES`."""
    return np.stack([shot.camera(index / fps) for index in range(num_frames)]).astype(np.float32)


def write_shots(folder: Path, *, count: int, seed: int = 0, size: int = 64) -> list[Shot]:
    """Write films with the JSON file of `corpus.write_corpus` into `folder/films`; into `folder/paths` and
    `folder/cameras` what goes with them, by the keys `control` and `camera` of that file, relative to the film.

    A film of a wall of one grey has no camera.
    """
    for name in ("films", "paths", "cameras"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    drawn = shots(count, seed=seed)
    for number, shot in enumerate(drawn):
        name, scene = f"{number:05d}", shot.scene
        said = {"caption": scene.caption, "caption_short": scene.caption_short, "control": f"../paths/{name}.mp4"}
        if shot.move is not None:
            said["camera"] = f"../cameras/{name}.txt"
            (folder / "cameras" / f"{name}.txt").write_text(camera_file(cameras(shot)), encoding="utf-8")
        truth = asdict(scene) | {"move": shot.move} | said
        (folder / "films" / f"{name}.json").write_text(json.dumps(truth), encoding="utf-8")
        write_film(folder / "paths" / f"{name}.mp4", render_path(shot, size=size), fps=FPS)
        write_film(folder / "films" / f"{name}.mp4", render_shot(shot, size=size), fps=FPS)
    return drawn


def camera_file(cameras_N16: npt.NDArray[np.float32]) -> str:
    """As RealEstate10K has cameras: a line about the file, then for each frame its number, intrinsics, two zeros and
    world to camera."""
    rows = [[number, *camera[:4].tolist(), 0, 0, *camera[4:].tolist()] for number, camera in enumerate(cameras_N16)]
    return "\n".join(["shapes", *(" ".join(f"{value:.9g}" for value in row) for row in rows), ""])


def _of_shape(shot: Shot, scene: Scene, size: int, times: Sequence[float]) -> Frames:
    """(N, size, size, 3): the scene at those times, which are evenly spaced, in the shot's way of moving."""
    if not shot.stands:
        return render(scene, size=size, num_frames=len(times), fps=1 / times[1] if len(times) > 1 else FPS)
    still = replace(shot, scene=scene)
    return np.concatenate([render(still.seen(seconds), size=size, num_frames=1) for seconds in times])


def _cover(shot: Shot, scene: Scene, size: int, times: Sequence[float]) -> npt.NDArray[np.float64]:
    """(N, size, size): the share of each pixel that the shape covers."""
    color = np.array(COLORS[scene.color])
    alone = _of_shape(shot, replace(scene, grey=0), size, times)
    cover: npt.NDArray[np.float64] = alone[..., color.argmax()] / color.max()
    return cover


def _waves(rng: np.random.Generator) -> tuple[tuple[float, float, float], ...]:
    """In all directions, of a third of a picture to all of it."""
    turns, cycles = rng.uniform(0, np.pi, WAVES), rng.uniform(0.8, 2.5, WAVES)
    phases = rng.uniform(0, 2 * np.pi, WAVES)
    return tuple(
        (float(c * np.cos(turn)), float(c * np.sin(turn)), float(phase))
        for turn, c, phase in zip(turns, cycles, phases, strict=True)
    )
