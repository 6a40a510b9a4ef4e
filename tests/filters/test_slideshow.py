import pytest

from filters.slideshow import SlideshowScorer
from tests.filters.views import moving, texture, view_of


def _look(frames):
    return SlideshowScorer().look(view_of(frames))


def test_is_of_the_film_and_not_of_the_clip():
    still = _look([texture(120, 200)] * 48)
    film = _look(moving(texture(200, 400), (120, 200), lambda t: (20 * t, 0, 1), seconds=2.0))
    scorer = SlideshowScorer()
    assert [row["slideshow"] for row in scorer.scores([still, film, film, film], [{}] * 4)] == pytest.approx(
        [0.25] * 4, abs=0.02
    )
    assert scorer.scores([still] * 3, [{}] * 3)[0]["slideshow"] > 0.95
    assert scorer.score(view_of([texture(120, 200)])) is None
