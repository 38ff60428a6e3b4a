"""Pictures of a finding: the slice, its evidence, what is marked."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from tumorlens.explain.colour import DEFAULT_OPACITY
from tumorlens.serve import render
from tumorlens.serve.api.parts import PREFIX, KeptDep, ServiceDep, UserDep, note, problems
from tumorlens.serve.audit import Action
from tumorlens.serve.keep import Kept
from tumorlens.serve.problems import ProblemError

router = APIRouter(prefix=PREFIX + "/findings/{finding_id}", tags=["pictures"])
PNG = "image/png"
LARGEST_SIDE = 4096
_RESPONSES: dict[int | str, dict[str, Any]] = problems(HTTPStatus.NOT_FOUND) | {
    200: {"description": "A PNG.", "content": {PNG: {}}}
}
Opacity = Annotated[
    float, Query(ge=0, le=1, description="How much of the slice full evidence covers.")
]


class Form(StrEnum):
    """How much is in an overlay."""

    PLAIN = "plain"
    SHEET = "sheet"


def _noted(request: Request, kept: KeptDep, service: ServiceDep, user: UserDep) -> Kept:
    """A finding that a picture is asked of, which the audit log tells."""
    note(request, service, user, Action.SEE_PICTURE, kept.id)
    return kept


NotedDep = Annotated[Kept, Depends(_noted)]


@router.get("/slice.png", summary="The slice", response_class=Response, responses=_RESPONSES)
def slice_(kept: NotedDep) -> Response:
    """The slice in 8-bit grey: as it was read while it is in memory, later its thumbnail."""
    return _png(render.slice_png(kept.picture))


@router.get(
    "/thumbnail.png", summary="The slice, small", response_class=Response, responses=_RESPONSES
)
def thumbnail(kept: KeptDep, side: Annotated[int, Query(ge=16, le=LARGEST_SIDE)] = 128) -> Response:
    """The slice reduced to `side` pixels at most."""
    return _png(render.thumbnail_png(kept.picture, side))


@router.get("/heatmap.png", summary="The evidence", response_class=Response, responses=_RESPONSES)
def heatmap(kept: NotedDep) -> Response:
    """The evidence in colour, clear where there is none, to be laid over the slice.

    As large as the slice was. A rejected finding has none.
    """
    return _png_or_none(render.heatmap_png(kept.picture), "it was rejected, so it has no heatmap")


@router.get(
    "/overlay.png", summary="The slice with its evidence", response_class=Response,
    responses=_RESPONSES,
)  # fmt: skip
def overlay(
    kept: NotedDep, opacity: Opacity = DEFAULT_OPACITY, form: Form = Form.PLAIN
) -> Response:
    """The slice coloured by its evidence; as `sheet` with words, legend and notice."""
    draw = render.sheet_png if form is Form.SHEET else render.overlay_png
    return _png(draw(kept.picture, opacity))


@router.get("/mask.png", summary="What is marked", response_class=Response, responses=_RESPONSES)
def mask(kept: NotedDep) -> Response:
    """255 where a lesion is marked, else 0, as large as the slice was.

    Only models that give a mask mark anything, and only where the answer is tumor or no tumor.
    """
    return _png_or_none(
        render.mask_png(kept.picture),
        "nothing can be marked: the model gives no mask, or the answer is uncertain or rejected",
    )


def _png(data: bytes) -> Response:
    return Response(data, media_type=PNG)


def _png_or_none(data: bytes | None, why_not: str) -> Response:
    if data is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, why_not, kind="urn:tumorlens:no-picture")
    return _png(data)
