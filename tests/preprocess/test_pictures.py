"""Pictures are sources of one frame, seen as a viewer shows them; the truth is what was painted."""

from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preprocess.clip import Clip, Source, Window
from preprocess.decode import Video
from preprocess.errors import MediaError
from preprocess.file_bounds import FileBounds
from preprocess.io import storage
from preprocess.observe import ClipLengths, observe, revisit
from preprocess.rgb import rgb_of
from preprocess.shots.detector import ShotConfig
from preprocess.sources import list_sources
from tests.videos import counter_video, picture_file

FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "bmp": "BMP", "tif": "TIFF", "avif": "AVIF"}
RED, GREEN, WHITE = (255, 0, 0), (0, 255, 0), (255, 255, 255)
WIDTH, HEIGHT = 96, 64


def painted() -> Image.Image:
    """Red at the upper left, green at the lower right, white elsewhere."""
    pixels = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    pixels[: HEIGHT // 2, : WIDTH // 2] = RED
    pixels[HEIGHT // 2 :, WIDTH // 2 :] = GREEN
    return Image.fromarray(pixels)


def saved(image: Image.Image, path: Path, *, orientation: int = 1, **options: object) -> Source:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, FORMATS[path.suffix[1:]], **({"exif": exif} if orientation > 1 else {}), **options)
    return Source(uri=os.fspath(path), size_bytes=path.stat().st_size, modified_ns=0)


def corners(source: Source) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Its corners as training and as scorers see them, in RGB: from the upper left on, row by row."""
    with Video(source) as video:
        (frame,) = video.frames()
        assert video.info.is_picture
        assert (frame.info.width, frame.info.height) == (video.info.width, video.info.height)
        whole = np.rot90(rgb_of(frame.raw), -(frame.info.rotation // 90))
        seen = frame.shrink().picture().bgr()[..., ::-1]
        assert whole.shape == seen.shape == (video.info.height, video.info.width, 3)
    places = [(6, 6), (6, -6), (-6, 6), (-6, -6)]
    return [whole[place] for place in places], [seen[place] for place in places]


@pytest.mark.parametrize("suffix", FORMATS)
def test_each_format_shows_its_colours(tmp_path: Path, suffix: str) -> None:
    for found in corners(saved(painted(), tmp_path / f"p.{suffix}")):
        np.testing.assert_allclose(found, [RED, WHITE, WHITE, GREEN], atol=6)


TURNED = {
    2: (WHITE, RED, GREEN, WHITE),
    3: (GREEN, WHITE, WHITE, RED),
    4: (WHITE, GREEN, RED, WHITE),
    5: (RED, WHITE, WHITE, GREEN),
    6: (WHITE, RED, GREEN, WHITE),
    7: (GREEN, WHITE, WHITE, RED),
    8: (WHITE, GREEN, RED, WHITE),
}
"""What EXIF orientations make of the corners (EXIF 2.32, 4.6.4): 2, 4, 5 and 7 in a mirror, 5 to 8 on the side."""


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif"])
def test_orientation_is_applied(tmp_path: Path, suffix: str) -> None:
    for orientation, expected in TURNED.items():
        source = saved(painted(), tmp_path / f"p{orientation}.{suffix}", orientation=orientation)
        for found in corners(source):
            np.testing.assert_allclose(found, expected, atol=6, err_msg=f"orientation {orientation}")
        with Video(source) as video:
            size = video.info.width, video.info.height
        assert size == ((HEIGHT, WIDTH) if orientation > 4 else (WIDTH, HEIGHT))


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_what_is_transparent_lies_on_white(tmp_path: Path, suffix: str) -> None:
    """All is red; the right half is transparent and the lower left quarter half so."""
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[HEIGHT // 2 :, : WIDTH // 2], alpha[:, WIDTH // 2 :] = 128, 0
    red = Image.new("RGB", (WIDTH, HEIGHT), RED)
    red.putalpha(Image.fromarray(alpha))
    for found in corners(saved(red, tmp_path / f"p.{suffix}", **({"lossless": True} if suffix == "webp" else {}))):
        np.testing.assert_allclose(found, [RED, WHITE, (255, 127, 127), WHITE], atol=6)


def test_transparent_pictures_are_turned_too(tmp_path: Path) -> None:
    clear = painted()
    clear.putalpha(Image.fromarray(np.repeat(np.repeat([[255, 255], [255, 0]], 32, 0), 48, 1).astype(np.uint8)))
    for found in corners(saved(clear, tmp_path / "p.png", orientation=6)):
        np.testing.assert_allclose(found, [WHITE, RED, WHITE, WHITE], atol=6)


@pytest.mark.parametrize("suffix", FORMATS)
def test_half_a_picture_is_none(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    source = saved(Image.fromarray(noise), tmp_path / f"p.{suffix}")
    path = Path(source.uri)
    path.write_bytes(path.read_bytes()[: source.size_bytes // 2])
    with pytest.raises(MediaError, match=r"no_frames|not_a_video|broken_header"):
        Video(source)


@pytest.mark.parametrize("suffix", FORMATS)
def test_huge_pictures_are_not_decoded(tmp_path: Path, suffix: str) -> None:
    source = saved(Image.new("RGB", (1200, 900)), tmp_path / f"p.{suffix}")
    with pytest.raises(MediaError, match="too_large"):
        Video(source, bounds=FileBounds(max_pixels=1_000_000))
    with Video(source, bounds=FileBounds(max_pixels=1200 * 900)) as video:
        assert len(list(video.frames())) == 1


def test_moving_pictures_are_videos_or_have_a_reason(tmp_path: Path) -> None:
    pictures = [Image.new("RGB", (WIDTH, HEIGHT), (shade, 0, 0)) for shade in (0, 80, 160)]
    for name, form in (("a.png", "PNG"), ("a.webp", "WEBP")):
        pictures[0].save(tmp_path / name, form, save_all=True, append_images=pictures[1:], duration=100)
    with Video(Source(uri=os.fspath(tmp_path / "a.png"), size_bytes=0, modified_ns=0)) as video:
        assert (video.info.is_picture, len(list(video.frames()))) == (False, 3)
    with pytest.raises(MediaError, match=r"no_frames.*animated WebP"):
        Video(Source(uri=os.fspath(tmp_path / "a.webp"), size_bytes=0, modified_ns=0))


def test_a_picture_is_one_clip_that_is_found_again(tmp_path: Path) -> None:
    source = saved(painted(), tmp_path / "p.jpg")
    with Video(source) as video:
        (first,) = observe(video, ShotConfig(), ClipLengths(), Window())
    row = first.clip.row(codec="mjpeg", has_audio=False, damaged=first.damaged, is_picture=True)
    assert (row["kind"], row["num_frames"], row["damaged"]) == ("picture", 1, False)
    assert row["duration_seconds"] is row["fps"] is None
    with Video(source) as video:
        (again,) = revisit(video, [Clip.of(row)])
    assert again.clip.clip_id == first.clip.clip_id
    assert first.view is not None
    assert again.view is not None
    np.testing.assert_array_equal(first.view.samples[0].picture.y, again.view.samples[0].picture.y)


def test_pictures_are_taken_only_where_they_are_asked_for(tmp_path: Path) -> None:
    counter_video(tmp_path / "film.mp4")
    for name in ("film.jpg", "poster.PNG", "page.svg"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "list.txt").write_text("film.mp4\nfilm.jpg\n")
    without, asked = (list_sources(os.fspath(tmp_path), pictures=pictures) for pictures in (False, True))
    assert [Path(source.uri).name for source in without.sources] == ["film.mp4"]
    assert without.passed_over == " (1 .jpg, 1 .png, 1 .svg, 1 .txt passed over; --set pictures=true takes pictures)"
    assert {Path(source.uri).name for source in asked.sources} == {"film.jpg", "film.mp4", "page.svg", "poster.PNG"}
    assert asked.passed_over == " (1 .txt passed over)"
    for pictures, count in ((False, 1), (True, 2)):
        assert len(list_sources(os.fspath(tmp_path / "list.txt"), pictures=pictures).sources) == count


def test_in_a_bucket_as_in_a_folder(tmp_path: Path) -> None:
    local = saved(painted(), tmp_path / "p.jpg", orientation=5)
    storage.write_atomic("memory://pictures/in/p.jpg", Path(local.uri).read_bytes())
    (found,) = list_sources("memory://pictures/in", pictures=True).sources
    np.testing.assert_array_equal(corners(found), corners(local))


def test_a_picture_by_the_name_of_a_film_is_none(tmp_path: Path) -> None:
    for name in ("p.mp4", "p.svg"):
        with pytest.raises(MediaError, match="not_a_video"):
            Video(Source(uri=os.fspath(picture_file(tmp_path / name)), size_bytes=0, modified_ns=0))


def test_exif_that_is_none_changes_nothing(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    painted().save(buffer, "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff\x00")
    (tmp_path / "p.jpg").write_bytes(buffer.getvalue())
    found, _ = corners(Source(uri=os.fspath(tmp_path / "p.jpg"), size_bytes=0, modified_ns=0))
    np.testing.assert_allclose(found, [RED, WHITE, WHITE, GREEN], atol=6)


def test_a_clip_without_a_rate_is_a_tick_long() -> None:
    row = {"source_id": "s", "source_uri": "p.png", "start_pts": 0, "end_pts": 1, "num_frames": 1, "width": 2}
    clip = Clip.of(row | {"height": 2, "time_base_num": 1, "time_base_den": 25, "fps": None})
    assert (clip.fps, clip.duration_seconds) == (Fraction(25), 0.04)
