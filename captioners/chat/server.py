"""Ask a server that speaks OpenAI's chat protocol, until it answers or it is clear that it will not.

Where it is busy, wait as it says for as long as others are answered. Where it is gone, it may be restarting: wait for
it. Where it failed at a request, try a few times more. See `captioners.chat.answer.Kind`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from captioners.base import CaptionServerError
from captioners.chat.answer import DETAIL_LIMIT, Answer, Failure, Kind, read_answer, read_error
from captioners.chat.client import PROBE_SECONDS, cause_of, import_openai
from captioners.chat.wait import backoff_seconds, reset_seconds

NO_KEY = "none"
"""Sent where no key is set; local servers take anything."""
CONNECT_SECONDS = 10.0


class RequestFailedError(Exception):
    """This request gets no answer; others may. The message says why, in a few words, without the key."""


class ChatServer:
    """A server with its key. Its methods belong to one event loop."""

    def __init__(
        self, base_url: str, key: str, *, timeout_seconds: float, attempts: int, patience_seconds: float
    ) -> None:
        openai = import_openai()
        self._base_url, self._secret = base_url, key
        self._timeout_seconds, self._attempts, self._patience_seconds = timeout_seconds, attempts, patience_seconds
        timeout = openai.Timeout(timeout_seconds, connect=min(timeout_seconds, CONNECT_SECONDS))
        # no retries of its own: they know nothing of a server that restarts
        self._client: Any = openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=timeout)
        self._num_answers = 0
        self._trouble_since: float | None = None
        self._resume_at = 0.0

    async def ask(self, request: Mapping[str, Any]) -> Answer:
        """Send a chat completion request (the JSON body) until it is answered.

        Raises:
            RequestFailedError: it will not be.
            CaptionServerError: no request will be.
        """
        counted, tries, answers_before = 0, 0, self._num_answers
        while True:
            await self._turn()
            result = await self._send(request)
            if isinstance(result, Answer):
                self._num_answers += 1
                self._trouble_since = None
                return result
            if result.kind is Kind.WRONG_SETTING:
                raise CaptionServerError(result.detail)
            # a server that goes away time and again, yet answers others in between, goes away over this request
            gone_over_this = result.kind is Kind.GONE and self._num_answers != answers_before
            counted += result.kind is Kind.FAILED or gone_over_this
            if result.kind is Kind.WRONG_REQUEST or counted >= self._attempts:
                raise RequestFailedError(result.detail + (f", {counted} times" if counted > 1 else ""))
            answers_before = self._num_answers
            await self._wait(result, tries)
            tries += 1

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    async def _turn(self) -> None:
        """Sit out the pause that the server asked for: the limit is the key's, so it holds for every request."""
        clock = asyncio.get_running_loop().time
        while (pause := self._resume_at - clock()) > 0:
            await asyncio.sleep(pause + backoff_seconds(0))

    async def _send(self, request: Mapping[str, Any]) -> Answer | Failure:
        import openai

        try:
            # the client's own time-out begins anew with each byte that arrives
            async with asyncio.timeout(self._timeout_seconds):
                raw = await self._client.chat.completions.with_raw_response.create(**request)
        except (TimeoutError, openai.APITimeoutError) as error:
            if type(error.__cause__).__name__ == "ConnectTimeout":
                return Failure(kind=Kind.GONE, detail="no connection")
            return Failure(kind=Kind.FAILED, detail=f"no answer within {self._timeout_seconds:g} s")
        except openai.APIConnectionError as error:
            return Failure(kind=Kind.GONE, detail=self._shown(cause_of(error)))
        except openai.APIStatusError as error:
            where = {"base_url": self._base_url, "model": str(request.get("model"))}
            return read_error(error.status_code, error.response.headers, error.body, shown=self._shown, **where)
        self._heed_limits(raw.headers)
        return read_answer(self._hidden(raw.http_response.text))

    def _heed_limits(self, headers: Mapping[str, str]) -> None:
        """Pause after an answer that used up the limit."""
        wait = reset_seconds(headers)
        if wait:
            until = asyncio.get_running_loop().time() + min(wait, self._patience_seconds)
            self._resume_at = max(self._resume_at, until)

    async def _wait(self, failure: Failure, tries: int) -> None:
        asked_seconds = failure.told_seconds
        wait = min(backoff_seconds(tries) if asked_seconds is None else asked_seconds, self._patience_seconds)
        if failure.kind is Kind.FAILED:
            await asyncio.sleep(wait)
            return
        now = asyncio.get_running_loop().time()
        self._trouble_since = now if self._trouble_since is None else self._trouble_since
        if now - self._trouble_since >= self._patience_seconds or (asked_seconds or 0) > self._patience_seconds:
            await self._give_up(failure)
        if failure.kind is Kind.BUSY:
            self._resume_at = max(self._resume_at, now + wait)
        else:
            await asyncio.sleep(wait)

    async def _give_up(self, failure: Failure) -> None:
        """End this request where the server is there for others, and the run where it is not."""
        if failure.kind is Kind.GONE and await self._is_there():
            raise RequestFailedError(f"{failure.detail}, although the server is there")
        hint = "" if failure.told_seconds is None else f", it asks to wait {failure.told_seconds:.0f} s"
        raise CaptionServerError(
            f"no answer from {self._base_url} in {self._patience_seconds:g} s ({failure.detail}{hint}): run the same "
            "command again when there is; `--set captioner.patience_seconds=SECONDS` waits longer"
        )

    async def _is_there(self) -> bool:
        import openai

        try:
            await self._client.with_options(timeout=PROBE_SECONDS).models.list()
        except openai.APIStatusError as error:
            return error.status_code not in (502, 503)
        except (openai.OpenAIError, ValueError):
            return False
        return True

    def _shown(self, text: str) -> str:
        """The server's words on one line, without the key, which servers quote."""
        hidden = self._hidden(text)
        return " ".join("".join(c if c.isprintable() else " " for c in hidden).split())[:DETAIL_LIMIT]

    def _hidden(self, text: str) -> str:
        return text if self._secret == NO_KEY else text.replace(self._secret, "***")
