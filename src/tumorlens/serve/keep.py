"""Where answered slices go: always into the short memory, and into the history where it is on."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.decide.finding import Finding
from tumorlens.serve.picture import Picture, grey_levels, pack, unpack
from tumorlens.serve.recent import Recent
from tumorlens.serve.records import NewFinding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tumorlens.scan import Scan
    from tumorlens.serve.people import User
    from tumorlens.serve.query import Query
    from tumorlens.serve.records import Feedback, StoredFinding
    from tumorlens.serve.settings import Settings
    from tumorlens.serve.store import Store

ID_BYTES = 16


def new_id() -> str:
    """An identifier that nobody can guess, 32 hexadecimal digits."""
    return secrets.token_hex(ID_BYTES)


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """An answered slice that can be asked for again.

    Attributes:
        id: Its identifier.
        owner: Who sent it.
        batch: Equal for all that came in one request.
        created: When it was first answered, UTC.
        picture: The answer with the slice's grey levels.
        expires: When it is purged from the history; None where it is only in memory.
        feedback: What readers said of it.
        repeated: Whether the same slice had been answered before.
    """

    id: str
    owner: str
    batch: str
    created: datetime
    picture: Picture
    expires: datetime | None = None
    feedback: tuple[Feedback, ...] = ()
    repeated: bool = False

    @property
    def finding(self) -> Finding:
        """The answer."""
        return self.picture.finding


@dataclass(frozen=True, slots=True)
class Sending:
    """What is common to the slices of one request.

    Attributes:
        owner: Who sent them.
        batch: The request.
        plane: Along which slices are cut, as it was asked for.
        model_sha256: Which model answers.
    """

    owner: str
    batch: str
    plane: str
    model_sha256: str

    def key(self, sha256: str) -> tuple[str, str, str, str]:
        """Equal for the slices of one file, sent by the same person to the same model."""
        return (self.owner, sha256, self.plane, self.model_sha256)


@dataclass(frozen=True, slots=True)
class KeptPage:
    """A part of a list.

    Attributes:
        items: The slices of this part, without their pictures.
        total: How many there are in the whole list.
    """

    items: tuple[Kept, ...]
    total: int


class Keeper:
    """Keeps answered slices and finds them again. May be used from any thread.

    Args:
        settings: How much, and for how long.
        store: The history; None where it is off.
    """

    def __init__(self, settings: Settings, store: Store | None) -> None:
        self._settings = settings
        self.store = store
        self.recent = Recent(settings.cache_bytes, settings.cache_seconds)

    def keep(
        self, answered: Sequence[tuple[Finding, Scan]], sending: Sending, created: datetime
    ) -> list[Kept]:
        """Keep slices of one file. With a history they are on the disk when this returns.

        Args:
            answered: The slices, or some of them.
            sending: What is common to the files of their request.
            created: When the file was answered: its slices stay together in a list by time.

        Raises:
            StoreError: The history cannot keep them.
        """
        fresh = [
            Kept(
                new_id(),
                sending.owner,
                sending.batch,
                created,
                Picture(finding, grey_levels(scan.pixels)),
            )
            for finding, scan in answered
        ]
        if self.store is not None:
            side, days = self._settings.thumbnail_side, self._settings.history_days
            rows = [_row(kept, sending, side) for kept in fresh]
            stored = self.store.keep(rows, days=days, created=created)
            fresh = [_merged(kept, row) for kept, row in zip(fresh, stored, strict=True)]
        return [self._remembered(kept, sending) for kept in fresh]

    def known(self, sha256: str, name: str, sending: Sending) -> list[Kept]:
        """The slices of a file that was answered before, by its present name; empty if it was not.

        Raises:
            StoreError: The history cannot be asked.
        """
        owner, _, plane, model = sending.key(sha256)
        found = [] if self.store is not None else self.recent.known(sending.key(sha256))
        if self.store is not None:
            rows = self.store.known(owner=owner, sha256=sha256, plane=plane, model_sha256=model)
            found = [self._of_row(row) for row in rows]
        return [_renamed(kept, name) for kept in found]

    def get(self, finding_id: str, user: User) -> Kept | None:
        """A slice that is shown to `user`, or None.

        Raises:
            StoreError: The history cannot be asked.
        """
        if self.store is None:
            kept = self.recent.get(finding_id)
        else:
            row = self.store.get(finding_id)
            kept = None if row is None else self._of_row(row)
        return kept if kept is not None and user.sees(kept.owner) else None

    def find(self, query: Query) -> KeptPage:
        """The findings of the history that a query asks for; none where there is no history.

        Their pictures are not loaded: those come by identifier.

        Raises:
            StoreError: The history cannot be asked.
        """
        if self.store is None:
            return KeptPage((), 0)
        page = self.store.find(query)
        return KeptPage(tuple(_without_picture(row) for row in page.items), page.total)

    def delete(self, finding_id: str) -> bool:
        """Forget a slice everywhere; whether there was one.

        Raises:
            StoreError: The history cannot be asked.
        """
        was_recent = self.recent.delete(finding_id)
        return (self.store is not None and self.store.delete(finding_id)) or was_recent

    def _of_row(self, row: StoredFinding) -> Kept:
        """A slice of the history, in its full resolution while that is remembered."""
        recent = self.recent.get(row.id)
        picture = unpack(row) if recent is None else recent.picture
        return Kept(row.id, row.owner, row.batch, row.created, picture, row.expires, row.feedback)

    def _remembered(self, kept: Kept, sending: Sending) -> Kept:
        known = self.recent.put(kept, sending.key(kept.finding.scan.sha256))
        # Where there is a history, it says what is the same slice.
        if known is kept or self.store is not None:
            return kept
        return _renamed(known, kept.finding.scan.source)


def _without_picture(row: StoredFinding) -> Kept:
    finding = Finding.model_validate_json(row.document)
    picture = Picture(finding, np.zeros((1, 1), np.uint8))
    return Kept(row.id, row.owner, row.batch, row.created, picture, row.expires, row.feedback)


def _row(kept: Kept, sending: Sending, side: int) -> NewFinding:
    finding = kept.finding
    return NewFinding(
        id=kept.id,
        owner=kept.owner,
        batch=kept.batch,
        name=finding.scan.source,
        sha256=finding.scan.sha256,
        frame=finding.scan.frame,
        frame_count=finding.scan.frame_count,
        plane=sending.plane,
        series=finding.scan.series,
        model_name=finding.model.name,
        model_sha256=finding.model.sha256,
        status=finding.status.value,
        label=finding.label,
        tumor_probability=finding.tumor_probability,
        document=finding.model_dump_json(),
        picture=pack(kept.picture, side),
    )


def _merged(kept: Kept, row: StoredFinding) -> Kept:
    """What was just answered, under the identifier that the history has for it."""
    return replace(
        kept,
        id=row.id,
        batch=row.batch,
        created=row.created,
        expires=row.expires,
        feedback=row.feedback,
        repeated=row.id != kept.id,
    )


def _renamed(kept: Kept, name: str) -> Kept:
    finding = kept.finding
    scan = finding.scan.model_copy(update={"source": name})
    picture = Picture(finding.model_copy(update={"scan": scan}), kept.picture.grey)
    return replace(kept, picture=picture, repeated=True)
