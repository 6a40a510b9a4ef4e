import pytest
import torch

from training.models.text_words import WordTextConfig, word_vector


def test_what_a_caption_becomes_does_not_depend_on_the_others():
    encoder = WordTextConfig(dim=16, max_words=4).encoder()
    alone, mask = encoder.encode(["a red circle"])
    both, masks = encoder.encode(["a red circle", "", "one two three four five six"])
    assert mask.tolist() == [[True] * 4]
    assert masks.tolist() == [[True] * 4 + [False], [True] + [False] * 4, [True] * 5]
    assert torch.equal(both[0, :4], alone[0])
    assert torch.equal(both[2], encoder.encode(["one two three four"])[0][0]), "cut off at four words"


def test_words_are_told_apart_and_places_too():
    vectors = WordTextConfig(dim=64).encoder().encode(["moving left left right"])[0][0]
    alike = torch.corrcoef(vectors)
    assert alike[2, 3] > 0.6, "the same word at two places"
    assert alike[2, 3] < 0.99
    assert alike[2:, 4][:2].abs().max() < 0.5


def test_a_word_is_the_same_everywhere_and_without_regard_to_case_and_space():
    encoder = WordTextConfig(dim=8).encoder()
    assert torch.equal(encoder.encode(["A  Red\ncircle"])[0], encoder.encode(["a red circle"])[0])
    assert word_vector("red", 4).tolist() == pytest.approx([-0.686292, -0.402969, -0.172135, -1.561793], abs=1e-6)
    assert word_vector("\ud800", 4).isfinite().all(), "half a surrogate pair"


def test_its_identity_is_that_of_its_settings_and_nothing_of_it_learns():
    config = WordTextConfig(dim=8)
    assert config.identity() == WordTextConfig(dim=8).identity()
    others = [config.identity(seed=1), WordTextConfig(dim=16).identity(), WordTextConfig(dim=8, max_words=9).identity()]
    assert config.identity() not in others
    assert not config.learns
    assert not config.encoder().learns
    with pytest.raises(ValueError, match="max_words"):
        WordTextConfig(max_words=0)
