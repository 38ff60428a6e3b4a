"""The tables. A change here needs a migration in ``migrations/versions`` with the same effect."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ID_LENGTH = 32
SHA256_LENGTH = 64
NAME_LENGTH = 255

# Named alike on every database, so that a migration can name them.
_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The root of all tables."""

    metadata = MetaData(naming_convention=_NAMING)


class FindingRow(Base):
    """One answered slice of the history.

    Times are milliseconds since 1970 in UTC: equal on all databases, and indexable.
    """

    __tablename__ = "findings"
    __table_args__ = (
        # The same slice sent again by the same person is the same finding.
        UniqueConstraint("owner", "sha256", "frame", "plane", "model_sha256", name="uq_same_slice"),
        Index("ix_findings_owner_created", "owner", "created_ms"),
        Index("ix_findings_expires", "expires_ms"),
        Index("ix_findings_batch", "batch"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    owner: Mapped[str] = mapped_column(String(ID_LENGTH))
    batch: Mapped[str] = mapped_column(String(ID_LENGTH))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    expires_ms: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    sha256: Mapped[str] = mapped_column(String(SHA256_LENGTH))
    frame: Mapped[int] = mapped_column(Integer)
    frame_count: Mapped[int] = mapped_column(Integer)
    plane: Mapped[str] = mapped_column(String(16))
    model_name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    model_sha256: Mapped[str] = mapped_column(String(SHA256_LENGTH))
    status: Mapped[str] = mapped_column(String(16))
    label: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    tumor_probability: Mapped[float | None] = mapped_column(Float)
    document: Mapped[str] = mapped_column(Text)
    picture: Mapped[bytes] = mapped_column(LargeBinary)


class FeedbackRow(Base):
    """What a reader said of a finding; one a reader, the latest."""

    __tablename__ = "feedback"

    finding_id: Mapped[str] = mapped_column(
        String(ID_LENGTH), ForeignKey("findings.id", ondelete="CASCADE"), primary_key=True
    )
    reader: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    verdict: Mapped[str] = mapped_column(String(16))
    label: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    comment: Mapped[str] = mapped_column(Text)
