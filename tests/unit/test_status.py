"""Statuses and what follows from them: by exhaustive table over small cases, and by Hypothesis
over random jobs.
"""

import json
from collections import Counter
from dataclasses import replace
from itertools import combinations_with_replacement, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.paths import ROOT
from jobsync.status import (
    BROKEN,
    CANCELLED,
    CHILD_STATUSES,
    CHILDREN,
    COMPLETED,
    DONE,
    FAILED,
    JOB_STATUSES,
    PENDING,
    PLAN,
    RUNNING,
    SKIPPED,
    STEP_STATUSES,
    SUMMARY,
    TERMINAL,
    TRANSITIONS,
    WAITING,
    Move,
    StepFacts,
    actions,
    allowed,
    count_done,
    derive_job,
    derive_moves,
    derive_step,
    step_actions,
)

STATUSES_OF = {"job": JOB_STATUSES, "step": STEP_STATUSES, "child": CHILD_STATUSES}

# How a dependency lets its dependents begin, written out from the contract: every (status,
# on_error) there is.
WAITS = {(status, on_error) for status in (PENDING, RUNNING) for on_error in ("fail", "continue")}
LETS_RUN = {(COMPLETED, "fail"), (COMPLETED, "continue"), (FAILED, "continue")}
SKIPS = {
    (FAILED, "fail"),
    (CANCELLED, "fail"),
    (CANCELLED, "continue"),
    (SKIPPED, "fail"),
    (SKIPPED, "continue"),
}
ENDS = sorted(WAITS | LETS_RUN | SKIPS)


def job_of(*steps):
    return {step.name: step for step in steps}


def move_of(step, *others):
    return derive_step(step, job_of(step, *others))


# Transitions


def test_a_terminal_status_changes_by_a_retry_alone():
    for kind, statuses in STATUSES_OF.items():
        for old, new in product(TERMINAL, statuses):
            may = allowed(kind, old, new)
            # a completed child is never done again; a completed step may have others that are
            is_retry = new == PENDING and old in statuses and (kind, old) != ("child", COMPLETED)
            assert may == is_retry, (kind, old, new)


def test_the_statuses_are_those_of_the_contract():
    assert JOB_STATUSES == CHILD_STATUSES == (PENDING, RUNNING, COMPLETED, FAILED, CANCELLED)
    assert set(STEP_STATUSES) == {*JOB_STATUSES, SKIPPED}
    assert set(TERMINAL) == {COMPLETED, FAILED, CANCELLED, SKIPPED}


def test_no_transition_leads_to_a_status_that_the_kind_does_not_have_or_to_itself():
    for kind, table in TRANSITIONS.items():
        for old, targets in table.items():
            assert {old, *targets} <= set(STATUSES_OF[kind])
            assert old not in targets


# The same cases are given to the scripts by tests/js/status.test.mjs.
CASES = json.loads((ROOT / "tests" / "js" / "status.json").read_text())


def test_what_a_job_allows_follows_from_its_status():
    assert set(CASES["actions"]) == set(JOB_STATUSES)
    assert {status: actions(status) for status in JOB_STATUSES} == CASES["actions"]


def test_what_a_step_allows_follows_from_its_status_and_its_children():
    for status, children, wanted in CASES["step_actions"]:
        assert step_actions(status, children) == wanted, (status, children)
    assert {status for status, _, _ in CASES["step_actions"]} == set(STEP_STATUSES)


def test_the_terminal_statuses_are_those_of_the_scripts():
    assert set(CASES["terminal"]) == set(STEP_STATUSES)
    assert {status: status in TERMINAL for status in STEP_STATUSES} == CASES["terminal"]


@pytest.mark.parametrize("case", CASES["done"], ids=[case["says"] for case in CASES["done"]])
@pytest.mark.parametrize(("name", "done"), [("ended", TERMINAL), ("completed", (COMPLETED,))])
def test_what_is_done_of_steps_is_counted_as_scripts_count_it(case, name, done):
    steps = [
        (status, dict.fromkeys(CHILD_STATUSES, 0) | children) for status, children in case["steps"]
    ]
    counted = count_done(steps, done)
    assert {"words": counted.words, "children": counted.children} == {
        key: case[name][key] for key in ("words", "children")
    }
    assert counted.share == pytest.approx(case[name]["share"])


def test_an_unknown_status_may_go_nowhere():
    assert not allowed("job", "lost", RUNNING)
    assert not allowed("job", RUNNING, "lost")


# A pending step


@pytest.mark.parametrize("number", [0, 1, 2, 3])
@pytest.mark.parametrize("always_run", [False, True])
@pytest.mark.parametrize("planned", [False, True])
def test_a_pending_step_begins_waits_or_is_skipped_as_its_dependencies_say(
    number, always_run, planned
):
    for ends in combinations_with_replacement(ENDS, number):
        dependencies = [
            StepFacts(f"d{place}", status, on_error=on_error)
            for place, (status, on_error) in enumerate(ends)
        ]
        names = tuple(dependency.name for dependency in dependencies)
        step = StepFacts(
            "s", depends=names, always_run=always_run, planned=planned, on_error="continue"
        )
        if not always_run and SKIPS & set(ends):
            expected = Move(SKIPPED, WAITING)
        elif WAITS & set(ends):
            expected = None
        else:
            expected = Move(RUNNING, CHILDREN if planned else PLAN)
        assert move_of(step, *dependencies) == expected, ends


# A running step


@pytest.mark.parametrize("stage", [PLAN, CHILDREN, SUMMARY, DONE, BROKEN])
@pytest.mark.parametrize("has_summary", [False, True])
def test_a_running_step_ends_by_its_stage_and_its_children(stage, has_summary):
    for counts in product((0, 1, 2), repeat=5):
        children = dict(zip(CHILD_STATUSES, counts, strict=True))
        for limit in (0, 1, 2):
            step = StepFacts(
                "s",
                RUNNING,
                stage=stage,
                has_summary=has_summary,
                children=children,
                max_child_failures=limit,
            )
            assert_running_step_moves_rightly(step)


def assert_running_step_moves_rightly(step):
    move = move_of(step)
    too_many = step.children[FAILED] > step.max_child_failures
    unfinished = step.children[PENDING] + step.children[RUNNING] > 0
    if step.stage == BROKEN or too_many:
        assert move.status == FAILED and move.error
    elif step.stage == DONE or (step.stage == CHILDREN and not unfinished and not step.has_summary):
        assert move == Move(COMPLETED, DONE)
    elif step.stage == CHILDREN and not unfinished:
        assert move == Move(RUNNING, SUMMARY)
    else:
        assert move is None


def test_a_step_that_is_not_planned_to_the_end_goes_on_though_all_its_children_are_done():
    step = StepFacts("s", RUNNING, stage=PLAN, children={COMPLETED: 3})
    assert move_of(step) is None


def test_the_reason_of_a_broken_step_is_its_own():
    assert (
        move_of(
            StepFacts("s", RUNNING, stage=BROKEN, error="planning failed: no such folder")
        ).error
        == "planning failed: no such folder"
    )


@pytest.mark.parametrize(
    ("failed", "limit", "reason"),
    [
        (1, 0, "1 child failed"),
        (2, 0, "2 children failed"),
        (3, 2, "3 children failed, 2 tolerated"),
    ],
)
def test_the_reason_of_too_many_failures_counts_them(failed, limit, reason):
    assert (
        move_of(
            StepFacts(
                "s", RUNNING, stage=CHILDREN, children={FAILED: failed}, max_child_failures=limit
            )
        ).error
        == reason
    )


def test_nothing_follows_for_a_step_that_has_ended():
    for status, stage in product(TERMINAL, (WAITING, PLAN, CHILDREN, SUMMARY, DONE, BROKEN)):
        assert (
            move_of(StepFacts("s", status, stage=stage, children={FAILED: 9, PENDING: 1})) is None
        )


# A job


def end_of(steps):
    """The contract's sentence on how a job ends, as a table of precedence."""
    if any(step.status == FAILED and step.on_error == "fail" for step in steps):
        return FAILED
    return CANCELLED if any(step.status == CANCELLED for step in steps) else COMPLETED


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_a_job_ends_when_its_steps_have_and_as_they_have(number):
    for cases in combinations_with_replacement(
        list(product(STEP_STATUSES, ("fail", "continue"))), number
    ):
        steps = [
            StepFacts(f"s{place}", status, on_error=on_error)
            for place, (status, on_error) in enumerate(cases)
        ]
        statuses = {step.status for step in steps}
        for status in (PENDING, RUNNING):
            if statuses <= TERMINAL:
                expected = end_of(steps)
            elif status == PENDING and statuses != {PENDING}:
                expected = RUNNING
            else:
                expected = None
            assert derive_job(status, steps) == expected, (status, cases)
        for status in (COMPLETED, FAILED, CANCELLED):
            assert derive_job(status, steps) is None


def test_a_failure_that_is_to_be_passed_over_does_not_fail_the_job():
    assert (
        derive_job(
            RUNNING, [StepFacts("a", FAILED, on_error="continue"), StepFacts("b", COMPLETED)]
        )
        == COMPLETED
    )


def test_a_failed_step_outweighs_a_cancelled_one():
    assert derive_job(RUNNING, [StepFacts("a", CANCELLED), StepFacts("b", FAILED)]) == FAILED


# Going round until it is quiet


def test_skipping_goes_down_the_whole_chain_whatever_the_order_of_the_steps():
    a = StepFacts("a", FAILED)
    b, c, d = (
        StepFacts(name, depends=(before,)) for name, before in (("b", "a"), ("c", "b"), ("d", "c"))
    )
    for order in ((a, b, c, d), (d, c, b, a), (c, a, d, b)):
        steps = job_of(*order)
        assert {name for name, _ in derive_moves(steps)} == {"b", "c", "d"}
        assert [steps[name].status for name in "bcd"] == [SKIPPED] * 3


def test_skipping_stops_at_a_step_that_always_runs():
    steps = job_of(
        StepFacts("a", FAILED),
        StepFacts("b", depends=("a",), always_run=True),
        StepFacts("c", depends=("b",)),
    )
    assert dict(derive_moves(steps)) == {"b": Move(RUNNING, PLAN)}


def test_a_failing_step_takes_its_unfinished_children_with_it():
    steps = job_of(
        StepFacts(
            "a", RUNNING, stage=CHILDREN, children={PENDING: 2, RUNNING: 1, FAILED: 1, COMPLETED: 4}
        )
    )
    list(derive_moves(steps))
    assert steps["a"].children == {PENDING: 0, RUNNING: 0, FAILED: 1, COMPLETED: 4, CANCELLED: 3}


def chain_of(number):
    return [
        StepFacts(f"s{place}", depends=(f"s{place - 1}",) if place else ())
        for place in range(number)
    ]


@pytest.mark.parametrize("order", [list, lambda steps: steps[::-1]])
def test_each_step_is_looked_at_once_and_once_more_for_each_of_its_moves(order, monkeypatch):
    looked = []
    monkeypatch.setattr(
        "jobsync.status.derive_step",
        lambda step, steps: looked.append(step.name) or derive_step(step, steps),
    )
    steps = job_of(
        *order(
            [
                replace(step, status=CANCELLED) if step.name == "s0" else step
                for step in chain_of(1000)
            ]
        )
    )
    moves = list(derive_moves(steps))
    assert len(moves) == 999 and {step.status for step in steps.values()} == {CANCELLED, SKIPPED}
    assert len(looked) == 1000 + len(moves)


def test_steps_that_depend_on_each_other_in_a_circle_are_refused_and_not_gone_round_for_ever():
    circle = job_of(
        StepFacts("a", depends=("c",)),
        StepFacts("b", depends=("a",)),
        StepFacts("c", depends=("b", "d")),
        StepFacts("d"),
    )
    with pytest.raises(ValueError, match="depends on itself"):
        list(derive_moves(circle))
    with pytest.raises(ValueError, match="depends on itself"):
        list(derive_moves(job_of(StepFacts("a", depends=("a",)))))


def test_what_goes_through_the_steps_may_be_given():
    turns = []
    assert (
        len(
            list(
                derive_moves(
                    job_of(*chain_of(3)),
                    lambda names: (turns.append(name) or name for name in names),
                )
            )
        )
        == 1
    )
    assert turns == ["s0", "s1", "s2"]


def round_by_round(steps):
    """What follows, found in the plainest way: look at all steps again and again until nothing
    more does.
    """
    steps, before = dict(steps), None
    while steps != before:
        before = dict(steps)
        for name, step in before.items():
            move = derive_step(step, steps)
            if move:
                kept = {
                    CANCELLED: step.children.get(CANCELLED, 0) + step.unfinished_children,
                    PENDING: 0,
                    RUNNING: 0,
                }
                children = {**step.children, **kept} if move.status == FAILED else step.children
                steps[name] = replace(
                    step,
                    status=move.status,
                    stage=move.stage,
                    error=move.error or step.error,
                    children=children,
                )
    return steps


# Random jobs, lived through in random order


@st.composite
def plans(draw):
    """A job to be: StepFacts in a random order over a random DAG, and for each step how its
    planning, children and summary will end.
    """
    number = draw(st.integers(1, 5))
    steps = {}
    for place in range(number):
        depends = (
            draw(st.sets(st.sampled_from([f"s{earlier}" for earlier in range(place)])))
            if place
            else ()
        )
        steps[f"s{place}"] = StepFacts(
            f"s{place}",
            depends=tuple(sorted(depends)),
            on_error=draw(st.sampled_from(("fail", "continue"))),
            always_run=draw(st.booleans()),
            has_summary=draw(st.booleans()),
            max_child_failures=draw(st.integers(0, 2)),
        )
    order = draw(st.permutations(list(steps)))
    outcomes = {name: draw(st.lists(st.booleans(), max_size=4)) for name in order}
    broken = {name: draw(st.sampled_from((None, None, None, PLAN, SUMMARY))) for name in order}
    return {name: steps[name] for name in order}, outcomes, broken


class Life:
    """A job lived through: what workers say comes as events, what follows is derived, and the
    invariants are looked at after each.
    """

    def __init__(self, plan):
        self.steps, self.outcomes, self.broken = dict(plan[0]), plan[1], plan[2]
        self.ended = dict.fromkeys(self.steps, 0)  # children that workers have ended
        self.found = dict.fromkeys(self.steps, 0)  # children that planning has found
        self.status = PENDING
        self.history = {name: [step.status] for name, step in self.steps.items()}

    def breaks(self, name):
        return self.broken[name] == PLAN or (
            self.broken[name] == SUMMARY and self.steps[name].has_summary
        )

    def events(self):
        """What may happen next: `(kind, step)` pairs."""
        for name, step in self.steps.items():
            if step.status != RUNNING:
                continue
            if step.stage == PLAN:
                yield ("find" if self.found[name] < len(self.outcomes[name]) else "planned"), name
            if step.stage == SUMMARY:
                yield "sum", name
            if step.stage in (PLAN, CHILDREN) and self.ended[name] < self.found[name]:
                yield "end", name

    def happen(self, kind, name):
        step = self.steps[name]
        if kind == "find":
            self.found[name] += 1
            step = counted(step, PENDING, 1)
        elif kind == "planned":
            step = replace(
                step, stage=BROKEN if self.broken[name] == PLAN else CHILDREN, planned=True
            )
        elif kind == "sum":
            step = replace(step, stage=BROKEN if self.broken[name] == SUMMARY else DONE)
        else:
            good = self.outcomes[name][self.ended[name]]
            self.ended[name] += 1
            step = counted(counted(step, PENDING, -1), COMPLETED if good else FAILED, 1)
        self.steps[name] = step

    def tick(self):
        """What the monitor does with it."""
        for name, move in derive_moves(self.steps):
            was = self.history[name][-1]
            if move.status != was:
                assert allowed("step", was, move.status), (was, move.status)
                self.history[name].append(move.status)
        status = derive_job(self.status, self.steps.values())
        if status:
            assert allowed("job", self.status, status)
            self.status = status
        self.look()

    def look(self):
        """The contract's invariants, and that a second look finds nothing to do."""
        if self.status in TERMINAL:
            assert all(step.status in TERMINAL for step in self.steps.values())
        for step in self.steps.values():
            if step.status in TERMINAL:
                assert step.unfinished_children == 0
            if step.status not in (PENDING, SKIPPED, CANCELLED):
                assert all(self.steps[name].status in TERMINAL for name in step.depends)
        assert not list(derive_moves(dict(self.steps)))
        assert derive_job(self.status, self.steps.values()) is None

    def live(self, choose, patience=1):
        """Live to the end.

        `choose(events)` picks what happens next; the monitor looks after each `patience` events and
        when nothing else can.
        """
        self.tick()
        while self.status not in TERMINAL:
            for _ in range(patience):
                events = list(self.events())
                if events:
                    self.happen(*choose(events))
            self.tick()
        return self.status, {name: step.status for name, step in self.steps.items()}


def counted(step, status, number):
    return replace(step, children={**step.children, status: step.children.get(status, 0) + number})


@settings(deadline=None, max_examples=150)
@given(plans(), st.randoms(use_true_random=False), st.integers(1, 4))
def test_any_order_of_events_gives_the_same_end(plan, random, patience):
    first = Life(plan).live(lambda events: events[0])
    last = Life(plan).live(lambda events: events[-1])
    shuffled = Life(plan).live(random.choice, patience)
    assert first == last == shuffled


@settings(deadline=None, max_examples=300)
@given(plans(), st.data())
def test_one_pass_finds_what_going_round_until_all_is_quiet_finds(plan, data):
    """Of any job in any state, of jobs that could never be in it too."""
    children = st.fixed_dictionaries(dict.fromkeys(CHILD_STATUSES, st.integers(0, 3)))
    steps = {
        name: replace(
            step,
            status=data.draw(st.sampled_from(STEP_STATUSES)),
            stage=data.draw(st.sampled_from((WAITING, PLAN, CHILDREN, SUMMARY, DONE, BROKEN))),
            planned=data.draw(st.booleans()),
            children=data.draw(children),
        )
        for name, step in plan[0].items()
    }
    moved = dict(steps)
    moves = list(derive_moves(moved))
    assert moved == round_by_round(steps)
    assert {name for name, step in steps.items() if moved[name] != step} == {
        name for name, _ in moves
    }


@settings(deadline=None, max_examples=150)
@given(plans(), st.randoms(use_true_random=False))
def test_the_end_is_the_one_that_the_contract_names(plan, random):
    life = Life(plan)
    status, ends = life.live(random.choice)
    steps = life.steps
    for name, step in steps.items():
        skips = any((ends[before], steps[before].on_error) in SKIPS for before in step.depends)
        if skips and not step.always_run:
            assert ends[name] == SKIPPED
        elif life.outcomes[name].count(False) > step.max_child_failures or life.breaks(name):
            assert ends[name] == FAILED and step.error
        else:
            assert ends[name] == COMPLETED
    assert status == end_of(steps.values())


@settings(deadline=None, max_examples=150)
@given(plans(), st.randoms(use_true_random=False), st.integers(0, 30), st.data())
def test_a_step_that_is_cancelled_by_itself_skips_what_waits_for_it_and_lets_the_rest_run(
    plan, random, moment, data
):
    life = Life(plan)
    life.tick()
    for _ in range(moment):
        events = list(life.events())
        if events:
            life.happen(*random.choice(events))
            life.tick()
    unfinished = [name for name, step in life.steps.items() if step.status not in TERMINAL]
    if not unfinished:
        return
    name = data.draw(st.sampled_from(unfinished))
    life.steps[name] = cancelled(life.steps[name])
    life.history[name].append(CANCELLED)
    status, ends = life.live(random.choice)
    assert ends[name] == CANCELLED
    assert status == end_of(life.steps.values()) != COMPLETED
    for other, step in life.steps.items():
        if name in step.depends and not step.always_run:
            assert ends[other] == SKIPPED


def cancelled(step):
    unfinished = Counter({CANCELLED: step.unfinished_children}) + Counter(step.children)
    return replace(step, status=CANCELLED, children={**unfinished, PENDING: 0, RUNNING: 0})


@settings(deadline=None, max_examples=150)
@given(plans(), st.randoms(use_true_random=False))
def test_no_step_ever_leaves_a_terminal_status(plan, random):
    life = Life(plan)
    life.live(random.choice)
    for statuses in life.history.values():
        assert not TERMINAL & set(statuses[:-1])
        assert statuses[-1] in TERMINAL
