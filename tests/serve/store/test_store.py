"""If these fail, a finding is lost, doubled, another's or kept too long, in a kind of database."""

import dataclasses
import itertools
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from tumorlens.errors import MissingExtra, StoreError
from tumorlens.serve.query import Query, Sort
from tumorlens.serve.records import Feedback, NewFinding, Verdict
from tumorlens.serve.store import Database, Store

_IDS = (f"{number:032x}" for number in itertools.count(1))


def new(sha256: str = "a", **changes) -> NewFinding:
    fields = {
        "id": next(_IDS), "owner": "", "batch": "b", "name": "scan.png", "sha256": sha256,
        "frame": 0, "frame_count": 1, "plane": "auto", "series": None, "model_name": "tiny",
        "model_sha256": "m", "status": "tumor", "label": "glioma", "tumor_probability": 0.9,
        "document": "{}", "picture": b"\x00\xff",
    }  # fmt: skip
    return NewFinding(**(fields | changes))


@pytest.fixture
def store(database_url):
    one = Store(database_url)
    yield one
    one.close()


def test_the_same_slice_of_the_same_sender_is_kept_once(store):
    (first,) = store.keep([new()], days=1)
    (again,) = store.keep([new()], days=1)
    assert again.id == first.id
    others = [new(owner="x"), new("b"), new(frame=1), new(plane="axial"), new(model_sha256="n")]
    kept = store.keep(others, days=1)
    assert len({first.id, *(one.id for one in kept)}) == 6
    assert store.get(first.id) == first
    assert store.get(first.id).picture == b"\x00\xff"


def test_many_writers_at_once_keep_each_slice_once(database_url):
    stores = [Store(database_url) for _ in range(3)]
    shas = [f"{number}" for number in range(6)]

    def write(number: int) -> list[str]:
        found = stores[number % 3].keep([new(sha) for sha in shas], days=1)
        return [one.id for one in found]

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(write, range(12)))
    assert all(one == answers[0] for one in answers)
    assert stores[0].find(Query()).total == len(shas)
    for store in stores:
        store.close()


def test_several_processes_that_start_at_once_make_the_tables_once(database_url):
    with ThreadPoolExecutor(4) as pool:
        for store in pool.map(Store, [database_url] * 4):
            store.close()


def test_what_has_expired_is_not_given_and_is_purged(store):
    (gone,) = store.keep([new()], days=-1)
    (stays,) = store.keep([new("b")], days=1)
    store.say(Feedback(finding_id=stays.id, reader="", verdict=Verdict.AGREE, label=None,
                       comment="", created=datetime.now(UTC)))  # fmt: skip
    assert store.get(gone.id) is None
    assert [one.id for one in store.find(Query()).items] == [stays.id]
    (anew,) = store.keep([new()], days=1)
    assert anew.id != gone.id
    store.keep([new("c")], days=-1)
    assert store.purge() == 1
    assert store.purge() == 0


def test_lists_are_filtered_sorted_and_cut(store):
    different = [
        new("a", name="Ünïcode_1.png", tumor_probability=0.2, status="no_tumor"),
        new("b", name="100%.png", tumor_probability=None, status="rejected", label=None),
        new("c", name="it's; DROP TABLE findings--", tumor_probability=0.8),
    ]
    store.keep(different, days=1)

    def names(**query) -> list[str]:
        return [one.name for one in store.find(Query(**query)).items]

    by_probability = names(sort=Sort.PROBABILITY_DOWN)
    assert by_probability == ["it's; DROP TABLE findings--", "Ünïcode_1.png", "100%.png"]
    assert names(name="%") == ["100%.png"]
    assert names(name="_1") == ["Ünïcode_1.png"]
    assert names(name="drop table") == ["it's; DROP TABLE findings--"]
    assert names(statuses=("rejected",)) == ["100%.png"]
    assert names(labels=("glioma' OR '1'='1",)) == []
    assert names(owner="other") == []
    assert len(names(sort=Sort.NAME, limit=2)) == 2
    assert store.find(Query(limit=1)).total == 3


def test_a_deleted_finding_takes_what_was_said_with_it(store):
    (kept,) = store.keep([new()], days=1)
    said = Feedback(finding_id=kept.id, reader="r", verdict=Verdict.DISAGREE, label=None,
                    comment="no <b>", created=datetime.now(UTC))  # fmt: skip
    store.say(said)
    store.say(dataclasses.replace(said, verdict=Verdict.AGREE))
    (only,) = store.get(kept.id).feedback
    assert only.verdict is Verdict.AGREE
    assert store.delete(kept.id)
    assert not store.delete(kept.id)
    with pytest.raises(StoreError):
        store.say(said)


def test_the_log_of_who_did_what_takes_new_entries_only(store):
    from sqlalchemy import text

    from tumorlens.serve.audit import Action, Entry
    from tumorlens.serve.auth.records import AuditQuery
    from tumorlens.serve.people import LOCAL
    from tumorlens.serve.store import AuditStore

    log = AuditStore(store.database)
    for target in ("1", "2"):
        log.record(Entry(user=LOCAL, action=Action.SEE, target=target, client="x" * 99))
    for change in ("UPDATE audit SET target = '9'", "DELETE FROM audit"):
        with pytest.raises(StoreError, match="new entries only"), store.database.writing() as done:
            done.execute(text(change))
    assert [one.target for one in log.find(AuditQuery()).items] == ["2", "1"]
    assert log.find(AuditQuery(target="1", action="see")).total == 1


def test_a_database_that_cannot_be_used_says_so_without_its_password(tmp_path):
    with pytest.raises(StoreError, match="is no URL"):
        Database("secret")
    with pytest.raises(StoreError, match="not supported"):
        Database("mysql://user:secret@host/x")
    with pytest.raises(StoreError, match="in memory"):
        Database("sqlite://")
    with pytest.raises((StoreError, MissingExtra)) as told:
        Store("postgresql://user:secret@127.0.0.1:1/x")
    assert "secret" not in str(told.value)
    (tmp_path / "broken.sqlite3").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="cannot be used"):
        Store(f"sqlite:///{tmp_path / 'broken.sqlite3'}")


def test_a_database_of_a_newer_version_is_left_alone(tmp_path):
    from sqlalchemy import text

    url = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    store = Store(url)
    with store.database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    with pytest.raises(StoreError, match="not of this version"):
        Store(url)


def test_the_file_is_for_its_owner_alone(tmp_path):
    Store(f"sqlite:///{tmp_path / 'folder' / 'x.sqlite3'}").close()
    for path in ((tmp_path / "folder"), *(tmp_path / "folder").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_findings_of_before_are_found_by_their_series_too(database_url):
    from alembic import command
    from sqlalchemy import text

    from tumorlens.serve.store.database import _alembic

    store = Store(database_url)
    document = '{"scan": {"series": "s1"}}'
    (kept, _) = store.keep([new(document=document), new("b", document='{"scan": {}}')], days=1)
    with store.database.writing() as connection:
        command.downgrade(_alembic(connection), "0002")
        columns = list(connection.execute(text("SELECT * FROM findings")).keys())
        assert "series" not in columns
    store.database.upgrade()
    assert [one.id for one in store.find(Query(series="s1")).items] == [kept.id]
    store.close()


def test_the_migrations_make_the_tables_of_the_schema(database_url):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from tumorlens.serve.store.schema import Base

    store = Store(database_url)
    with store.database.reading() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    store.close()
    assert differences == []
