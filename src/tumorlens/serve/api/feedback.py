"""What readers say of a finding: they agree, disagree, or name another label."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Literal, Self

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from tumorlens.serve import records
from tumorlens.serve.api.bodies import FeedbackBody, feedback_body
from tumorlens.serve.api.parts import PREFIX, KeptDep, ServiceDep, UserDep, note, problems
from tumorlens.serve.audit import Action
from tumorlens.serve.problems import ProblemError
from tumorlens.serve.service import Service

if TYPE_CHECKING:
    from tumorlens.serve.store import Store

router = APIRouter(prefix=PREFIX + "/findings/{finding_id}/feedback", tags=["feedback"])
LONGEST_COMMENT = 4000
# No control characters but line breaks and tabs: PostgreSQL, CSV and logs would trip over them.
_PRINTABLE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
Label = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[\w .-]+$")]
Comment = Annotated[str, StringConstraints(max_length=LONGEST_COMMENT, pattern=_PRINTABLE)]


class NewFeedback(BaseModel):
    """What a reader says.

    Attributes:
        verdict: agree, disagree, or other_label with a label.
        label: A class of the model or any other word; only with other_label.
        comment: Why.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"verdict": "agree"},
                {"verdict": "other_label", "label": "glioma", "comment": "see slice 12"},
            ]
        },
    )

    verdict: Literal["agree", "disagree", "other_label"]
    label: Label | None = None
    comment: Comment = ""

    @model_validator(mode="after")
    def _label_where_named(self) -> Self:
        if (self.verdict == "other_label") != (self.label is not None):
            msg = "a label goes with the verdict other_label, and only with it"
            raise ValueError(msg)
        return self


@router.get("", summary="What was said", responses=problems(HTTPStatus.NOT_FOUND))
def get_feedback(kept: KeptDep) -> list[FeedbackBody]:
    """What readers said of a finding, the latest last."""
    return [feedback_body(one) for one in kept.feedback]


@router.put(
    "",
    summary="Say something of a finding",
    responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
def give_feedback(
    request: Request, kept: KeptDep, service: ServiceDep, user: UserDep, body: NewFeedback
) -> FeedbackBody:
    """Say something of a finding of the history; it takes the place of what you said before."""
    store = _store(service)
    feedback = records.Feedback(
        finding_id=kept.id,
        reader=user.id,
        verdict=records.Verdict(body.verdict),
        label=body.label,
        comment=body.comment,
        created=datetime.now(UTC),
    )
    note(request, service, user, Action.FEEDBACK, kept.id)
    store.say(feedback)
    return feedback_body(feedback)


@router.delete(
    "",
    summary="Take back what you said",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
def take_back(request: Request, kept: KeptDep, service: ServiceDep, user: UserDep) -> Response:
    """Delete what you said of a finding, if you said anything."""
    store = _store(service)
    note(request, service, user, Action.FEEDBACK, kept.id)
    store.take_back(kept.id, user.id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _store(service: Service) -> Store:
    if service.keeper.store is None:
        raise ProblemError(
            HTTPStatus.CONFLICT,
            "this installation keeps no history, so there is nothing to say something of; turn it "
            "on with the setting history",
            kind="urn:tumorlens:no-history",
        )
    return service.keeper.store
