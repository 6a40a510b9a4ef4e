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
        CaptionServerError: it is not there, it refuses the key, or its address ends in `/v1`, which is missing.
    """
    status, listed, problem = _listed(base_url, key)
    if problem:
        raise CaptionServerError(
            f"no server at {base_url} ({problem}): start it, or name another with `--set captioner.base_url=URL`"
        )
    if status in (401, 403):
        raise CaptionServerError(refused_key(base_url, status))
    models = _names(listed)
    longer = f"{base_url.rstrip('/')}/v1"
    if models is None and not base_url.rstrip("/").endswith("/v1"):
        status, listed, _ = _listed(longer, key)
        if status in (401, 403) or _names(listed) is not None:
            raise CaptionServerError(
                f"{base_url} is not the address of the server's API, {longer} answers as one: did you mean "
                f"`--set captioner.base_url={longer}`?"
            )
    return models or []


def _listed(base_url: str, key: str) -> tuple[int, object, str]:
    """The HTTP status of a refusal, or 0; what the server says to a question for its models; why it cannot be asked."""
    openai = import_openai()
    with openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=PROBE_SECONDS) as client:
        try:
            return 0, json.loads(client.models.with_raw_response.list().http_response.text), ""
        except openai.APIStatusError as error:
            return error.status_code, None, ""
        except openai.APIConnectionError as error:
            return 0, None, cause_of(error)
        except (ValueError, RecursionError):
            return 0, None, ""  # something answers; the first request will show what


def _names(listed: object) -> list[str] | None:
    """The models in a list of them; None for anything else."""
    data = listed.get("data") if isinstance(listed, dict) else None
    if not isinstance(data, list):
        return None
    names = [entry.get("id") for entry in data if isinstance(entry, dict)]
    return [name for name in names if isinstance(name, str)]


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
