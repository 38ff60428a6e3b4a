"""The REST interface under ``/api/v1``, a router a file."""

from __future__ import annotations

from fastapi import APIRouter

from tumorlens.serve.api import analyse, feedback, findings, models, pictures, reports, watch
from tumorlens.serve.problems import MEDIA_TYPE, Problem

PREFIX = "/api/v1"
_PROBLEM = {"model": Problem, "content": {MEDIA_TYPE: {}}}


def router() -> APIRouter:
    """All routes of the interface."""
    whole = APIRouter(prefix=PREFIX)
    # Reports first: their fixed addresses would else be taken for identifiers of findings.
    for part in (analyse, reports, findings, pictures, feedback, models, watch):
        whole.include_router(part.router)
    return whole
