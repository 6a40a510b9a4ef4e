from filters.phash import PhashScorer
from filters.prints.compare import overlaps_of
from filters.prints.film_print import MOST_SAMPLES, FilmPrint, size_of
from tests.filters.prints.scenes import FPS, print_of, walk
from tests.filters.views import texture, view_of


def test_it_is_the_print_of_the_samples():
    frames = walk(0, seconds=2)
    seen = FilmPrint.from_bytes(PhashScorer().score(view_of(frames, fps=FPS)))
    assert seen is not None
    assert len(seen.changes) == len(frames)
    overlaps = overlaps_of([(seen, print_of(frames))])
    assert overlaps.place[0] > 0.99
    assert overlaps.moment[0] > 0.97


def test_a_long_clip_has_a_bounded_hash():
    frames = [texture(18, 32, seed=number) for number in range(10)] * 30
    assert len(PhashScorer().score(view_of(frames, fps=FPS))) == size_of(MOST_SAMPLES)
