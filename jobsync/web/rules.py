"""The rules of a definition and of its steps, as phrases for people: only what differs from what
is so without a word.
"""

from jobsync.definitions.duration import UNITS
from jobsync.definitions.steps import StepDefinition

SPOKEN = {"d": "d", "h": "h", "m": "min", "s": "s", "ms": "ms"}
USUAL = StepDefinition("", "", {})


def spoken(duration):
    """Return a Duration as people say it: `1 h 30 min`, whatever it is written as."""
    left, parts = duration.ms, []
    for unit, size in UNITS.items():
        amount, left = divmod(left, size)
        if amount:
            parts.append(f"{amount:,} {SPOKEN[unit]}")
    return " ".join(parts) or "0 s"


def rules_of_definition(definition):
    """Yield what holds for the jobs of a definition."""
    if definition.timeout:
        yield f"a job takes at most {spoken(definition.timeout)}"
    if definition.concurrency:
        same = f" for each value of {definition.concurrency_key}"
        yield (
            f"at most {amount(definition.concurrency, 'job runs', 'jobs run')} at once"
            f"{same if definition.concurrency_key else ''}, others wait"
        )
    if definition.priority:
        yield f"priority {definition.priority}"


def rules_of_step(step):
    """Yield what holds for a step."""
    yield from _rules_of_order(step)
    yield from _rules_of_place(step)
    yield from _rules_of_retries(step)
    yield from _rules_of_time(step)
    yield from _rules_of_failure(step)


def _rules_of_order(step):
    if step.depends:
        yield f"after {', '.join(step.depends)}"
    if step.always_run:
        yield "runs even if those failed" if step.depends else "always runs"


def _rules_of_place(step):
    if step.queue != USUAL.queue:
        yield f"in the queue {step.queue}"
    if step.concurrency:
        yield f"at most {amount(step.concurrency, 'child runs', 'children run')} at once"


def _rules_of_retries(step):
    if step.retries:
        tries = "one more try" if step.retries == 1 else f"{step.retries} more tries"
        yield f"{tries} for each child that fails{_only_for(step)}{_pauses(step)}"
    is_repeatable = bool(step.step_type and step.step_type.batch)
    if step.rerun_when_lost and not is_repeatable:
        yield "begun again if its worker dies"
    if is_repeatable and not step.rerun_when_lost:
        yield "not begun again if its worker dies"


def _only_for(step):
    if not step.retry_on:
        return ""
    codes = [str(reason) for reason in step.retry_on if isinstance(reason, int)]
    names = [reason for reason in step.retry_on if not isinstance(reason, int)]
    numbered = f"exit code{'' if len(codes) == 1 else 's'} {_either(codes)}" if codes else ""
    return f" with {', or '.join(filter(None, [numbered, _either(names)]))}"


def _pauses(step):
    if not step.retry_delay.ms:
        return ""
    first = f", after some {spoken(step.retry_delay)}"
    if step.retries == 1:
        return first
    if step.retry_backoff == 1:
        return f"{first} each time"
    times = "twice" if step.retry_backoff == 2 else f"{step.retry_backoff:g} times"
    return f"{first}, then {times} as long each time, at most {spoken(step.retry_max_delay)}"


def _rules_of_time(step):
    if step.timeout:
        yield f"at most {spoken(step.timeout)} a try"
    if step.step_timeout:
        yield f"at most {spoken(step.step_timeout)} for all of it"
    if step.stall_timeout:
        yield f"at most {spoken(step.stall_timeout)} without a line or progress"
    if step.cancel_grace.ms != USUAL.cancel_grace.ms:
        grace = spoken(step.cancel_grace)
        yield f"has {grace} to stop by itself" if step.cancel_grace.ms else "is killed at once"


def _rules_of_failure(step):
    if step.max_child_failures:
        yield f"up to {step.max_child_failures:,} failed children don't fail it"
    if step.on_error == "continue":
        yield "the job goes on if it fails"


def amount(number, noun, plural):
    """Return `1 child runs`, `4 children run`."""
    return f"{number:,} {noun if number == 1 else plural}"


def _either(words):
    """Return `1, 2 or 3`."""
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
