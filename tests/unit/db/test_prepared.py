import pytest
from sqlalchemy import bindparam, insert, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from jobsync.db.json import encoded
from jobsync.db.models import Child, Step
from jobsync.db.prepared import Prepared
from jobsync.db.transactions import read, write

STEPS, CHILDREN = Step.__table__, Child.__table__


@pytest.fixture
def job_id(hand):
    return hand.begin('[step.a]\nretry_on = [1, "OSError"]\nalways_run = true', number=3)


def of_sqlalchemy(statement, given):
    with read() as connection:
        return [tuple(row) for row in connection.execute(statement, given)]


@pytest.mark.parametrize(
    "columns",
    [
        (STEPS.c.retry_on, STEPS.c.always_run, STEPS.c.options, STEPS.c.result),
        (STEPS.c.name, STEPS.c.status, STEPS.c.retry_backoff, STEPS.c.finished_at),
        tuple(STEPS.c),
    ],
    ids=["types", "plain", "all"],
)
def test_rows_are_those_that_sqlalchemy_gives(job_id, columns):
    statement = select(*columns).where(STEPS.c.job_id == bindparam("job"))
    with read() as connection:
        rows = Prepared(statement).all(connection, {"job": job_id})
    assert [tuple(row) for row in rows] == of_sqlalchemy(statement, {"job": job_id})
    assert rows[0]._fields == tuple(column.key for column in columns)


def test_lists_and_limits_that_a_statement_holds_are_its_own(job_id):
    statement = (
        select(CHILDREN.c.key)
        .where(CHILDREN.c.key.in_(("1", "3", "9")), CHILDREN.c.status == bindparam("status"))
        .order_by(CHILDREN.c.pk.desc())
        .limit(bindparam("most"))
    )
    prepared = Prepared(statement)
    for most, found in ((1, ["3"]), (5, ["3", "1"])):
        with read() as connection:
            rows = prepared.all(connection, {"status": "pending", "most": most})
        assert [row.key for row in rows] == found


def test_partitions_hold_all_rows_each_once(job_id):
    prepared = Prepared(select(CHILDREN.c.key).order_by(CHILDREN.c.pk))
    with read() as connection:
        found = [[row.key for row in some] for some in prepared.partitions(connection, {}, 2)]
    assert found == [["1", "2"], ["3"]]


def test_a_first_row_is_none_where_there_is_none(job_id):
    prepared = Prepared(select(CHILDREN.c.pk).where(CHILDREN.c.key == bindparam("key")))
    with read() as connection:
        assert prepared.first(connection, {"key": "none"}) is None
        assert prepared.first(connection, {"key": "1"}).pk


def test_what_is_changed_is_stored_as_by_sqlalchemy_and_counted(job_id):
    prepared = Prepared(
        update(CHILDREN)
        .where(CHILDREN.c.key == bindparam("which"))
        .values(
            result=bindparam("new", type_=CHILDREN.c.result.type), error=None, status="completed"
        )
    )
    with write() as connection:
        assert prepared.change(connection, {"which": "1", "new": encoded({"ü": [1, None]})}) == 1
        assert prepared.change(connection, {"which": "2", "new": None}) == 1
        assert prepared.change(connection, {"which": "9", "new": None}) == 0
    query = select(CHILDREN.c.result, CHILDREN.c.status).order_by(CHILDREN.c.pk)
    assert of_sqlalchemy(query, {})[:2] == [({"ü": [1, None]}, "completed"), (None, "completed")]
    raw = select(text("result")).select_from(CHILDREN).order_by(CHILDREN.c.pk)
    assert of_sqlalchemy(raw, {})[:2] == [('{"ü":[1,null]}',), (None,)]


def test_many_are_changed_by_one_call(job_id):
    prepared = Prepared(
        update(CHILDREN).where(CHILDREN.c.key == bindparam("which")).values(error=bindparam("why"))
    )
    with write() as connection:
        prepared.change_each(connection, [{"which": key, "why": f"no {key}"} for key in "123"])
    query = select(CHILDREN.c.error).order_by(CHILDREN.c.pk)
    assert of_sqlalchemy(query, {}) == [("no 1",), ("no 2",), ("no 3",)]


def test_returned_columns_are_rows(job_id):
    prepared = Prepared(
        update(STEPS)
        .where(STEPS.c.job_id == bindparam("job"))
        .values(tries=STEPS.c.tries + 1)
        .returning(STEPS.c.tries, STEPS.c.always_run)
    )
    with write() as connection:
        (first,) = prepared.all(connection, {"job": job_id})
        (second,) = prepared.all(connection, {"job": job_id})
    assert (second.tries, second.always_run) == (first.tries + 1, True)


def test_errors_are_those_of_sqlalchemy(job_id):
    again = Prepared(
        insert(CHILDREN).values(
            step_pk=bindparam("step"), key="1", name="again", status="pending", input={}
        )
    )
    with write() as connection:
        step_pk = connection.execute(select(STEPS.c.pk)).scalar_one()
        with pytest.raises(IntegrityError):
            again.change(connection, {"step": step_pk})
        with pytest.raises(IntegrityError):
            again.change_each(connection, [{"step": step_pk}])
        for call in (Prepared(text("SELECT nothing")).change, Prepared(text("SELEC 1")).all):
            with pytest.raises(OperationalError, match="SELE"):
                call(connection, {})


def test_a_parameter_that_is_missing_is_an_error_and_no_null(job_id):
    prepared = Prepared(update(STEPS).values(error=bindparam("why")))
    with write() as connection, pytest.raises(KeyError):
        prepared.change(connection, {})
