"""The client package of OpenAI's protocol, imported when it is needed, and one quick question to a server."""

from __future__ import annotations

import json
import logging
from typing import Any

from captioners.base import CaptionServerError
from captioners.chat.answer import refused_key

PROBE_SECONDS = 5.0
CAUSE_LIMIT = 200
CHATTY_LOGGERS = ("openai", "httpx", "httpx2", "httpcore", "httpcore2")
"""They log each request, at debug level with its frames."""


def served_models(base_url: str, key: str) -> list[str]:
    """Names of the models that the server lists, asked once; empty where it keeps no list.

    Raises:
        CaptionServerError: it is not there, or it refuses the key.
    """
    openai = import_openai()
    status, problem = 0, ""
    listed: object = None
    with openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=PROBE_SECONDS) as client:
        try:
            listed = json.loads(client.models.with_raw_response.list().http_response.text)
        except openai.APIStatusError as error:
            status = error.status_code
        except openai.APIConnectionError as error:
            problem = cause_of(error)
        except (ValueError, RecursionError):
            pass  # something answers; the first request will show what
    if problem:
        raise CaptionServerError(
            f"no server at {base_url} ({problem}): start it, or name another with `--set captioner.base_url=URL`"
        )
    if status in (401, 403):
        raise CaptionServerError(refused_key(base_url, status))
    data = listed.get("data") if isinstance(listed, dict) else None
    models = [entry.get("id") for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
    return [name for name in models if isinstance(name, str)]


def import_openai() -> Any:
    """The client's package, with its loggers held to warnings.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import openai
    except ImportError as error:
        raise ValueError("captioner openai_chat needs the package openai: `make setup-all`") from error
    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    return openai


def cause_of(error: Exception) -> str:
    """Name and words of what lies under the client's `Connection error.`"""
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}".removesuffix(": ")[:CAUSE_LIMIT]
