"""The process that talks to Ray: `python -m cluster.driver FD`, a child of the command and the first of a session.

Ray ends a process that loses its cluster, and takes signals for itself. Here that costs the command nothing: it sees
that this process has ended, and says what to do. What is exchanged over the socket FD is in `cluster.ray_engine`.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from multiprocessing.connection import Connection

import ray

from cluster import private
from cluster.connection import Place, connect
from cluster.pools import stream
from cluster.sessions import kill_session


def main(descriptor: int) -> None:
    """Connect, say what the cluster has, be told what to run there, several times, and hand over every result."""
    channel = Connection(descriptor)
    place: Place = channel.recv()
    threading.Thread(target=_end_with_parent, args=(place.folder,), daemon=True).start()
    try:
        connect(place)
    except (ValueError, ConnectionError, RuntimeError) as error:
        channel.send(("refused", f"{error}"))
        return
    channel.send(("connected", ray.cluster_resources()))
    while (work := channel.recv()) is not None:
        pools, items = work
        try:
            for result in stream(pools, items):
                channel.send(("result", result))
        except Exception:  # Ray's; whether its cluster is lost, the parent finds out
            channel.send(("failed", traceback.format_exc()))
            return
        channel.send(("done", None))
    if place.address is not None:
        ray.shutdown()


def _end_with_parent(own_folder: str | None) -> None:
    """Standard input ends when the parent closes it or is no more, however it ended."""
    os.read(sys.stdin.fileno(), 1)
    if own_folder is not None:
        kill_session(os.getsid(0))
        private.remove(own_folder)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
