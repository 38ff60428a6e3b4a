"""The log: one JSON object a line, with the identifier of the request and nothing of a patient.

Names of files, what is in them, answers and addresses of clients are never logged.
"""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

from tumorlens.serve.settings import LogFormat, Settings

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
FIELDS = "fields"
_OURS = ("tumorlens", "uvicorn", "uvicorn.error")


class JsonFormatter(logging.Formatter):
    """A log record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its line break."""
        time = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        line |= getattr(record, FIELDS, {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """A log record as a line for a person."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its line break."""
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        fields = " ".join(f"{key}={value}" for key, value in getattr(record, FIELDS, {}).items())
        line = f"{time} {record.levelname.lower():7} {record.getMessage()} {fields}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def set_up(settings: Settings) -> None:
    """Let this process log to standard error, as the settings say."""
    handler = logging.StreamHandler(sys.stderr)
    is_json = settings.log_format is LogFormat.JSON
    handler.setFormatter(JsonFormatter() if is_json else TextFormatter())
    for name in _OURS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(settings.log_level.upper())
        logger.propagate = False
    # It names clients and whole addresses; the service logs each request itself.
    logging.getLogger("uvicorn.access").disabled = True
