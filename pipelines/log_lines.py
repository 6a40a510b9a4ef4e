"""What goes to standard error: lines for people, or with `--log-json` an object a line, with the event's fields."""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType
from typing import Any

from pipelines.json_log import JsonStderr, as_line

_log = logging.getLogger("clipmill")


def start_log(*, as_json: bool) -> None:
    """Set the logging of this process up; with JSON, for all that it and its children write to standard error."""
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    if as_json:
        JsonStderr()
        logging.captureWarnings(True)
        sys.excepthook = _log_crash
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonFormatter())


def log_is_json() -> bool:
    """Whether events are to be logged with their fields, and nothing drawn."""
    return any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers)


def log_event(event: str, text: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log `text`, of which the JSON has the parts as `fields`."""
    _log.log(level, "%s", text, extra={"event": event, "fields": fields})


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time, level, event, text, and the fields of `log_event` or the logger's name."""

    def format(self, record: logging.LogRecord) -> str:
        """Never more than one line."""
        text = record.getMessage()
        fields = dict(getattr(record, "fields", {"logger": record.name}))
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return as_line(record.levelname.lower(), getattr(record, "event", "log"), text, **fields)


def _log_crash(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    whole = "".join(traceback.format_exception(kind, error, at))
    log_event("crash", f"{kind.__name__}: {error}", level=logging.CRITICAL, traceback=whole)
