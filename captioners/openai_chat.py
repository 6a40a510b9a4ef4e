"""Captions from a server that speaks OpenAI's chat protocol: vLLM, SGLang, Ollama, llama.cpp or a service."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from captioners.base import Caption, Captioner, CaptionServerError, ClipToDescribe
from captioners.chat.answer import Answer
from captioners.chat.client import served_models
from captioners.chat.conversation import (
    DESCRIBED,
    Message,
    NoAnswer,
    detailed,
    messages,
    sound_question,
    with_more,
)
from captioners.chat.keys import check_url, read_key
from captioners.chat.loop_thread import LoopThread
from captioners.chat.rewrite import (
    ATTEMPTS,
    RESPONSE_FORMAT,
    InvalidRewriteError,
    correction,
    read_rewrite,
    rewrite_request,
)
from captioners.chat.server import NO_KEY, ChatServer, RequestFailedError
from captioners.prompt import Prompt, load_prompt
from captioners.streak import Streak
from preprocess.io.bounds import above, at_least, check
from preprocess.io.settings import OPERATIONAL, OUTSIDE


@dataclass(frozen=True, kw_only=True)
class OpenAIChatCaptioner(Captioner):
    """Shows a clip's frames to a model on a server, asks for a description, then for one sentence.

    The second question goes on in the first one's conversation, so that a server with a prefix cache does not look at
    the frames again. The key comes from an environment variable or a file, in every process that captions.
    """

    name: ClassVar[str] = "openai_chat"
    waits: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ("openai",)

    base_url: str = field(default="http://localhost:8000/v1", metadata=OPERATIONAL | OUTSIDE)
    model: str = field(default="", metadata=OUTSIDE)
    """As the server calls it; empty for the first that it lists."""
    prompt: str = field(default="detailed_v1", metadata=OUTSIDE)
    """Name in `captioners/prompts/` or path of a text file, as for the other two."""
    short_prompt: str | None = field(default="short_v1", metadata=OUTSIDE)
    """None asks for no short caption."""
    rewrite_model: str | None = field(default=None, metadata=OUTSIDE)
    """A language model on the same server that edits both captions; None leaves them as they are."""
    rewrite_prompt: str = field(default="rewrite_v1", metadata=OUTSIDE)
    sound_model: str | None = field(default=None, metadata=OUTSIDE)
    """A model on the same server that hears: it describes the sound of clips that have one; None asks nobody."""
    sound_prompt: str = field(default="sound_v1", metadata=OUTSIDE)
    num_frames: int = field(default=8, metadata=at_least(1))
    long_side: int = field(default=512, metadata=at_least(1))
    max_tokens: int = field(default=512, metadata=at_least(1))
    temperature: float = field(default=0.0, metadata=at_least(0))
    concurrency: int = field(default=16, metadata=OPERATIONAL | at_least(1))
    """Clips that are asked about at a time."""
    timeout_seconds: float = field(default=120.0, metadata=OPERATIONAL | above(0))
    """For one answer, from the first byte sent to the last received."""
    attempts: int = field(default=6, metadata=OPERATIONAL | at_least(1))
    """Failures of the server at one request before its clip gets the outcome `error`."""
    failures_in_a_row: int = field(default=20, metadata=OPERATIONAL | at_least(1))
    """Clips in a row that get no caption, all with the same outcome, before the run stops."""
    patience_seconds: float = field(default=300.0, metadata=OPERATIONAL | at_least(0))
    """How long the server may answer nobody before the run stops: time to load a model again."""
    key_variable: str = field(default="OPENAI_API_KEY", metadata=OPERATIONAL | OUTSIDE)
    """The environment variable that holds the key. Where it is not set, none is sent."""
    key_file: str | None = field(default=None, metadata=OPERATIONAL | OUTSIDE)
    """A file that holds nothing but the key, on every machine that captions; it goes before the variable."""

    def __post_init__(self) -> None:
        check_url(self.base_url)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.key_variable):
            raise ValueError("key_variable is not the name of an environment variable; the key itself is no setting")
        check(self)

    @property
    def listens(self) -> bool:
        """Where there is a model that hears."""
        return self.sound_model is not None

    @property
    def prompt_id(self) -> str:
        """Names and content hashes of the prompts in use, in the order of their use."""
        return " ".join(prompt.id for prompt in self._prompts.values())

    def check(self) -> None:
        """See that prompts, key and server are there; asks the server for its models once.

        Raises:
            CaptionServerError: it is not there, or it refuses the key.
            ValueError: a setting or the environment variable is wrong.
        """
        _ = self._prompts
        self._served()

    def setup(self) -> None:
        """Find out what to call the model, and start the thread that waits for answers."""
        _ = self._session

    def caption(self, clips: Sequence[ClipToDescribe]) -> list[Caption]:
        """Ask about `concurrency` clips at a time; several threads may call this, and share that number."""
        return self._session.thread.run(self._caption_all(clips))

    def close(self) -> None:
        """Close the connections and end the thread."""
        session = self.__dict__.pop("_session", None)
        if session is not None:
            session.thread.run(session.server.close())
            session.thread.close()

    @cached_property
    def _prompts(self) -> dict[str, Prompt]:
        """By setting. Read once and carried to other processes, which may not have the user's files."""
        named = {"prompt": self.prompt, "short_prompt": self.short_prompt}
        named |= {"rewrite_prompt": self.rewrite_prompt} if self.rewrite_model else {}
        named |= {"sound_prompt": self.sound_prompt} if self.sound_model else {}
        return {setting: load_prompt(name) for setting, name in named.items() if name}

    @cached_property
    def _session(self) -> _Session:
        model = self.model or self._served()[0]
        server = ChatServer(
            self.base_url,
            self._key(),
            timeout_seconds=self.timeout_seconds,
            attempts=self.attempts,
            patience_seconds=self.patience_seconds,
        )
        return _Session(
            server=server,
            model=model,
            thread=LoopThread(),
            slots=asyncio.Semaphore(self.concurrency),
            streak=Streak(self.failures_in_a_row),
        )

    def _served(self) -> list[str]:
        served = served_models(self.base_url, self._key())
        if not (self.model or served):
            raise ValueError(f"{self.base_url} lists no models: name one with `--set captioner.model=NAME`")
        return served

    def _key(self) -> str:
        place = f"${self.key_variable}" if self.key_file is None else repr(self.key_file)
        key = os.environ.get(self.key_variable, "") if self.key_file is None else read_key(Path(self.key_file))
        key = key.strip()
        # what does not fit into a header would come back in the text of an exception
        if not (key.isascii() and key.isprintable()):
            raise ValueError(f"the key in {place} has characters that no key has")
        return key or NO_KEY

    async def _caption_all(self, clips: Sequence[ClipToDescribe]) -> list[Caption]:
        tasks = [asyncio.create_task(self._caption_one(clip)) for clip in clips]
        try:
            return list(await asyncio.gather(*tasks))
        except CaptionServerError as error:
            ended = [task.done() and not task.cancelled() and task.exception() is None for task in tasks]
            error.captions = [task.result() if done else None for task, done in zip(tasks, ended, strict=True)]
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _caption_one(self, clip: ClipToDescribe) -> Caption:
        if not clip.frames:
            return Caption(text=None, outcome="error", detail="no frames")
        async with self._session.slots:
            self._session.streak.go_on()
            caption = self._session.streak.add(await self._described(clip))
            if self.rewrite_model and caption.outcome == "ok":
                caption = await self._rewritten(caption)
            return await self._heard(caption, clip.sound)

    async def _described(self, clip: ClipToDescribe) -> Caption:
        question = self._prompts["prompt"].text
        caption = detailed(await self._answer(messages(clip.frames, [question])))
        if self.short_prompt is None or caption.outcome not in DESCRIBED:
            return caption
        turns = [question, caption.text or "", self._prompts["short_prompt"].text]
        return with_more(caption, await self._answer(messages(clip.frames, turns)), "short")

    async def _answer(self, conversation: list[Message], **extra: object) -> Answer | NoAnswer:
        try:
            return await self._ask(conversation, **extra)
        except RequestFailedError as error:
            return NoAnswer(detail=str(error))

    async def _heard(self, caption: Caption, sound: bytes | None) -> Caption:
        """With what the model that hears says, where there is one, of a clip that was described and has sound."""
        if self.sound_model is None or sound is None or caption.text is None:
            return caption
        question = sound_question(sound, self._prompts["sound_prompt"].text)
        return with_more(caption, await self._answer(question, model=self.sound_model), "sound")

    async def _rewritten(self, caption: Caption) -> Caption:
        """The rewriting model's caption, or else this one."""
        request = rewrite_request(self._prompts["rewrite_prompt"].text, caption)
        extra = {"model": self.rewrite_model, "response_format": RESPONSE_FORMAT}
        problem = ""
        for _ in range(ATTEMPTS):
            try:
                answer = await self._ask(request, **extra)
                return read_rewrite(answer.text, answer.finish_reason)
            except InvalidRewriteError as error:
                problem = str(error)
                request += correction(answer.text, problem)
            except RequestFailedError as error:
                problem = str(error)
                break
        return replace(caption, detail=f"not rewritten: {problem}")

    async def _ask(self, conversation: list[Message], **extra: object) -> Answer:
        session = self._session
        limits = {"max_tokens": self.max_tokens, "temperature": self.temperature}
        return await session.server.ask({"model": session.model, "messages": conversation} | limits | extra)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    """What a worker holds between `setup` and `close`."""

    server: ChatServer
    model: str
    thread: LoopThread
    slots: asyncio.Semaphore
    streak: Streak
