import asyncio
import concurrent.futures
import json
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

pytest.importorskip("openai")

from captioners.base import CaptionServerError, ClipToDescribe
from captioners.chat.conversation import messages
from captioners.chat.wait import backoff_seconds, told_seconds
from captioners.openai_chat import OpenAIChatCaptioner
from tests.answering_server import LONG, SHORT, AnsweringServer, Reply, completion, describe, error
from tests.captioners.chat import clip, name

LATE = completion("too late", seconds=3600)
LATE_SECONDS = 2.0
"""Time-out of the tests whose server does not answer; an answer that comes takes a hundredth of it."""


def patience(trouble):
    return {"timeout_seconds": LATE_SECONDS} if trouble is LATE else {}


def test_a_clip_is_described_and_summed_up_in_one_conversation(captioner_of):
    with AnsweringServer() as server:
        captioner = captioner_of(server, model="", max_tokens=300)
        captioner.check()
        [caption] = captioner.caption([clip(1)])
    assert (caption.text, caption.short, caption.outcome) == (LONG + name(1), SHORT + name(1), "ok")
    first, second = server.requests
    assert first["model"] == "tiny-vlm"
    assert (first["max_tokens"], first["temperature"]) == (300, 0.0)
    # a prefix cache serves the frames only where the second request begins as the first did
    assert second["messages"][: len(first["messages"])] == first["messages"]
    assert second["messages"][1] == {"role": "assistant", "content": caption.text}
    assert [part["type"] for part in first["messages"][0]["content"]].count("image_url") == 2


def test_without_a_short_prompt_there_is_one_request(captioner_of):
    with AnsweringServer() as server:
        [caption] = captioner_of(server, short_prompt=None).caption([clip(1)])
    assert (caption.short, len(server.requests)) == (None, 1)


@pytest.mark.parametrize(
    "trouble",
    [
        error(429, headers={"retry-after": "0.2"}),
        error(429, headers={"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "300ms"}),
        error(500),
        error(502),
        error(503),
        error(408),
        error(409),
        Reply(body=b"{not json"),
        Reply(body=b"[" * 100_000),
        Reply(body=b'{"choices": []}'),
        Reply(body=b'{"error": {"message": "upstream"}}'),
        Reply(status=500, body=b"<html>\xff\xfe</html>"),
        replace(completion("half of a cap"), cut=True),
        Reply(reset=True),
        LATE,
    ],
    ids=lambda reply: f"{reply.status}-{reply.body[:12]!r}{'-cut' * reply.cut}{'-reset' * reply.reset}",
)
def test_trouble_is_survived(captioner_of, trouble):
    with AnsweringServer([trouble, trouble]) as server:
        captions = captioner_of(server, **patience(trouble), concurrency=2).caption([clip(1), clip(2)])
    assert [c.text for c in captions] == [LONG + name(1), LONG + name(2)]
    assert [c.short for c in captions] == [SHORT + name(1), SHORT + name(2)]
    assert len(server.requests) == 6 or trouble is LATE


def test_all_wait_as_long_as_one_is_told_to(captioner_of):
    with AnsweringServer([error(429, headers={"retry-after": "1"})]) as server:
        started = time.monotonic()
        captions = captioner_of(server, short_prompt=None, concurrency=1).caption([clip(n) for n in range(3)])
        assert time.monotonic() - started >= 1.0
    assert [c.outcome for c in captions] == ["ok"] * 3
    assert len(server.requests) == 4


def test_an_answer_that_uses_up_the_limit_pauses_the_next_request(captioner_of):
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s"}
    with AnsweringServer([completion("A dog runs.", headers=headers)]) as server:
        started = time.monotonic()
        captioner_of(server, short_prompt=None, concurrency=1).caption([clip(1), clip(2)])
        assert time.monotonic() - started >= 1.0
    assert len(server.requests) == 2


def test_rate_limit_headers():
    now = datetime(2030, 1, 1, tzinfo=UTC)
    assert told_seconds({"retry-after": "7"}, now) == 7.0
    assert told_seconds({"retry-after-ms": "1500", "retry-after": "9"}, now) == 1.5
    assert told_seconds({"retry-after": format_datetime(now.replace(minute=1), usegmt=True)}, now) == 60.0
    tokens = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0.5s"}
    assert told_seconds(tokens, now) == 360.5
    requests = {"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "1h"}
    assert told_seconds(tokens | requests, now) == 360.5
    for nonsense in ("", "soon", "-5", "nan", "inf", "1e999", "Thu, 99 Foo"):
        assert told_seconds({"retry-after": nonsense, "x-ratelimit-remaining-requests": nonsense}, now) is None
    assert backoff_seconds(0) < backoff_seconds(2) < backoff_seconds(5) <= backoff_seconds(10_000) * 2 <= 40.0


def test_order_is_kept_and_the_limit_held(captioner_of):
    def answer(request):
        server.wait_for(lambda: server.most_in_flight >= 5)
        return replace(describe(request), seconds=0.02 * (len(server.requests) % 4))

    with AnsweringServer(answer=answer) as server:
        captioner = captioner_of(server, concurrency=5)
        captions = captioner.caption([clip(n) for n in range(40)])
    assert [c.text for c in captions] == [LONG + name(n) for n in range(40)]
    assert server.most_in_flight == 5


def test_threads_share_the_limit(captioner_of):
    def answer(request):
        server.wait_for(lambda: server.most_in_flight >= 3)
        return replace(describe(request), seconds=0.02)

    with AnsweringServer(answer=answer) as server:
        captioner = captioner_of(server, concurrency=3)
        captioner.setup()
        found = {}
        threads = [
            threading.Thread(target=lambda n=n: found.update({n: captioner.caption([clip(n), clip(n + 100)])}))
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {n: [c.text for c in cs] for n, cs in found.items()} == {
        n: [LONG + name(n), LONG + name(n + 100)] for n in range(4)
    }
    assert server.most_in_flight == 3


@pytest.mark.parametrize("trouble", [error(500, "boiler"), Reply(body=b"nonsense"), LATE])
def test_a_clip_that_fails_again_and_again_is_an_error_and_the_others_are_not(captioner_of, trouble):
    def answer(request):
        return trouble if name(1) in describe(request).body.decode() else describe(request)

    with AnsweringServer(answer=answer) as server:
        captioner = captioner_of(server, attempts=3, short_prompt=None, **patience(trouble))
        captions = captioner.caption([clip(0), clip(1), clip(2)])
    assert [c.outcome for c in captions] == ["ok", "error", "ok"]
    assert captions[1].text is None
    assert "3 times" in captions[1].detail
    assert sum(name(1) in describe(request).body.decode() for request in server.requests) == 3


@pytest.mark.parametrize("away", [Reply(reset=True), error(502), error(503, headers={"retry-after": "0"})])
def test_a_server_that_is_away_for_longer_than_the_attempts_costs_no_clip(captioner_of, away):
    with AnsweringServer([away] * 4) as server:
        [caption] = captioner_of(server, attempts=2).caption([clip(1)])
    assert caption.text == LONG + name(1)


def test_a_clip_that_the_server_goes_away_over_does_not_hold_up_the_others(captioner_of):
    asked, others = [], []

    def answer(request):
        """Goes away over clip 1 after others were answered, of whom there are some left at its second time."""
        if name(1) not in describe(request).body.decode():
            others.append(request)
            server.wait_for(lambda: len(others) <= 14 or len(asked) == 2)
            return describe(request)
        asked.append(request)
        before = len(others)
        server.wait_for(lambda: len(others) >= before + 3)
        return Reply(reset=True)

    with AnsweringServer(answer=answer) as server:
        captioner = captioner_of(server, attempts=2, concurrency=2, short_prompt=None)
        captions = captioner.caption([clip(n) for n in (1, *range(2, 30))])
    assert [c.outcome for c in captions] == ["error"] + ["ok"] * 28
    assert "2 times" in captions[0].detail


def test_a_clip_that_brings_the_server_down_is_an_error(captioner_of):
    def answer(request):
        return Reply(reset=True) if name(1) in describe(request).body.decode() else describe(request)

    with AnsweringServer(answer=answer) as server:
        captioner = captioner_of(server, patience_seconds=0.5, short_prompt=None)
        captions = captioner.caption([clip(1)])
    assert [c.outcome for c in captions] == ["error"]
    assert "although the server is there" in captions[0].detail


def test_a_request_that_the_server_refuses_is_that_clips_error(captioner_of):
    def answer(request):
        refused = error(400, "too many\x1b[31m tokens " + "x" * 5000)
        return refused if name(1) in describe(request).body.decode() else describe(request)

    with AnsweringServer(answer=answer) as server:
        captions = captioner_of(server, short_prompt=None).caption([clip(0), clip(1)])
    assert [c.outcome for c in captions] == ["ok", "error"]
    assert captions[1].detail.startswith("HTTP 400: too many [31m tokens x")
    assert len(captions[1].detail) < 250
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("reply", "hint"),
    [
        (error(401), "key_variable"),
        (error(403), "key_variable"),
        (error(404, "model x does not exist"), "captioner.model"),
        (error(429, "pay", code="insufficient_quota"), "used up"),
        (error(429, headers={"retry-after": "86400"}), "patience_seconds"),
    ],
)
def test_what_no_clip_can_help_stops_the_run(captioner_of, reply, hint):
    with AnsweringServer(answer=lambda _: reply) as server, pytest.raises(CaptionServerError, match=hint):
        captioner_of(server, concurrency=2).caption([clip(n) for n in range(10)])
    assert len(server.requests) <= 4


def test_a_server_that_stays_away_stops_the_run(captioner_of):
    server = AnsweringServer()
    captioner = captioner_of(server, patience_seconds=1.0)
    captioner.setup()
    server.kill()
    with pytest.raises(CaptionServerError, match=server.url):
        captioner.caption([clip(1), clip(2)])


def test_a_server_killed_and_restarted_loses_nothing_and_answers_nothing_twice(captioner_of):
    def answer(request):
        first.wait_for(lambda: len(first.requests) <= 30)  # the others are unanswered when it is killed
        return describe(request)

    first = AnsweringServer(answer=answer)
    captioner = captioner_of(first, concurrency=4)
    captioner.setup()
    later = []

    def restart():
        first.wait_for(lambda: len(first.answered) >= 20)
        first.kill()
        time.sleep(0.7)
        later.append(AnsweringServer(port=first.port))

    thread = threading.Thread(target=restart)
    thread.start()
    captions = captioner.caption([clip(n) for n in range(40)])
    thread.join()
    with later[0]:
        assert [(c.text, c.short) for c in captions] == [(LONG + name(n), SHORT + name(n)) for n in range(40)]
        answered = Counter(describe(r).body for r in [*first.answered, *later[0].answered])
    assert 20 <= len(first.answered) < 80
    assert len(answered) == 80
    assert max(answered.values()) == 1


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (completion("I'm sorry, but I can't assist with that."), "refused"),
        (completion(None, refusal="I cannot describe people."), "refused"),
        (completion("A man", "content_filter"), "refused"),
        (error(400, "our policy", code="content_filter"), "refused"),
        (completion("  \n"), "empty"),
        (completion(None), "empty"),
        (completion("<think>They want a caption, so let me", "length"), "empty"),
        (completion("A man walks along a narrow", "length"), "truncated"),
        (completion("a blue sky with white clouds, " * 40, "length"), "repetitive"),
    ],
)
def test_outcomes(captioner_of, reply, outcome):
    def answer(request):
        return reply if len(request["messages"]) == 1 else completion("A man walks.")

    with AnsweringServer(answer=answer) as server:
        [caption] = captioner_of(server).caption([clip(1)])
    assert caption.outcome == outcome
    assert (caption.short is None) == (outcome != "truncated")


def test_a_clip_without_frames_is_an_error(captioner_of):
    with AnsweringServer() as server:
        captions = captioner_of(server).caption([ClipToDescribe(row={}), clip(1)])
    assert [c.outcome for c in captions] == ["error", "ok"]


def rewriter(answers):
    """Describes, and answers requests of the rewriting model with `answers` in turn."""

    def answer(request):
        return answers.pop(0) if request["model"] == "editor" else describe(request)

    return answer


GOOD = json.dumps({"detailed": "A square turns  brighter.", "short": "A square brightens."})


@pytest.mark.parametrize("good", [GOOD, f"```json\n{GOOD}\n```"])
@pytest.mark.parametrize(
    "bad",
    [
        (),
        ("no JSON", '{"detailed": "A square turns brighter."}'),
        ('{"detailed": 5, "short": "x"}', '{"detailed": "a", "short": "b", "extra": "c"}'),
        ('["detailed", "short"]', '{"detailed": "As an AI language model, I cannot", "short": " "}'),
    ],
)
def test_a_rewrite_is_held_to_its_schema(captioner_of, good, bad):
    with AnsweringServer(answer=rewriter([completion(text) for text in (*bad, good)])) as server:
        captioner = captioner_of(server, rewrite_model="editor")
        [caption] = captioner.caption([clip(1)])
    assert (caption.text, caption.short) == ("A square turns brighter.", "A square brightens.")
    asked = [request for request in server.requests if request["model"] == "editor"]
    assert len(asked) == 1 + len(bad)
    assert asked[0]["response_format"]["json_schema"]["schema"]["required"] == ["detailed", "short"]
    assert LONG + name(1) in asked[0]["messages"][0]["content"]
    assert "image_url" not in json.dumps(asked)


@pytest.mark.parametrize(
    "bad", [completion("{}"), completion('{"detailed": "A squ', "length"), error(400, "no schemas")]
)
def test_a_caption_that_cannot_be_rewritten_stays_as_it_is(captioner_of, bad):
    with AnsweringServer(answer=rewriter([bad] * 9)) as server:
        [caption] = captioner_of(server, rewrite_model="editor").caption([clip(1)])
    assert (caption.text, caption.short, caption.outcome) == (LONG + name(1), SHORT + name(1), "ok")
    assert caption.detail.startswith("not rewritten: ")


def test_many_failures_in_a_row_are_a_streak_and_few_are_none(captioner_of):
    replies = [error(400), completion(""), error(400), error(400), describe(first_request()), error(400), error(400)]
    with AnsweringServer(replies) as server:
        captioner = captioner_of(server, short_prompt=None, concurrency=1, failures_in_a_row=3)
        assert [c.outcome for c in captioner.caption([clip(n) for n in range(7)])].count("ok") == 1
        server.script = [error(400, "closed")]
        with pytest.raises(CaptionServerError, match=r"3 clips in a row.*HTTP 400: closed"):
            captioner.caption([clip(n) for n in range(9)])
        assert len(server.requests) == 8


def first_request():
    return {"messages": messages(clip(0).frames, ["What is it?"])}


def test_prompt_id_names_the_prompts_in_use():
    captioner = OpenAIChatCaptioner(short_prompt=None)
    assert captioner.prompt_id.startswith("detailed_v1@")
    assert " " not in captioner.prompt_id
    assert "rewrite_v1@" in replace(captioner, rewrite_model="editor").prompt_id


def test_what_is_broken_off_leaves_its_slots(captioner_of):
    released = threading.Event()

    def answer(request):
        released.wait()
        return describe(request)

    with AnsweringServer(answer=answer) as server:
        captioner = captioner_of(server, concurrency=1, short_prompt=None)
        thread = captioner._session.thread
        work = captioner._caption_all([clip(n) for n in range(50)])

        async def broken_off():
            task = asyncio.create_task(work)
            await asyncio.to_thread(server.wait_for, lambda: server.requests)
            task.cancel()
            await task

        with pytest.raises(concurrent.futures.CancelledError):
            thread.run(broken_off())
        released.set()
        [caption] = captioner.caption([clip(99)])
    assert caption.text == LONG + name(99)
    assert len(server.requests) == 2
