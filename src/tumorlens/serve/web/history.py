"""The history as a page: what is asked for, and a part of the list."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tumorlens.decide.finding import Status
from tumorlens.serve.query import Query, Sort
from tumorlens.serve.web.view import Choice, line, words_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from tumorlens.serve.people import User
    from tumorlens.serve.service import Service
    from tumorlens.serve.web.words import Words

LINES = 50
LONGEST_NAME = 255
LARGEST_OFFSET = 10**9
REVIEWED = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader filled in; anything unknown counts as nothing.

    Attributes:
        name: Stands somewhere in the name.
        status: The answer.
        label: Kind of tumor.
        reviewed: ``yes``, ``no`` or nothing.
        sort: The order.
        offset: So many are before this part.
    """

    name: str = ""
    status: str = ""
    label: str = ""
    reviewed: str = ""
    sort: str = Sort.NEWEST.value
    offset: int = 0

    @classmethod
    def of(cls, request: Request) -> Wanted:
        """What an address asks for."""
        given = request.query_params
        offset = given.get("offset", "")
        return cls(
            name=given.get("name", "").replace("\0", "")[:LONGEST_NAME],
            status=_known(given.get("status", ""), list(Status)),
            label=given.get("label", "").replace("\0", "")[:LONGEST_NAME],
            reviewed=_known(given.get("reviewed", ""), list(REVIEWED)),
            sort=_known(given.get("sort", ""), list(Sort)) or Sort.NEWEST.value,
            offset=min(int(offset), LARGEST_OFFSET) if offset.isdecimal() else 0,
        )

    def query(self, user: User) -> Query:
        """The same for the store; readers are shown their own findings, reviewers all."""
        return Query(
            owner=None if user.sees_all else user.id,
            statuses=(self.status,) if self.status else (),
            labels=(self.label,) if self.label else (),
            name=self.name,
            reviewed=REVIEWED.get(self.reviewed),
            sort=Sort(self.sort),
            offset=self.offset,
            limit=LINES,
        )

    def address(self, offset: int) -> str:
        """The query of the page that starts at another place."""
        return urlencode({k: v for k, v in asdict(replace(self, offset=offset)).items() if v})

    def api_address(self) -> str:
        """The same filters, as the REST interface names them."""
        given = {"name": self.name, "status": self.status, "label": self.label, "sort": self.sort}
        if self.reviewed:
            given["reviewed"] = str(REVIEWED[self.reviewed]).lower()
        return urlencode({name: value for name, value in given.items() if value})


def listing(request: Request, service: Service, user: User) -> dict[str, Any]:
    """What the template of the history shows."""
    wanted, words = Wanted.of(request), words_of(request)
    query = wanted.query(user)
    found = service.keeper.find(query)
    counted = service.keeper.find(Query(owner=query.owner, reviewed=True, limit=1))
    model = service.model.metadata
    end = wanted.offset + len(found.items)
    return {
        "wanted": wanted,
        "lines": [line(one, words, model.display) for one in found.items],
        "total": found.total,
        "reviewed_total": counted.total,
        "first": wanted.offset + 1,
        "last": end,
        "previous": wanted.address(max(0, wanted.offset - LINES)) if wanted.offset else None,
        "next": wanted.address(end) if end < found.total else None,
        "csv_query": wanted.api_address(),
        "statuses": [Choice(one.value, words.status(one)) for one in Status],
        "kinds": [Choice(one, words.kind(one, model.display)) for one in model.positive],
        "sorts": _sorts(words),
    }


def _sorts(words: Words) -> list[Choice]:
    gettext = words.catalogue.gettext
    return [
        Choice(Sort.NEWEST.value, gettext("newest first")),
        Choice(Sort.OLDEST.value, gettext("oldest first")),
        Choice(Sort.NAME.value, gettext("by name")),
        Choice(Sort.PROBABILITY_DOWN.value, gettext("highest probability first")),
        Choice(Sort.PROBABILITY.value, gettext("lowest probability first")),
    ]


def _known(given: str, values: list[Any]) -> str:
    return given if given in {str(value) for value in values} else ""
