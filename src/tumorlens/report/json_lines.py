"""Findings and errors as JSON, one object a line, and the schema of these lines."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from tumorlens.decide.finding import Finding
from tumorlens.decide.study import Study
from tumorlens.errors import ScanError

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class ErrorRecord(BaseModel):
    """Why an input, or the rest of one, has no Finding.

    Attributes:
        error: Name of the error: UnreadableScan, UnsupportedScan or ScanTooLarge.
        source: The input as the user named it.
        reason: What was wrong with it.
        advice: What to do about it; may be empty.
        message: All of it, as a sentence.
    """

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)

    record: Literal["error"] = "error"
    error: str
    source: str
    reason: str
    advice: str
    message: str


_Line = Annotated[Finding | Study | ErrorRecord, Field(discriminator="record")]


def error_record(error: ScanError) -> ErrorRecord:
    """The record of an error."""
    return ErrorRecord(
        error=type(error).__name__,
        source=error.source,
        reason=error.reason,
        advice=error.advice,
        message=str(error),
    )


def json_line(outcome: Finding | Study | ScanError) -> str:
    """One outcome as a JSON object, without line breaks and without the final one."""
    record = error_record(outcome) if isinstance(outcome, ScanError) else outcome
    return record.model_dump_json()


def line_schema() -> str:
    """The JSON Schema of a line, as it is published in docs/reference/finding.schema.json."""
    schema = TypeAdapter(_Line).json_schema(mode="serialization")
    head = {
        "$schema": SCHEMA_DIALECT,
        "title": "A line of `tumorlens predict` or `tumorlens segment` with `--format json`",
    }
    return json.dumps(head | schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(line_schema())
