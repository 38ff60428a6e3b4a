"""A few header elements of a DICOM file, without its pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorlens.scan.damage import named_damage
from tumorlens.scan.dicom.dataset import parse_header
from tumorlens.scan.dicom.elements import text
from tumorlens.scan.limits import Limits
from tumorlens.scan.source import Source, named_errors

if TYPE_CHECKING:
    from collections.abc import Sequence


def read_tags(
    source: Source, keywords: Sequence[str], limits: Limits | None = None
) -> dict[str, str]:
    """Elements of a DICOM file as text, those that are missing or empty left out.

    Args:
        source: The file.
        keywords: Names of the elements, such as ``PhotometricInterpretation``.
        limits: What the file may ask of this process.

    Raises:
        ScanError: The file cannot be read.
    """
    name = source.name
    with named_errors(name), source.origin.open() as stream:
        dataset = parse_header(name, stream, keywords, limits or Limits())
    with named_damage(name, "the DICOM header"):
        found = {keyword: text(dataset, keyword) for keyword in keywords}
    return {keyword: value for keyword, value in found.items() if value}
