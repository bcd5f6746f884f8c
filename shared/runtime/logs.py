"""Structured logs: static messages, values in fields, never a user's words."""

from __future__ import annotations

import logging
import sys
import traceback

import structlog

from shared.runtime.handling import add_fields
from shared.settings import LogSettings


def configure(settings: LogSettings) -> None:
    """Send every log line, ours and the libraries', to standard error in one format."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_fields,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    level = getattr(logging, settings.level.upper())
    structlog.configure(
        processors=[
            *shared,
            without_messages,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                without_messages,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # Their warnings and errors are ours to see; their chatter is not. A lost connection reaches us as an exception.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)  # a lost batch is one line, not one a retry
    for name in ("httpx", "httpcore", "uvicorn", "alembic", "faster_whisper", "urllib3", "asyncio"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def without_messages(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Write where an exception came from and of what class it is, never its text: libraries quote what they were given.

    The texts of Parley's own errors name fields and remedies; whoever logs one says so with a field of its own.
    """
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = "\n".join(_frames(error))
    return event


def _frames(error: BaseException) -> list[str]:
    """The chain of an exception, oldest first, each with its frames and its class."""
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    chain = [*_frames(earlier), "led to"] if earlier is not None else []
    frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    return [*chain, frames, f"{type(error).__module__}.{type(error).__qualname__}"]
