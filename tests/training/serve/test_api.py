"""A real server, asked by its own OpenAPI document: who may ask, what is made, kept, cancelled and refused."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.training.serve.client import Client, RefusedError, served
from tests.training.tiny_dit_run import ShapedClips, tiny_dit_config
from training.__main__ import main
from training.film import write_film
from training.run.launch import train

ROOT = Path(__file__).resolve().parents[3]
FEW = {"prompt": "a red circle", "steps": 2}
LONG = {"prompt": "a blue circle", "steps": 1000, "frames": 33, "width": 256, "height": 256}
"""Of a minute and more on any machine; between two of its steps it is cancelled."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformer that was trained for a step, and beside it two LoRA files, one of them of another model."""
    folder = tmp_path_factory.mktemp("studio")
    train(replace(tiny_dit_config(folder / "dit", "trainer.steps=1"), data=ShapedClips()))
    tuned = tiny_dit_config(
        folder / "lora", "trainer.steps=1", f"objective.base={folder / 'dit'}", "objective.flow=true"
    )
    train(replace(tuned, data=ShapedClips()))
    assert main(["export", str(folder / "lora"), str(folder / "loras" / "a look.safetensors")]) == 0
    (folder / "loras" / "broken.safetensors").write_bytes(b"no tensors")
    return folder / "dit"


@pytest.fixture
def client(run: Path, tmp_path: Path) -> Iterator[Client]:
    with served(run, out=tmp_path / "out", loras=run.parent / "loras") as address:
        yield Client(address)


def picture(width: int = 40, height: int = 30, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), (200, 30, 30), np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def test_a_prompt_becomes_a_film_and_the_same_ask_the_same_film(client: Client) -> None:
    assert client.operations == {"model", "ask", "jobs", "job", "cancel", "forget", "upload", "film", "still"}
    job = client.ask(**FEW)
    assert job["state"] in ("queued", "running", "done")
    told = job["ask"]
    assert (told["frames"], told["height"], told["width"], told["scheduler"]) == (5, 16, 16, "euler")
    done = client.ended(job["id"])
    assert (done["state"], done["step"], done["steps"], done["error"]) == ("done", 2, 2, None)
    film = client.film(job_id=job["id"])
    with av.open(io.BytesIO(film)) as opened:
        assert [(frame.width, frame.height) for frame in opened.decode(video=0)] == [(16, 16)] * 5
    assert Image.open(io.BytesIO(client.still(job_id=job["id"]))).size == (16, 16)
    again = client.ask(**{name: value for name, value in told.items() if value is not None})
    client.ended(again["id"])
    assert client.film(job_id=again["id"]) == film
    other = client.ask(**FEW, seed=told["seed"] + 1)
    client.ended(other["id"])
    assert client.film(job_id=other["id"]) != film
    assert [each["id"] for each in client.jobs()] == [other["id"], again["id"], job["id"]]
    address = f"{client.base}/jobs/{job['id']}/film"
    status, headers, part = client.raw("GET", address, headers={"Range": "bytes=4-7"})
    assert (status, part) == (206, film[4:8])
    assert headers["content-range"] == f"bytes 4-7/{len(film)}"


def test_pictures_films_and_looks_go_with_a_prompt(client: Client, tmp_path: Path) -> None:
    model = client.model()
    assert model["takes"] == ["image", "last_image", "mask", "video"]
    assert model["loras"] == ["a look", "broken"]
    first = client.upload(picture())
    assert (first["kind"], first["width"], first["height"]) == ("picture", 40, 30)
    write_film(tmp_path / "a.mp4", np.full((8, 32, 32, 3), 90, np.uint8), fps=4)
    film = client.upload((tmp_path / "a.mp4").read_bytes())
    assert (film["kind"], film["width"]) == ("film", 32)
    plain = {**FEW, "seed": 3}
    with pytest.raises(RefusedError, match=r"^400: the video: \d+ frames at 4 a second, and 17 are needed"):
        client.ask(**plain, frames=17, video=film["id"], strength=0.5)
    asks = [
        plain,
        {**plain, "image": first["id"]},
        {**plain, "image": first["id"], "last_image": first["id"]},
        {**plain, "video": film["id"], "strength": 0.5},
        {**plain, "video": film["id"], "mask": client.upload(half())["id"]},
        {**plain, "negative": "a blue circle"},
        {**plain, "image": first["id"], "keep": True},
        {**plain, "scheduler": "unipc", "steps": 3},
    ]
    films = []
    for ask in asks:
        job = client.ended(client.ask(**ask)["id"])
        assert job["error"] is None
        films.append(client.film(job_id=job["id"]))
    # a model of one step hardly hears what it is told; what it starts from it keeps
    assert films[3] != films[0]
    with av.open(io.BytesIO(films[6])) as opened:
        kept = next(opened.decode(video=0)).to_ndarray(format="rgb24")
    with av.open(io.BytesIO(films[1])) as opened:
        told_of = next(opened.decode(video=0)).to_ndarray(format="rgb24")
    assert not np.array_equal(kept, told_of)
    looks = [client.ended(client.ask(**plain, lora="a look", lora_strength=s)["id"]) for s in (0.0, 1.0)]
    assert [job["state"] for job in looks] == ["done", "done"]
    assert client.film(job_id=looks[0]["id"]) == films[0]
    one = client.ended(client.ask(**plain, frames=1)["id"])
    assert one["kind"] == "picture"
    assert Image.open(io.BytesIO(client.film(job_id=one["id"]))).size == (16, 16)


def half() -> bytes:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, 8:] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("ask", "status", "reason"),
    [
        ({"prompt": " "}, 400, "write a prompt"),
        ({}, 422, "prompt: field required"),
        ({**FEW, "frames": 8}, 400, r"frames are 4n \+ 1, .*\. 9 frames of 16 x 16 pixels can"),
        ({**FEW, "width": 20}, 400, "multiples of 16"),
        ({**FEW, "width": 16_000, "height": 16_000}, 400, "2,000,000 tokens, and at most 53,248"),
        ({**FEW, "frames": 1 << 70}, 422, "frames: input should be less than"),
        ({**FEW, "steps": 0}, 422, "steps: input should be greater than or equal to 1"),
        ({**FEW, "steps": "many"}, 422, "steps: input should be a valid integer"),
        ({**FEW, "guidance": "nan"}, 422, "guidance: "),
        ({**FEW, "scheduler": "magic"}, 422, "scheduler: input should be 'euler', 'dpm\\+\\+' or 'unipc'"),
        ({**FEW, "colour": "red"}, 422, "colour: extra inputs are not permitted"),
        ({**FEW, "image": "../../etc/passwd"}, 400, "upload it first"),
        ({**FEW, "control": "0" * 32}, 400, "this model takes no control; it takes image, last_image"),
        ({**FEW, "lora": "../look"}, 400, "there is no LoRA '../look'; there are a look, broken"),
        ({**FEW, "strength": 0.5}, 400, "a mask and a strength are those of a video"),
        ({**FEW, "keep": True}, 400, "there is nothing to keep: give an image"),
        ({**FEW, "prompt": "x" * 10_001}, 422, "prompt: string should have at most 10000 characters"),
    ],
)
def test_what_cannot_be_made_is_refused_in_a_sentence(shared: Client, ask: dict, status: int, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason) as refused:
        shared.ask(**ask)
    assert refused.value.status == status
    assert shared.jobs() == []


@pytest.fixture(scope="module")
def shared(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One server for what leaves nothing behind."""
    with served(run, out=tmp_path_factory.mktemp("shared") / "out", loras=run.parent / "loras") as address:
        yield Client(address)


def test_broken_files_are_refused_as_they_come(shared: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    png = picture(kind="PNG")
    bombs = []
    for side in (9_000, 60_000):  # what its header claims
        bomb = bytearray(png)
        bomb[16:24] = side.to_bytes(4, "big") * 2
        bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
        bombs.append(bytes(bomb))
    for data, reason in (
        (b"", "neither a picture nor a film"),
        (b"<svg onload=alert(1)>", "neither a picture nor a film"),
        (png[: len(png) // 2], "cannot be read"),
        *((bomb, "pixels") for bomb in bombs),
    ):
        with pytest.raises(RefusedError, match=reason) as refused:
            shared.upload(data)
        assert refused.value.status == 400
    monkeypatch.setattr("training.serve.api.MOST_BYTES", 1 << 20)
    with pytest.raises(RefusedError, match="larger than 1 MiB"):
        shared.upload(bytes(2 << 20))


def test_a_lora_of_another_model_is_a_failed_job_and_the_next_one_is_made(client: Client) -> None:
    broken = client.ended(client.ask(**FEW, lora="broken")["id"])
    assert broken["state"] == "failed"
    assert broken["error"].startswith("the LoRA broken: no safetensors file")
    assert client.ended(client.ask(**FEW)["id"])["state"] == "done"
    with pytest.raises(RefusedError, match="there is no film"):
        client.film(job_id=broken["id"])


def test_jobs_wait_are_cancelled_and_deleted(client: Client, tmp_path: Path) -> None:
    running, waiting, last = (client.ask(**LONG) for _ in range(3))
    assert client.job(job_id=last["id"])["ahead"] == 2
    while not (seen := client.job(job_id=running["id"]))["step"]:
        time.sleep(0.02)
    assert (seen["state"], seen["steps"]) == ("running", 1000)
    assert client.cancel(job_id=waiting["id"])["state"] == "cancelled"
    assert client.job(job_id=last["id"])["ahead"] == 1
    with pytest.raises(RefusedError, match="the job is running: cancel it first"):
        client.forget(job_id=running["id"])
    client.cancel(job_id=running["id"])
    stopped = client.ended(running["id"])
    assert stopped["state"] == "cancelled"
    assert 0 < stopped["step"] < 1000
    client.cancel(job_id=last["id"])
    assert client.ended(last["id"])["state"] == "cancelled"
    client.forget(job_id=running["id"])
    assert [job["id"] for job in client.jobs()] == [last["id"], waiting["id"]]
    assert not (tmp_path / "out" / "jobs" / running["id"]).exists()
    for name in ("job", "cancel", "forget", "film", "still"):
        with pytest.raises(RefusedError, match="there is no such job"):
            getattr(client, name)(job_id=running["id"])


def test_what_was_made_is_there_for_the_next_server(run: Path, tmp_path: Path) -> None:
    with served(run, out=tmp_path / "out") as address:
        client = Client(address)
        done = client.ended(client.ask(**FEW)["id"])
        film = client.film(job_id=done["id"])
        running, waiting = client.ask(**LONG), client.ask(**LONG)
    folder = tmp_path / "out" / "jobs"
    (folder / "torn").mkdir()
    (folder / "torn" / "job.json").write_text('{"id": "torn", "sta')
    shutil.copytree(folder / done["id"], folder / "copy")
    with served(run, out=tmp_path / "out") as address:
        client = Client(address)
        jobs = {job["id"]: job for job in client.jobs()}
        assert jobs.keys() == {done["id"], running["id"], waiting["id"]}
        assert jobs[done["id"]] == done
        assert client.film(job_id=done["id"]) == film
        assert jobs[running["id"]]["state"] == "cancelled"
        assert (jobs[waiting["id"]]["state"], jobs[waiting["id"]]["error"]) == (
            "failed",
            "the server ended before it was made",
        )


def test_only_who_has_the_token_may_ask_and_only_under_this_name(shared: Client) -> None:
    for path in ("/", "/model", "/wrong/model", f"/{shared.token[:-1]}/model", f"//{shared.token}/model"):
        assert shared.raw("GET", path)[0] == 403
    address = f"/{shared.token}/model"
    assert shared.raw("GET", address)[0] == 200
    assert shared.raw("GET", address, headers={"Host": "evil.example"})[0] == 421
    body, kind = json.dumps(FEW).encode(), {"Content-Type": "application/json"}
    theirs = {**kind, "Origin": "http://evil.example"}
    assert shared.raw("POST", f"/{shared.token}/jobs", body, theirs)[0] == 403
    assert shared.raw("POST", f"/{shared.token}/jobs", body, {"Content-Type": "text/plain"})[0] == 422
    assert shared.jobs() == []
    for path in ("docs", "redoc", "none", "jobs/../../etc/passwd", "jobs/%2e%2e/film"):
        status, headers, data = shared.raw("GET", f"/{shared.token}/{path}")
        assert status == 404
        assert json.loads(data)["detail"]
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["cache-control"] == "no-store"


def test_what_cannot_be_served_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, reason in (
        ([str(tmp_path)], "no complete checkpoint"),
        ([str(run), "--host", "0.0.0.0"], "every address of this machine"),
        ([str(run), "--port", "70000"], "--port 70000"),
        ([str(run), "--loras", str(tmp_path / "none")], "no folder"),
        ([str(run), "--host", "192.0.2.1"], "cannot be listened at"),
    ):
        assert main(["serve", *arguments]) == 1
        assert reason in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_ends_the_command_and_the_job_that_runs(run: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training", "serve", str(run), "--out", str(tmp_path / "out")]
    command += ["--plug-in", "tests.training.tiny_dit_run"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            client = Client(process.stdout.readline().strip())
            job = client.ask(**LONG)
            while not client.job(job_id=job["id"])["step"]:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
        finally:
            process.kill()
    record = json.loads((tmp_path / "out" / "jobs" / job["id"] / "job.json").read_text())
    assert record["state"] == "cancelled"
