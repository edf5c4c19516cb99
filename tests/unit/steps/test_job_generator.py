"""The step type `test_job_generator`, with a context made by hand."""

import threading

import pytest
from marshmallow import ValidationError

from helpers.contexts import PATIENCE, FakeContext
from helpers.paths import ROOT
from jobsync.base.errors import BadInput, StepFailed, Stopped
from jobsync.definitions import Definitions
from jobsync.registry import Registry, Unit
from jobsync.steps import BUILT_IN
from jobsync.steps.test_job_generator import GeneratorOptions, count_all
from jobsync.steps.test_job_generator import test_job_generator as generator

DEFINITIONS = ROOT / "definitions"


def context_with(attempt=1, **options):
    return FakeContext(generator, attempt=attempt, **{"log_delay_ms": 0, **options})


def work(unit, **options):
    """Do one child and return `(result or error, context)`."""
    context = context_with(**options)
    try:
        return generator(context, unit.input), context
    except StepFailed as error:
        return error, context


def run_all(attempt=1, last_first=False, **options):
    """Do a whole step and return `{name: (result or error, lines)}`."""
    waiting = list(generator.planner(context_with(**options)))
    done = {}
    while waiting:
        unit = waiting.pop(-1 if last_first else 0)
        result, context = work(unit, attempt=attempt, **options)
        assert unit.name not in done
        done[unit.name] = (result, context.lines)
        waiting += context.spawned
    return done


def failed(done):
    return sorted(name for name, (result, _) in done.items() if isinstance(result, StepFailed))


def test_it_starts_as_many_workers_as_it_is_told():
    assert [unit.name for unit in generator.planner(context_with(worker_count=3))] == [
        "worker 1",
        "worker 2",
        "worker 3",
    ]
    assert list(generator.planner(context_with(worker_count=0))) == []


def test_each_worker_writes_its_lines():
    result, context = work(Unit("worker 2", {"path": [2], "lines": 60}), worker_count=3)
    assert len(context.lines) == 60
    assert context.lines[16][1].startswith("worker 2/3 · line 17 of 60 · ")
    assert result["worker"] == "2"
    assert result["lines"] == 60
    assert result["levels"] == {
        level: sum(each == level for each, _ in context.lines)
        for level in ("info", "warning", "error")
    }


def test_levels_are_about_80_15_and_5_per_cent():
    result, _ = work(Unit("worker 1", {"path": [1], "lines": 20000}))
    shares = {level: number / 20000 for level, number in result["levels"].items()}
    assert shares == {
        "info": pytest.approx(0.8, abs=0.02),
        "warning": pytest.approx(0.15, abs=0.02),
        "error": pytest.approx(0.05, abs=0.01),
    }


def test_children_have_half_the_lines_and_children_as_deep_as_told():
    done = run_all(worker_count=2, log_count=61, child_count=2, recursion_depth=2)
    assert {
        name: len(lines) for name, (_, lines) in done.items() if name.startswith("worker 1")
    } == {
        "worker 1": 61,
        "worker 1.1": 30,
        "worker 1.2": 30,
        "worker 1.1.1": 15,
        "worker 1.1.2": 15,
        "worker 1.2.1": 15,
        "worker 1.2.2": 15,
    }
    assert len(done) == 14


@pytest.mark.parametrize(
    "options", [{"child_count": 3, "recursion_depth": 0}, {"child_count": 0, "recursion_depth": 3}]
)
def test_no_children_without_both_a_count_and_a_depth(options):
    assert len(run_all(worker_count=2, log_count=1, **options)) == 2


def test_all_is_the_same_for_the_same_seed_in_any_order():
    options = {
        "worker_count": 4,
        "log_count": 20,
        "child_count": 2,
        "recursion_depth": 1,
        "failure_rate": 0.5,
        "seed": 7,
    }
    one, other = run_all(**options), run_all(last_first=True, **options)
    assert list(one) != list(other)
    assert {name: (str(result), lines) for name, (result, lines) in one.items()} == {
        name: (str(result), lines) for name, (result, lines) in other.items()
    }
    assert 0 < len(failed(one)) < len(one)


def test_another_seed_gives_other_lines_and_other_failures():
    one, other = (
        run_all(worker_count=30, log_count=5, failure_rate=0.5, seed=seed) for seed in (1, 2)
    )
    assert one["worker 1"][1] != other["worker 1"][1]
    assert failed(one) != failed(other)


def test_workers_write_different_lines():
    done = run_all(worker_count=2, log_count=20)
    first, second = (
        [(level, text.split(" · ")[2]) for level, text in lines] for _, lines in done.values()
    )
    assert first != second


def test_a_retry_writes_the_same_lines_and_draws_anew_whether_it_fails():
    options = {"worker_count": 40, "log_count": 3, "failure_rate": 0.5}
    first, second = run_all(attempt=1, **options), run_all(attempt=2, **options)
    assert {name: lines for name, (_, lines) in first.items()} == {
        name: lines for name, (_, lines) in second.items()
    }
    assert set(failed(first)) - set(failed(second))


def test_failures_are_as_frequent_as_told_and_come_last():
    assert failed(run_all(worker_count=50, log_count=0, failure_rate=0)) == []
    assert 70 < len(failed(run_all(worker_count=400, log_count=0, failure_rate=0.25))) < 130
    done = run_all(worker_count=2, log_count=4, failure_rate=1, child_count=1, recursion_depth=1)
    assert len(failed(done)) == 4
    assert [len(lines) for _, lines in done.values()] == [4, 4, 2, 2]
    assert str(done["worker 2"][0]) == "worker 2 failed as it was told to (failure_rate 1)"


def test_lines_come_at_their_pace():
    _, context = work(Unit("worker 1", {"path": [1], "lines": 4}), log_delay_ms=30)
    assert all(
        later - earlier >= 0.029
        for earlier, later in zip(context.times, context.times[1:], strict=False)
    )


def test_a_long_wait_between_lines_ends_at_once_when_stopped():
    context = context_with(log_delay_ms=60_000)
    errors = []

    def do():
        try:
            generator(context, {"path": [1], "lines": 2})
        except Stopped as error:
            errors.append(error)

    thread = threading.Thread(target=do)
    thread.start()
    context.await_line()
    context.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert len(errors) == len(context.lines) == 1


def test_work_that_is_stopped_already_writes_nothing():
    context = context_with()
    context.stop()
    with pytest.raises(Stopped):
        generator(context, {"path": [1], "lines": 5})
    assert context.lines == context.spawned == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("worker_count", -1),
        ("worker_count", 1.5),
        ("worker_count", True),
        ("worker_count", "3"),
        ("log_count", 10**9),
        ("log_delay_ms", -1),
        ("failure_rate", 1.1),
        ("failure_rate", float("nan")),
        ("failure_rate", "often"),
        ("child_count", -1),
        ("recursion_depth", 99),
        ("seed", 2**63),
        ("speed", 1),
    ],
)
def test_bad_options_are_refused(option, value):
    with pytest.raises(ValidationError) as caught:
        GeneratorOptions().load({option: value})
    assert list(caught.value.messages) == [option]


def test_a_tree_that_would_never_end_is_refused():
    with pytest.raises(ValidationError, match="children in all"):
        GeneratorOptions().load({"worker_count": 10, "child_count": 10, "recursion_depth": 6})
    with pytest.raises(ValidationError, match="lines in all"):
        GeneratorOptions().load({"worker_count": 11, "log_count": 1_000_000})


def test_it_knows_beforehand_how_much_it_will_make():
    options = {"worker_count": 3, "log_count": 9, "child_count": 2, "recursion_depth": 2}
    done = run_all(**options)
    assert count_all(GeneratorOptions().load(options)) == (
        len(done),
        sum(len(lines) for _, lines in done.values()),
    )


def test_the_summary_adds_up():
    done = run_all(worker_count=3, log_count=40, child_count=1, recursion_depth=1)
    total = generator.summary(context_with(), (result for result, _ in done.values()))
    lines = [level for _, lines in done.values() for level, _ in lines]
    assert total == {
        "workers": 6,
        "lines": 180,
        "levels": {level: lines.count(level) for level in ("info", "warning", "error")},
    }
    assert generator.summary(context_with(), iter([])) == {
        "workers": 0,
        "lines": 0,
        "levels": {"info": 0, "warning": 0, "error": 0},
    }


def test_it_can_be_done_several_at_a_time():
    assert generator.batch is True


@pytest.fixture
def demo():
    return Definitions(DEFINITIONS, Registry(*BUILT_IN)).find("test_job")


def test_the_demo_writes_4500_lines_in_four_steps(demo):
    bound = demo.bind({"delay_ms": 0})
    assert [(step["name"], step["depends"]) for step in bound.steps] == [
        ("prepare", []),
        ("build", ["prepare"]),
        ("analyse", ["prepare"]),
        ("publish", ["build", "analyse"]),
    ]
    counts = [
        sum(len(lines) for _, lines in run_all(**step["options"]).values()) for step in bound.steps
    ]
    assert counts == [900, 1350, 1800, 450]


def test_the_demo_takes_the_largest_values_of_its_parameters_and_none_larger(demo):
    assert (
        demo.bind({"workers": 1000, "lines": 1000, "delay_ms": 60_000, "failure_rate": 1}).params[
            "workers"
        ]
        == 1000
    )
    with pytest.raises(BadInput):
        demo.bind({"workers": 1001})
