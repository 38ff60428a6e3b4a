"""The REST interface under ``/api/v1``, a router a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorlens.serve.api import (
    account,
    analyse,
    audit,
    feedback,
    findings,
    models,
    pictures,
    reports,
    users,
    watch,
)
from tumorlens.serve.api.parts import PREFIX

if TYPE_CHECKING:
    from fastapi import APIRouter

__all__ = ["PREFIX", "routers"]


def routers() -> tuple[APIRouter, ...]:
    """All routes of the interface."""
    parts = (
        *(analyse, reports, findings, pictures, feedback, models, watch),
        *(account, users, audit),
    )
    return tuple(part.router for part in parts)
