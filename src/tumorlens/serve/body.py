"""The body of a request that sends no files: small, and sent without long pauses."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import HTTPException
from starlette.datastructures import Headers

from tumorlens.scan.limits import readable_size
from tumorlens.serve.problems import ProblemError

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope

    from tumorlens.serve.settings import Settings


def small_body(scope: Scope, receive: Receive, settings: Settings) -> Receive:
    """A `receive` that gives up on a body which is too large or too slow.

    Raises:
        ProblemError: The head of the request says already that it is too large.
    """
    limit = settings.max_body_bytes
    declared = Headers(scope=scope).get("content-length", "")
    detail = f"a request without files is limited to {readable_size(limit)}"
    if declared.isdecimal() and int(declared) > limit:
        raise ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, kind="urn:tumorlens:too-large"
        )
    received, is_whole = 0, False

    async def limited() -> Message:
        nonlocal received, is_whole
        if is_whole:  # what comes now is that the client leaves, for which any time is right
            return await receive()
        try:
            async with asyncio.timeout(settings.upload_idle_seconds):
                message = await receive()
        except TimeoutError:
            # FastAPI takes any other error for a damaged body.
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, "the request is too slow") from None
        received += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if received > limit:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
        return message

    return limited
