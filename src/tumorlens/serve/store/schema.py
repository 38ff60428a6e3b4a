"""The tables. A change here needs a migration in ``migrations/versions`` with the same effect."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
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
USER_NAME_LENGTH = 64
# Hashes in hexadecimal, and identifiers that callers choose.
KEY_LENGTH = 64

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
        Index("ix_findings_series", "series"),
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
    series: Mapped[str | None] = mapped_column(String(KEY_LENGTH))
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


class UserRow(Base):
    """Someone who can log in."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    name: Mapped[str] = mapped_column(String(USER_NAME_LENGTH))
    # The name without capitals: two accounts whose names look alike would be mistaken.
    name_key: Mapped[str] = mapped_column(String(KEY_LENGTH), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str] = mapped_column(Text)
    must_change: Mapped[bool] = mapped_column(Boolean)
    disabled_ms: Mapped[int | None] = mapped_column(BigInteger)
    created_ms: Mapped[int] = mapped_column(BigInteger)


class SessionRow(Base):
    """A browser that is logged in."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_user_id", "user_id"),)

    key: Mapped[str] = mapped_column(String(KEY_LENGTH), primary_key=True)
    user_id: Mapped[str] = mapped_column(
        String(ID_LENGTH), ForeignKey("users.id", ondelete="CASCADE")
    )
    created_ms: Mapped[int] = mapped_column(BigInteger)
    seen_ms: Mapped[int] = mapped_column(BigInteger)
    expires_ms: Mapped[int] = mapped_column(BigInteger)


class TokenRow(Base):
    """What a program shows in place of a login."""

    __tablename__ = "tokens"
    __table_args__ = (Index("ix_tokens_user_id", "user_id"),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    user_id: Mapped[str] = mapped_column(
        String(ID_LENGTH), ForeignKey("users.id", ondelete="CASCADE")
    )
    name: Mapped[str] = mapped_column(String(USER_NAME_LENGTH))
    key: Mapped[str] = mapped_column(String(KEY_LENGTH), unique=True)
    scopes: Mapped[str] = mapped_column(Text)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    expires_ms: Mapped[int | None] = mapped_column(BigInteger)
    seen_ms: Mapped[int | None] = mapped_column(BigInteger)
    revoked_ms: Mapped[int | None] = mapped_column(BigInteger)


class TryRow(Base):
    """Logins that were tried under a name, or from an address, since the last that succeeded."""

    __tablename__ = "login_tries"
    __table_args__ = (Index("ix_login_tries_seen_ms", "seen_ms"),)

    key: Mapped[str] = mapped_column(String(KEY_LENGTH), primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    seen_ms: Mapped[int] = mapped_column(BigInteger)
    until_ms: Mapped[int] = mapped_column(BigInteger)


class AuditRow(Base):
    """Who did what. Triggers of the database refuse any change of it."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_time_ms", "time_ms"),
        Index("ix_audit_user_id_time_ms", "user_id", "time_ms"),
        Index("ix_audit_target", "target"),
        # Numbers are never used twice, so that a gap shows.
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    time_ms: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    user_name: Mapped[str] = mapped_column(String(USER_NAME_LENGTH))
    via: Mapped[str] = mapped_column(String(KEY_LENGTH))
    action: Mapped[str] = mapped_column(String(32))
    target: Mapped[str] = mapped_column(String(KEY_LENGTH))
    request_id: Mapped[str] = mapped_column(String(KEY_LENGTH))
    client: Mapped[str] = mapped_column(String(KEY_LENGTH))
