"""Which images are of one patient, where a table, DICOM tags or file names say so.

An identity is held only while it is compared: what leaves this module is ``patient 1``,
``patient 2`` and so on, in the order in which they are met.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tumorlens.errors import ScanError
from tumorlens.scan import FileFormat, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tumorlens.data.audit.collect import Member

_PATIENT_ID = "PatientID"


@dataclass(frozen=True, slots=True)
class NameRule:
    """A way to write a patient into a file's path.

    Attributes:
        words: What it is, to follow "from".
        pattern: Its first group is the patient.
        counts_from_one: Whether every class may number its own patients, so that a number alone
            does not name one.
    """

    words: str
    pattern: re.Pattern[str]
    counts_from_one: bool = False


NAME_RULES = (
    NameRule("file names by BIDS (sub-…)", re.compile(r"(?:^|[/_])(sub-[A-Za-z0-9]+)")),
    NameRule("file names with TCGA barcodes", re.compile(r"(TCGA-[A-Z0-9]{2}-[A-Z0-9]{4})")),
    NameRule("file names by BraTS", re.compile(r"(BraTS\w*?[-_](?:[A-Za-z]+[-_])*\d{3,5})(?!\d)")),
    NameRule(
        "file names (patient…, subject…)",
        re.compile(r"(?:^|[/_ -])((?:patient|subject|subj|pat)[-_ ]?\d+)(?!\d)", re.IGNORECASE),
        counts_from_one=True,
    ),
)

_LEAST_NAMED = 0.95
"""A rule counts only if it finds a patient in this share of a set's names."""

_FEWEST_IMAGES = 2.0
"""… and if a patient has at least so many images on average: else it may number the images."""


@dataclass(slots=True)
class PatientNumbers:
    """Identities → numbers, over all sets of an audit."""

    _numbers: dict[tuple[str, str], int] = field(default_factory=dict)

    def key(self, scope: str, identity: str) -> str:
        """The same words for the same identity in the same scope."""
        number = self._numbers.setdefault((scope, identity), len(self._numbers) + 1)
        return f"patient {number}"


def patients_of(
    members: Sequence[Member], numbers: PatientNumbers
) -> tuple[list[str | None], str | None]:
    """The patient of each image of one set, and where they are known from.

    1. The patient column of its table.
    2. DICOM PatientID, if there are at least two: an anonymised set often has one for all.
    3. File names, by the first of `NAME_RULES` that is convincing: nearly all names follow it,
       and it does not merely number the images.

    Returns:
        A key or None for each image, in order; and words that can follow "from", or None where no
        patient is known.
    """
    if not members:
        return [], None
    set_name = members[0].set
    if any(member.patient for member in members):
        keys = [m.patient and numbers.key(set_name, m.patient) for m in members]
        return [key or None for key in keys], "the patient column of its table"
    tags = [_patient_tag(member) for member in members]
    if len(set(tags) - {None}) > 1:
        return [tag and numbers.key(_PATIENT_ID, tag) for tag in tags], "DICOM PatientID"
    for rule in NAME_RULES:
        found = [_match(rule, member) for member in members]
        if _is_convincing(rule, members, found):
            return [name and numbers.key(set_name, name) for name in found], rule.words
    return [None] * len(members), None


def _patient_tag(member: Member) -> str | None:
    if member.format != FileFormat.DICOM:
        return None
    from tumorlens.scan.dicom.tags import read_tags

    try:
        return read_tags(Source.from_path(member.path), [_PATIENT_ID]).get(_PATIENT_ID)
    except ScanError:
        return None


def _match(rule: NameRule, member: Member) -> str | None:
    found = rule.pattern.search(member.name.partition("/")[2])
    return found.group(1) if found else None


def _is_convincing(rule: NameRule, members: Sequence[Member], found: Sequence[str | None]) -> bool:
    patients = Counter(name for name in found if name)
    named = patients.total()
    if named < _LEAST_NAMED * len(members) or len(patients) < _FEWEST_IMAGES:
        return False
    folders = len({(m.label, m.split) for m in members}) if rule.counts_from_one else 0
    return named / len(patients) >= max(_FEWEST_IMAGES, folders + 1)
