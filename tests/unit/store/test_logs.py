"""Log lines: their numbers, the limit, long lines, and pages of them at both ends, by level and
by words.
"""

import json
import time
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from helpers.apps import make_app
from helpers.ask import ask, fetch, lines_page
from helpers.by_hand import line, messages, recount, statements
from jobsync import store
from jobsync.base.errors import NotFound
from jobsync.db import transactions
from jobsync.db.models import Step
from jobsync.lifecycle import results
from jobsync.status import LEVELS
from jobsync.store import logs
from jobsync.store.answers import ANSWER_BYTES
from jobsync.store.logs import PIECE, lines_of

LIMIT = 60


@pytest.fixture(scope="module")
def core(folder):
    return make_app(folder, JOBSYNC_LOG_LIMIT=str(LIMIT))


@pytest.fixture
def write(hand):
    """Return a function that writes lines `(message, level)` or messages into the step `a` of
    the job `write.job_id`.
    """
    job_id = hand.begin()
    (task,) = hand.claim()

    def write(*lines):
        results.record(
            task, [line(*given) if isinstance(given, tuple) else line(given) for given in lines]
        )

    write.job_id, write.task = job_id, task
    return write


def numbers(page):
    return [item["line"] for item in page["items"]]


def page(write, **asked):
    return lines_page(write.job_id, "a", **asked)


def all_pages(write, limit, **asked):
    """Go through all pages forward and return the line numbers."""
    found, after = [], 0
    while items := numbers(page(write, after=after, limit=limit, **asked)):
        found += items
        after = items[-1]
    return found


def all_pages_back(write, limit, **asked):
    """Go through all pages from the end and return the line numbers, ascending."""
    found, before = [], None
    while items := numbers(page(write, before=before, limit=limit, **asked)):
        found = items + found
        before = items[0]
        if before == 1:
            break
    return found


# Appending


def test_lines_are_numbered_from_one_without_gaps_over_many_writes(write):
    for size in (1, 3, 0, 2):
        write(*["x"] * size)
    assert numbers(page(write)) == [1, 2, 3, 4, 5, 6]
    recount(write.job_id)


def test_a_line_is_shown_as_the_contract_says(write):
    results.record(write.task, [line("hello", "warning", write.task.child_pk), line("no child's")])
    first, second = page(write)["items"]
    assert first == {
        "line": 1,
        "step": "a",
        "at": first["at"],
        "level": "warning",
        "message": "hello",
        "child_id": str(write.task.child_pk),
    }
    assert first["at"].endswith("Z") and second["child_id"] is None


def test_beyond_the_limit_nothing_is_stored_and_the_last_line_says_so(write):
    write(*["x"] * (LIMIT - 2))
    write("the last one that is stored", "too much", "too much")
    write("too late")
    got = messages(write.job_id)
    assert len(got) == LIMIT
    assert got[-2] == "the last one that is stored"
    assert got[-1] == f"The limit of {LIMIT} lines a step is reached: what follows is not stored."
    assert page(write)["items"][-1]["level"] == "warning"
    recount(write.job_id)


def test_one_write_of_more_than_the_limit_stores_as_many_as_there_is_room_for(write):
    write(*[f"line {n}" for n in range(1, 3 * LIMIT)])
    got = messages(write.job_id)
    assert (len(got), got[0], got[-2]) == (LIMIT, "line 1", f"line {LIMIT - 1}")
    assert "limit" in got[-1]


def test_lines_that_are_just_as_many_as_the_limit_leave_room_for_its_notice(write):
    write(*["x"] * LIMIT)
    write("too late")
    assert (len(messages(write.job_id)), "limit" in messages(write.job_id)[-1]) == (LIMIT, True)


def test_a_child_ends_though_its_lines_are_beyond_the_limit(hand, write):
    write(*["x"] * LIMIT)
    hand.complete(write.task, {"ok": True}, [line("too late")])
    assert hand.children(write.job_id)[0]["result"] == {"ok": True}


def test_a_message_of_several_lines_becomes_several_lines():
    made = lines_of("one\r\n\ntwo", "info", 5, 7)
    assert [(found.message, found.level, found.at, found.child_pk) for found in made] == [
        ("one", "info", 5, 7),
        ("", "info", 5, 7),
        ("two", "info", 5, 7),
    ]
    assert [found.message for found in lines_of("", "info", 5)] == [""]
    assert [found.message for found in lines_of(12, "info", 5)] == ["12"]


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_a_very_long_line_goes_on_in_the_next_ones_and_loses_nothing(extra):
    text = "ab\U0001f600" * PIECE
    text = text[: 2 * PIECE + extra]
    made = lines_of(text, "info", 5)
    assert "".join(found.message for found in made) == text
    assert len(made) == (3 if extra > 0 else 2)
    assert max(len(found.message) for found in made) == PIECE


def test_what_no_database_can_hold_is_replaced_and_the_rest_of_the_text_stays(write):
    results.record(write.task, lines_of("a\x00b\ud800c \x1b[31mrot\x1b[0m", "info", 5))
    assert messages(write.job_id) == ["a\ufffdb\ufffdc \x1b[31mrot\x1b[0m"]


# Pages


def test_without_a_place_a_page_holds_the_last_lines_ascending(write):
    write(*"abcdef")
    assert numbers(page(write, limit=4)) == [3, 4, 5, 6]
    assert numbers(page(write, limit=99)) == [1, 2, 3, 4, 5, 6]


def test_after_gives_the_lines_after_it_and_before_those_that_end_just_before_it(write):
    write(*"abcdef")
    assert numbers(page(write, after=0, limit=2)) == [1, 2]
    assert numbers(page(write, after=2, limit=2)) == [3, 4]
    assert numbers(page(write, after=5, limit=2)) == [6]
    assert numbers(page(write, after=6, limit=2)) == numbers(page(write, after=99, limit=2)) == []
    assert numbers(page(write, before=6, limit=2)) == [4, 5]
    assert numbers(page(write, before=2, limit=2)) == [1]
    assert numbers(page(write, before=1, limit=2)) == []
    assert numbers(page(write, before=99, limit=2)) == [5, 6]
    assert numbers(page(write, after=1, before=4, limit=9)) == [2, 3]


def test_a_step_without_lines_has_an_empty_page(write):
    for asked in ({}, {"after": 0}, {"before": 1}, {"q": "x"}, {"level": "error"}):
        assert page(write, **asked) == {"items": [], "total": 0, "log_count": 0}


def test_the_lines_of_an_unknown_step_or_job_are_not_found(write):
    for find in (lines_page, logs.everything):
        with pytest.raises(NotFound):
            find(write.job_id, "z")
        with pytest.raises(NotFound):
            find("nope", "a")


# Limits in bytes


@pytest.fixture
def small(hand):
    """The limit of a step's bytes, small."""
    before, hand.app.config["LOG_BYTES"] = hand.app.config["LOG_BYTES"], 1024
    yield 1024
    hand.app.config["LOG_BYTES"] = before


@pytest.mark.parametrize("size", [1, 100, 300, 2000])
@pytest.mark.parametrize("letter", ["x", "é", "\U0001f600"])
@pytest.mark.parametrize("at_once", [True, False])
def test_beyond_the_limit_of_bytes_nothing_is_stored_and_the_last_line_says_so(
    write, small, size, letter, at_once
):
    lines = [letter * size] * min(2000 // size + 1, LIMIT - 10)
    if len(lines) * size * len(letter.encode()) < small:
        pytest.skip("these don't reach it")
    for some in [lines] if at_once else [[text] for text in lines]:
        write(*some)
    write("too late")
    got = messages(write.job_id)
    assert got[-1] == "The limit of 1024 bytes a step is reached: what follows is not stored."
    assert set(got[:-1]) <= {letter * size} and sum("limit" in message for message in got) == 1
    assert sum(len(message.encode()) for message in got) <= small
    assert (
        sum(len(message.encode()) for message in got[:-1]) + size * len(letter.encode())
        > small - logs.NOTICE_BYTES
    )
    assert page(write)["items"][-1]["level"] == "warning"
    recount(write.job_id)


def test_what_is_stored_is_counted_in_bytes(write, small):
    write("aé", "\U0001f600")
    write("xy")
    assert fetch(select(Step.log_bytes)).scalar_one() == 9


# Large pages


def big(number=200):
    return [(f"{n} " + "\x01" * 30_000, LEVELS[n % 4]) for n in range(1, number + 1)]


@pytest.fixture
def long_lines(hand, write, monkeypatch):
    """50 lines of 30,000 characters that take six bytes each in JSON."""
    monkeypatch.setattr(logs, "COUNTING", 60.0)
    write(*big(50))
    return write


@pytest.mark.parametrize(
    "asked", [{}, {"level": "info"}, {"q": "1"}, {"q": "1", "level": "warning"}], ids=str
)
@pytest.mark.parametrize("forward", [True, False])
def test_a_page_of_long_lines_ends_early_and_says_where_to_go_on(long_lines, asked, forward):
    least = LEVELS.index(asked.get("level", "debug"))
    wanted = [n for n in range(1, 51) if n % 4 >= least and asked.get("q", "") in str(n)]
    found, place, pages = [], {"after": 0} if forward else {}, 0
    while place is not None:
        got = page(long_lines, limit=5000, **asked, **place)
        assert 0 < len(json.dumps(got["items"])) <= ANSWER_BYTES + 200_000
        assert (got["total"], got["log_count"]) == (len(wanted), 50)
        found = found + numbers(got) if forward else numbers(got) + found
        place, pages = got.get("next"), pages + 1
        assert place in (None, {"after": found[-1]}, {"before": found[0]})
    assert found == wanted
    assert (pages > 1) == (len(wanted) * 180_000 > ANSWER_BYTES)


def test_one_line_is_a_page_however_little_room_there_is(long_lines):
    got = page(long_lines, after=7, room=10)
    assert (numbers(got), got["next"]) == ([8], {"after": 8})


def test_the_last_lines_of_a_child_are_found_among_others_long_ones(hand, write, monkeypatch):
    monkeypatch.setattr(logs, "NEAR_CHUNK", 3)
    mine = write.task.child_pk
    results.record(
        write.task,
        [
            line("theirs"),
            *[line(f"mine {n}", child_pk=mine) for n in range(4)],
            *[line("theirs")] * 20,
        ],
    )
    step = ask(store.steps.get, write.job_id, "a")
    found = ask(logs.last_lines_of, "a", step.pk, step.log_count, mine, 2**60, 3)
    assert [item["message"] for item in found] == ["mine 1", "mine 2", "mine 3"]


# Levels and words


@pytest.fixture
def mixed(write):
    """53 lines: every level in turn, some of them with words."""
    write(
        *[(f"line {n} " + ("needle" if n % 5 == 0 else "hay"), LEVELS[n % 4]) for n in range(1, 54)]
    )
    return write


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("q", [None, "needle", "line 1"])
@pytest.mark.parametrize("chunk", [4, 5000])
def test_pages_at_both_ends_hold_all_that_match_each_once_in_order(
    mixed, monkeypatch, level, q, chunk
):
    monkeypatch.setattr(logs, "CHUNK", chunk)
    least = LEVELS.index(level)
    expected = [
        item["line"]
        for item in page(mixed)["items"]
        if LEVELS.index(item["level"]) >= least and (q or "") in item["message"]
    ]
    for limit in (3, 60):
        assert all_pages(mixed, limit, level=level, q=q) == expected
        assert all_pages_back(mixed, limit, level=level, q=q) == expected
    found = page(mixed, level=level, q=q)
    assert (found["total"], found["log_count"]) == (len(expected), 53)


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("%", [1]),
        ("_", [2]),
        ("/", [3]),
        ("\\", [4]),
        ("'", [5]),
        ("äöü", [6]),
        ("ÄÖÜ", [6]),
        ("straße", [7]),
        ("ПРИВЕТ", [8]),
        ("привет", [8]),
        ("\U0001f600", [9]),
        ("[a-z]*", [10]),
        ("ERROR", [11]),
        ("a%b", []),
        ("x_y", []),
        ("", list(range(1, 12))),
    ],
)
def test_words_are_found_as_they_are_and_whatever_their_case(write, q, found):
    write(
        "100%",
        "snake_case",
        "a/b",
        "back\\slash",
        "it's",
        "ÄÖÜ",
        "STRAßE",
        "Привет",
        "\U0001f600",
        "[A-Z]*",
        "an error",
        "a-b x-y" * 0,
    )
    got = page(write, q=q)
    assert (numbers(got) if q else numbers(got)[:11], got["total"]) == (
        found,
        len(found) if q else 12,
    )


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[31mred text\x1b[0m plain", "red text plain"),
        ("\x1b[1;32m✔\x1b[39m ok\x1b[22m", "✔ ok"),
        ("link \x1b]8;;http://x.example\x07here\x1b]8;;\x07 end", "link here end"),
        ("\x1b[2K\x1b[1Gprogress done", "progress done"),
        ("f\x1b[1mail\x1b[0med\x1b(B: 3", "failed: 3"),
        ("wakeup \x07 and \x7f", "wakeup \u2407 and \u2421"),
        ("a\ttab", "a\ttab"),
        ("STRASSE", "straße"),
    ],
)
def test_the_search_finds_what_pages_show_of_a_line_across_its_colours_and_nothing_else(
    write, written, shown
):
    write("#", written, "#")
    for start in range(len(shown)):
        for q in (
            shown[start:],
            shown[: start + 1],
            shown[start : start + 4],
            shown[start:].upper(),
        ):
            got = page(write, q=q)
            assert (numbers(got), got["total"]) == ([2], 1), q
    for q in ("[31m", "[0m", "x.example", "]8;;", "[2K", "(B"):
        got = page(write, q=q)
        assert (numbers(got), got["total"]) == ([], 0), q


def test_a_search_for_control_characters_looks_at_the_line_as_it_was_written(write):
    write("\x1b[31mred\x1b[0m", "[31mnot red")
    assert numbers(page(write, q="\x1b[31M")) == [1]
    assert numbers(page(write, q="[31m")) == [2]


NASTY = {
    "a's and a b": ("a" * 199 + "b", "a" * 32_700),
    "a b among a's": ("a" * 49 + "b" + "a" * 49, "a" * 32_700),
    "two letters": ("ab" * 99, "ab" * 98 + "a" + "ab" * 16_000),
    "escapes without end": ("x", "\x1b[" * 16_350),
    "escapes that break off": ("x", "\x1b[" + "0" * 32_000),
    "links without end": ("x", "\x1b]8;;" * 6500),
    "control characters": ("x", "\x01" * 32_700),
}


@pytest.mark.parametrize("kind", NASTY)
def test_a_search_takes_time_by_the_length_of_the_text_whatever_is_in_it(kind):
    """Against as much ordinary text, side by side."""
    q, text = NASTY[kind]

    def seconds(q, text):
        matches = logs._matcher(q)
        began = time.process_time()
        for _ in range(20):
            matches(text)
        return time.process_time() - began

    usual = ("wanted", "some words, \x1b[31mred\x1b[0m \x07 ones, " * 700)
    assert min(seconds(q, text) for _ in range(3)) < 5 * min(seconds(*usual) for _ in range(3))


def test_a_search_looks_at_a_bounded_amount_of_text_between_two_moments_for_others(
    write, monkeypatch
):
    write(*["a" * 30_000] * 50)
    looked = [0]
    real = logs.plain

    def plain(text):
        looked[-1] += len(text)
        return real(text)

    monkeypatch.setattr(logs, "plain", plain)
    pausing = SimpleNamespace(sleep=lambda seconds: looked.append(0), monotonic=time.monotonic)
    for module in (logs, transactions):
        monkeypatch.setattr(module, "time", pausing)
    got = page(write, q="a" * 199 + "b")
    assert (got["items"], got["total"]) == ([], 0)
    assert sum(looked) > 2_900_000 and max(looked) <= logs.CHUNK_TEXT + 2 * 30_000


def test_counting_what_matches_is_given_up_when_it_takes_too_long(mixed, monkeypatch):
    monkeypatch.setattr(logs, "COUNTING", -1.0)
    found = page(mixed, q="needle", limit=2)
    assert (len(found["items"]), found["total"], found["log_count"]) == (2, None, 53)
    assert page(mixed, level="error")["total"] == 13  # without words it is known from the counters


def test_lines_that_come_while_a_page_is_made_are_of_a_later_one(write):
    write("x1", "x2", "x3")
    step = ask(store.steps.get, write.job_id, "a")
    search = logs.Scan(step.pk, step.log_count, "debug", "x")
    write("x4")
    assert (
        [row.line for row in search.forward(0, 99, 99)]
        == [row.line for row in search.backward(99, 99)][::-1]
        == [1, 2, 3]
    )
    assert search.count() == 3


def test_a_page_by_level_sends_the_same_statements_at_any_depth(mixed):
    sent = []
    for asked in ({"after": 0}, {"after": 40}, {"before": 10}, {}):
        with statements() as seen:
            page(mixed, level="warning", limit=2, **asked)
        sent.append(len(seen))
    assert set(sent) == {3}, "the step, the numbers of the lines, the lines"


# Everything


def test_everything_gives_all_lines_in_order_by_level_and_none_that_come_later(mixed):
    lines = logs.everything(mixed.job_id, "a")
    first = next(lines)
    mixed("later")
    assert [first["line"], *(found["line"] for found in lines)] == list(range(1, 54))
    assert {found["level"] for found in logs.everything(mixed.job_id, "a", "warning")} == {
        "warning",
        "error",
    }


def test_everything_of_more_than_a_chunk_loses_nothing(hand, write):
    hand.app.config["LOG_LIMIT"] = 3000
    try:
        write(*[(f"{n}", LEVELS[n % 4]) for n in range(2500)])
    finally:
        hand.app.config["LOG_LIMIT"] = LIMIT
    assert [found["message"] for found in logs.everything(write.job_id, "a")] == [
        f"{n}" for n in range(2500)
    ]
    assert sum(1 for _ in logs.everything(write.job_id, "a", "error")) == 625


# Attempts


def test_the_first_line_of_a_later_attempt_says_so_and_no_other_line_does(hand):
    job_id = hand.begin("[step.a]\nretries = 2\nmax_child_failures = 9", number=2)
    for _ in range(3):
        for task in hand.claim(number=2):
            said = [line(f"{task.key}.{task.attempt}", child_pk=task.child_pk)] * 2
            hand.fail(task, lines=said)
    found = [item for item in lines_page(job_id, "a")["items"] if "." in item["message"][:3]]
    assert [(item["message"], item.get("attempt")) for item in found] == [
        *[("1.1", None)] * 2,
        *[("2.1", None)] * 2,
        *[("1.2", 2), ("1.2", None)],
        *[("2.2", 2), ("2.2", None)],
        *[("1.3", 3), ("1.3", None)],
        *[("2.3", 3), ("2.3", None)],
    ]
    second = found[4]["line"]
    page = lines_page(job_id, "a", after=second - 1, limit=2)["items"]
    assert [item.get("attempt") for item in page] == [2, None]
