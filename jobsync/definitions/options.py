"""The options of a step: filled in with parameters, and checked by its type."""

import logging

from marshmallow import RAISE, ValidationError, fields

from jobsync.base.loop import in_turns
from jobsync.definitions import placeholders
from jobsync.definitions.mistakes import MOST_PROBLEMS, flat, guess, guess_at, listing, plain
from jobsync.definitions.shapes import StepTable

GAP = "{}"  # no option has this name

_log = logging.getLogger(__name__)


def params_of(step, option):
    """Return the names of the parameters that are filled into an option when a job begins; none
    for a template.
    """
    if option not in step.options or option in step.step_type.templates:
        return set()
    return placeholders.names(step.options[option])


def options_of(step_type):
    """Return the names of the options of a StepType."""
    return {field.data_key or name for name, field in step_type.options().load_fields.items()}


def load_options(step, values, unchecked=frozenset()):
    """Fill in and check the options of a step. Returns `(options, mistakes)`, a mistake being a
    path that begins with the option, and a reason.

    values: the parameters by name. An option that names one without a value, or that is in
    `unchecked`, must be known, and no more is said of it. With mistakes or such options, `options`
    is of no use.
    """
    step_type = step.step_type
    schema = step_type.options(unknown=RAISE)
    known = {field.data_key or name: field for name, field in schema.load_fields.items()}
    strange = [option for option in step.options if option not in known]
    unchecked = {
        option
        for option in step.options
        if option in unchecked or params_of(step, option) - values.keys()
    }
    given = {
        option: value
        for option, value in step.options.items()
        if option in known and option not in unchecked
    }
    given |= {
        option: placeholders.fill(value, values)
        for option, value in given.items()
        if option not in step_type.templates
    }
    ignored = set()
    if unchecked or strange:
        # An unknown key makes marshmallow leave out the checks of one option against another, which
        # would judge half of them.
        given[GAP] = ""
        ignored = {(), (GAP,), *((option,) for option in unchecked)}
    loaded, found = _ask(step_type, schema.load, given)
    unknown = f"is not an option of {step.type}; its options: {listing(known)}"
    # no more than are told of, as each is compared with all words that are known
    mistakes = [
        ((option,), guess(unknown, option, [*known, *StepTable().fields]))
        for option in in_turns(strange[: MOST_PROBLEMS + 1])
    ]
    mistakes += [
        (_without_map_parts(path, known), guess_at(schema, given, path, reason))
        for path, reason in in_turns(found[: MOST_PROBLEMS + 1])
        if path[:1] not in ignored
    ]
    return loaded, mistakes


def refuse(step, options, params):
    """Return the reasons why the step's type can't use these options with these parameters."""
    step_type = step.step_type
    if step_type.check is None:
        return []
    reasons, mistakes = _ask(step_type, step_type.check, options, params)
    return [plain(reason) for reason in reasons or ()] + [reason for _, reason in mistakes]


def _ask(step_type, function, *values):
    """Call a step type's own code.

    Returns `(what it returned or None, [(path, reason)])`: what goes wrong in it must not stop the
    others.
    """
    try:
        return function(*values), []
    except ValidationError as error:
        return None, list(flat(error.normalized_messages()))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this step's alone
        _log.exception("the step type %r could not check its options", step_type.name)
        return None, [
            (
                (),
                (
                    f"the step type {step_type.name} could not check its options: "
                    f"{type(error).__name__}: {error}"
                ),
            )
        ]


def _without_map_parts(path, known):
    """Drop the `key` or `value` that marshmallow puts after the key of a table with free keys."""
    if (
        len(path) > 2
        and isinstance(known.get(path[0]), fields.Mapping)
        and path[2] in ("key", "value")
    ):
        return (*path[:2], *path[3:])
    return path
