"""Files that lead a careless reader elsewhere: to an address, or to another file, whatever their own names say."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path


def hls(path: Path, target: str) -> None:
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:10", "#EXTINF:10,", target, "#EXT-X-ENDLIST", ""]
    path.write_text("\n".join(lines))


def hls_master(path: Path, target: str) -> None:
    path.write_text(f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\n{target}\n")


def hls_key(path: Path, target: str) -> None:
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:10", f'#EXT-X-KEY:METHOD=AES-128,URI="{target}"', "#EXTINF:10,", target]
    path.write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))


def concat(path: Path, target: str) -> None:
    path.write_text(f"ffconcat version 1.0\nfile '{target}'\n")


def dash(path: Path, target: str) -> None:
    path.write_text(
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT9S"'
        ' minBufferTime="PT1S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet'
        f' mimeType="video/mp4"><Representation id="1" bandwidth="1000"><BaseURL>{target}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>"
    )


def sdp(path: Path, target: str) -> None:
    port = target.rpartition(":")[2].partition("/")[0] if "://" in target else "9"
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=x", "c=IN IP4 127.0.0.1", "t=0 0", f"m=video {port} RTP/AVP 96"]
    path.write_text("\r\n".join([*lines, "a=rtpmap:96 H264/90000", ""]))


def reference_movie(path: Path, target: str) -> None:
    """A QuickTime file of nothing but the address of another one."""
    url = target.encode() + b"\0"
    rdrf = _atom(b"rdrf", struct.pack(">I4sI", 0, b"url ", len(url)) + url)
    path.write_bytes(_atom(b"ftyp", b"qt  \0\0\0\0qt  ") + _atom(b"moov", _atom(b"rmra", _atom(b"rmda", rdrf))))


WRITERS: dict[str, Callable[[Path, str], None]] = {
    writer.__name__: writer for writer in (hls, hls_master, hls_key, concat, dash, sdp, reference_movie)
}


def outside_data(path: Path, film: Path, target: str) -> None:
    """The MP4 `film`, whose tables say that its frames are in another file: at `target`, by a URL and by an alias."""
    data = film.read_bytes()
    at = data.index(b"dref") - 4
    url = _atom(b"url ", b"\0\0\0\0" + target.encode() + b"\0")
    name = Path(target).name.encode()[:63]
    words = target.encode() + b"\0" * (len(target) % 2)
    alias = b"\0" * 10 + bytes([4]) + b"disk".ljust(27, b"\0") + b"\0" * 12 + bytes([len(name)]) + name.ljust(63, b"\0")
    alias += b"\0" * 16 + struct.pack(">HH", 0, 0) + b"\0" * 16 + struct.pack(">HH", 2, len(words)) + words
    alias += struct.pack(">HH", 0xFFFF, 0)
    dref = _atom(b"dref", struct.pack(">II", 0, 2) + _atom(b"alis", b"\0\0\0\0" + alias) + url)
    more = len(dref) - struct.unpack(">I", data[at : at + 4])[0]
    fixed = bytearray(data)
    for name_of_parent in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        place = data.index(name_of_parent, data.index(b"moov")) - 4
        struct.pack_into(">I", fixed, place, struct.unpack(">I", data[place : place + 4])[0] + more)
    path.write_bytes(bytes(fixed[:at]) + dref + bytes(fixed[at + len(dref) - more :]))
    assert data.index(b"mdat") < data.index(b"moov"), "offsets of frames would have to move, too"


def _atom(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), name) + body
