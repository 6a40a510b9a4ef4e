"""What looks like a cluster and is another user's is neither joined nor shown this user's token."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import ray_insides
from cluster.connection import Place, cluster_is_running, connect
from cluster.found import listeners

NOBODY = 65534
RAYLET = """#!{python} -I
import pathlib, socket, sys
server = socket.create_server(("127.0.0.1", 0))
address = "127.0.0.1:%d" % server.getsockname()[1]
if len(sys.argv) == 1:  # again, as a node that belongs to the cluster at this port
    import os
    server.set_inheritable(True)
    folder = pathlib.Path(__file__).parent
    (folder / "ray_current_cluster").write_text(address)
    os.execv(__file__, [__file__, "--gcs-address=" + address, "--temp_dir=" + str(folder), str(server.fileno())])
server = socket.socket(fileno=int(sys.argv[-1]))
print(address_of := server.getsockname()[1], flush=True)
while True:
    caller, _ = server.accept()
    print(caller.recv(1 << 16), flush=True)
"""


@pytest.fixture
def look_alike(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a process of another user's that `ps` shows as a node; it prints what it is told there."""
    if os.getuid() != 0:
        pytest.skip("only root can run a process of another user's")
    folder = Path(f"/tmp/clipmill-look-alike-{os.getpid()}")
    folder.mkdir()
    script = folder / "raylet"
    script.write_text(RAYLET.format(python=os.path.realpath("/usr/bin/python3")))
    script.chmod(0o755)
    os.chown(folder, NOBODY, NOBODY)
    process = subprocess.Popen([script], user=NOBODY, group=NOBODY, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield f"127.0.0.1:{int(process.stdout.readline())}", process
    process.kill()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def test_another_user_s_cluster_gets_no_token(
    look_alike: tuple[str, subprocess.Popen[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, process = look_alike
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("secret" * 10)
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert address in {node.address for node in ray_insides.nodes()}
    assert listeners(address) == {NOBODY}

    place = Place(address="auto", working_dir=os.fspath(tmp_path), workers=1)
    cluster_is_running()
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ValueError, match=f"{address}: user {NOBODY} listens there"):
        connect(place)
    process.kill()
    assert process.stdout is not None
    assert process.stdout.read() == ""  # not even asked


def test_who_listens_is_known(tmp_path: Path) -> None:
    code = "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1]); s.close()"
    closed = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert listeners(f"127.0.0.1:{closed}") == set()
    assert listeners("192.0.2.99:6379") == set()
