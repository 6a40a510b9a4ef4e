"""The bytes, the container and the stream of one source: what is opened anew to read from the begin again."""

from __future__ import annotations

import av
import av.container
import av.video

from preprocess.clip import Source
from preprocess.errors import MediaError
from preprocess.file_bounds import FileBounds
from preprocess.kinds import PICTURE_SUFFIXES, suffix_of
from preprocess.probe import content_id, decoder_options, is_picture, open_container, open_source, video_stream
from preprocess.pulse import PULSE
from preprocess.sound.beside import Beside
from preprocess.stills import mirrored


class Opened:
    """A container whose stream of pictures is ready to be decoded, by one thread.

    Raises:
        MediaError: at opening, where the source is no video that can be decoded.
    """

    container: av.container.InputContainer
    stream: av.video.VideoStream
    beside: Beside
    """Gives out the packets of the pictures."""
    is_picture: bool

    def __init__(self, source: Source, *, source_id: str | None, bounds: FileBounds, listens: bool) -> None:
        """`source_id`: the file's content id where it is known; finding it out reads up to 32 MiB."""
        self.source = source
        self._bounds = bounds
        self._listens = listens
        self._file = open_source(source)
        try:
            self.source_id = source_id or content_id(self._file)
            self.mirrored = mirrored(self._file) if suffix_of(source.uri) in PICTURE_SUFFIXES else None
            """How a picture is to be turned over before it is turned upright."""
            self.container = open_container(self._file, bounds.max_pixels, uri=source.uri)
        except BaseException:
            self._file.close()
            raise
        try:
            self._open_stream()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the container and its file; leaked ones pin memory in long-running workers."""
        self.container.close()
        self._file.close()

    def reopen(self) -> None:
        """Be at the begin, with a decoder that has seen nothing."""
        self.container.close()
        self._file.seek(0)
        self.container = open_container(self._file, self._bounds.max_pixels, uri=self.source.uri)
        self._open_stream()

    def see_pixels(self) -> None:
        """See that the pictures that the decoder was last told of, whether or not it made any, are not too large.

        Raises:
            MediaError: `too_large`.
        """
        context = self.stream.codec_context
        PULSE.pixels = context.width * context.height
        if context.width * context.height > self._bounds.max_pixels:
            raise MediaError("too_large", f"{context.width}x{context.height} pixels a frame")

    def _open_stream(self) -> None:
        self.stream = video_stream(self.container)
        self.beside = Beside(self.container, self.stream, listens=self._listens)
        context = self.stream.codec_context
        self.see_pixels()
        self.is_picture = is_picture(self.container)
        if self.is_picture and len(self.container.streams.video) > 2:  # an AVIF's second one is its transparency
            raise MediaError("not_a_video", "a picture in tiles")
        # half a JPEG is made a whole picture by a decoder that is not told to stop; that of TIFF would stop at odd tags
        strict = {"err_detect": "crccheck+explode"} if context.name in ("mjpeg", "png") and self.is_picture else {}
        context.options = decoder_options(self._bounds.max_pixels) | strict
        # One worker process runs on each core already; decoder threads would only fight over them.
        context.thread_count = 1
