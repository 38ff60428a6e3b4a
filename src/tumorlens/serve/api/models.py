"""Which models are installed, and which one answers."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from tumorlens.errors import ModelError
from tumorlens.model.format import DataSource, Metric, ModelMetadata
from tumorlens.model.registry import inspect_model, installed_models
from tumorlens.serve.api.parts import PREFIX, ServiceDep, problems

router = APIRouter(prefix=f"{PREFIX}/models", tags=["models"])


class ModelBody(BaseModel):
    """A model and what was measured of it.

    Attributes:
        name: What it is called.
        version: Its version.
        sha256: SHA-256 of its file.
        answers: Whether it is the one that answers here.
        gives_mask: Whether it marks tumors pixel by pixel; null where it is not loaded.
        classes: Its classes, in order.
        positive: Those of them that are tumors.
        display: Class → the words that a reader is shown.
        metrics: What was measured, with 95 % intervals.
        data: What it was trained on.
        licence: Of its weights.
        attribution: Who must be named with it.
        problem: Why it cannot be used, or null.
    """

    name: str
    version: str | None
    sha256: str | None
    answers: bool
    gives_mask: bool | None = None
    classes: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()
    display: dict[str, str] = {}
    metrics: tuple[Metric, ...] = ()
    data: tuple[DataSource, ...] = ()
    licence: str | None = None
    attribution: str = ""
    problem: str | None = None


class Models(BaseModel):
    """The models of this installation.

    Attributes:
        items: The one that answers first.
    """

    items: list[ModelBody]


@router.get("", summary="The models of this installation", responses=problems())
def models(service: ServiceDep) -> Models:
    """The model that answers, with its figures, and the others that are installed."""
    answering = service.model
    own = _body(
        answering.metadata,
        answering.sha256,
        answers=True,
        gives_mask=answering.gives_mask,
    )
    others = [one for one in _installed() if one.sha256 != answering.sha256]
    return Models(items=[own, *others])


def _installed() -> list[ModelBody]:
    try:
        inspections = [inspect_model(one) for one in installed_models()]
    except ModelError:  # a damaged folder does not hide the model that answers
        return []
    return [
        ModelBody(
            name=one.model.name,
            version=None,
            sha256=one.sha256,
            answers=False,
            # The full message names a path of this machine.
            problem="its file cannot be used; tumorlens models says why",
        )
        if one.metadata is None
        else _body(one.metadata, one.sha256, answers=False, gives_mask=None)
        for one in inspections
    ]


def _body(
    metadata: ModelMetadata, sha256: str | None, *, answers: bool, gives_mask: bool | None
) -> ModelBody:
    return ModelBody(
        name=metadata.name,
        version=metadata.version,
        sha256=sha256,
        answers=answers,
        gives_mask=gives_mask,
        classes=metadata.classes,
        positive=metadata.positive,
        display=metadata.display,
        metrics=metadata.metrics,
        data=metadata.data,
        licence=metadata.licence,
        attribution=metadata.attribution,
    )
