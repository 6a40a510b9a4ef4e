import pytest


@pytest.fixture
def captioner_of(monkeypatch):
    """Makes `openai_chat` captioners that ask a server of the test's, and closes them."""
    pytest.importorskip("openai")
    from captioners.openai_chat import OpenAIChatCaptioner

    monkeypatch.setattr("captioners.chat.wait.FIRST_SECONDS", 0.01)  # it is not told how long to wait, and does not
    made = []

    def make(server, **settings):
        quick = {"model": "tiny-vlm", "timeout_seconds": 300.0, "patience_seconds": 300.0}
        made.append(OpenAIChatCaptioner(base_url=server.url, **(quick | settings)))
        return made[-1]

    yield make
    for captioner in made:
        captioner.close()
