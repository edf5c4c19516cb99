"""The floors of the design: imports point down, on one floor along its row, never round in a
circle, and never from inside a function.
"""

import ast
import re
import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from helpers.paths import ROOT

# Floors from the ground up; on each the row, left to right. A place is a module, or a package with
# all that is in it. A set is a place shared by rooms that don't know each other.
FLOORS = [
    [
        {
            "jobsync.base.errors",
            "jobsync.base.clock",
            "jobsync.base.text",
            "jobsync.base.metrics",
            "jobsync.base.loop",
            "jobsync.base.private_files",
            "jobsync.base.processes",
            "jobsync.base.regular_files",
        },
        {"jobsync.base.trouble", "jobsync.base.server_address"},
        "jobsync.base",
        {"jobsync.status", "jobsync.registry", "jobsync.security", "jobsync.shapes"},
    ],
    [
        {"jobsync.schemas", "jobsync.db.json", "jobsync.db.damage", "jobsync.db.file_watch"},
        "jobsync.db.prepared",
        "jobsync.db.sqlite",
        "jobsync.db.engine",
        "jobsync.db.extensions",
        {"jobsync.db.models", "jobsync.db.changes", "jobsync.db.migrate"},
        "jobsync.db.transactions",
        "jobsync.db",
    ],
    [{"jobsync.definitions", "jobsync.live.broadcast"}],
    [
        "jobsync.store.answers",
        "jobsync.store.stops",
        "jobsync.store.jobs",
        "jobsync.store.steps",
        {
            "jobsync.store.limits",
            "jobsync.store.waiting",
            "jobsync.store.structure",
            "jobsync.store.children",
            "jobsync.store.logs",
            "jobsync.store.listing",
            "jobsync.store.workers",
        },
        "jobsync.store",
        {"jobsync.steps.isolated", "jobsync.steps.wildmatch"},
        {"jobsync.steps.command", "jobsync.steps.codebase", "jobsync.steps.test_job_generator"},
        "jobsync.steps",
    ],
    [
        {"jobsync.lifecycle.rows", "jobsync.lifecycle.keys", "jobsync.lifecycle.tasks"},
        "jobsync.lifecycle.stops",
        {"jobsync.lifecycle.jobs", "jobsync.lifecycle.recording"},
        {
            "jobsync.lifecycle.parts",
            "jobsync.lifecycle.bulk",
            "jobsync.lifecycle.moves",
            "jobsync.lifecycle.claims",
            "jobsync.lifecycle.results",
            "jobsync.lifecycle.workers",
        },
        "jobsync.lifecycle",
    ],
    [
        "jobsync.monitor.deadlines",
        {
            "jobsync.monitor.scheduler",
            "jobsync.monitor.notifier",
            "jobsync.engine.write_buffer",
            "jobsync.engine.exit_codes",
        },
        {"jobsync.monitor", "jobsync.engine.runner"},
        {"jobsync.engine.worker", "jobsync.engine.supervisor"},
        "jobsync.engine",
    ],
    [{"jobsync.api", "jobsync.live.realtime", "jobsync.web", "jobsync.cli"}],
    ["jobsync.live"],
    ["jobsync"],
    [{"config", "jobsync.serving"}, "app"],
]
STRANGERS = [
    ("jobsync.monitor", "jobsync.engine"),
    ("jobsync.monitor.scheduler", "jobsync.live"),
    ("jobsync.monitor.notifier", "jobsync.lifecycle"),
]
GROUND = ("jobsync.base.errors", "jobsync.status", "jobsync.base.clock", "jobsync.base.loop")


def product_files():
    return [ROOT / "app.py", ROOT / "config.py", *sorted((ROOT / "jobsync").rglob("*.py"))]


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in product_files()}


def imports_of(name, modules=MODULES):
    """Return the names of the product's own modules that a module imports.

    `from jobsync import x` is x, not the doorway.
    """
    found = set()
    for node in ast.walk(ast.parse(modules[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            found |= {
                f"{node.module}.{alias.name}"
                if f"{node.module}.{alias.name}" in modules
                else node.module
                for alias in node.names
            }
    return found & modules.keys() - {name}


def place_of(name):
    """Return `(floor, place in its row, room)`: the room with the longest name that the module
    is or lies in.
    """
    rooms = [
        (floor, place, room)
        for floor, row in enumerate(FLOORS)
        for place, shared in enumerate(row)
        for room in (shared if isinstance(shared, set) else {shared})
        if name == room or (room != "jobsync" and lies_in(room, name))
    ]
    assert rooms, f"{name} has no place in the floors"
    return max(rooms, key=lambda room: len(room[2]))


def complaint(name, imported):
    """Return what is wrong with an import, or None."""
    mine, theirs = place_of(name), place_of(imported)
    if mine[2] == theirs[2]:
        return None
    if theirs[:2] > mine[:2]:
        return f"{name} imports {imported}, which is above it or to its right"
    if theirs[:2] == mine[:2]:
        return f"{name} imports {imported}, and they don't know each other"
    if any(
        lies_in(first, name) and lies_in(second, imported)
        for pair in STRANGERS
        for first, second in (pair, pair[::-1])
    ):
        return f"{name} imports {imported}, and they don't know each other"
    return None


def lies_in(room, name):
    return name == room or name.startswith(room + ".")


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name):
    assert not list(
        filter(None, (complaint(name, imported) for imported in sorted(imports_of(name))))
    )


def test_the_rules_refuse_what_they_are_there_to_refuse():
    assert complaint("jobsync.store", "jobsync.lifecycle.jobs")
    assert complaint("jobsync.db.models", "jobsync.store")
    assert complaint("jobsync.monitor", "jobsync.engine.worker")
    assert complaint("jobsync.engine.worker", "jobsync.monitor")
    assert complaint("jobsync.engine.runner", "jobsync.monitor")
    assert complaint("jobsync.api.jobs", "jobsync.web.pages")
    assert complaint("jobsync.lifecycle.claims", "jobsync.lifecycle.moves")
    assert complaint("jobsync.cli.jobs", "jobsync")
    assert not complaint("jobsync.monitor", "jobsync.lifecycle.moves")
    assert not complaint("jobsync.api.jobs", "jobsync.api.resource")


def test_no_imports_go_round_in_a_circle():
    try:
        list(TopologicalSorter({name: imports_of(name) for name in MODULES}).static_order())
    except CycleError as error:
        pytest.fail("imports go round: " + " → ".join(error.args[1]))


@pytest.mark.parametrize("name", MODULES)
def test_nothing_is_imported_inside_a_function(name):
    tree = ast.parse(MODULES[name].read_text())
    functions = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    ]
    inside = [
        node.lineno
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not inside


@pytest.mark.parametrize("name", GROUND)
def test_the_ground_needs_the_standard_library_alone(name):
    tree = ast.parse(MODULES[name].read_text())
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.split(".")[0] for module in imported} <= sys.stdlib_module_names


def test_job_update_and_the_names_of_rooms_are_spelled_in_one_place():
    texts = {name: path.read_text() for name, path in MODULES.items()}
    assert [name for name, text in texts.items() if '"job_update"' in text] == [
        "jobsync.live.broadcast"
    ]
    assert [name for name, text in texts.items() if '"job:"' in text] == ["jobsync.live.broadcast"]


def test_nothing_but_the_notifier_broadcasts():
    tellers = {
        name
        for name, path in MODULES.items()
        if "broadcast.tell_" in path.read_text() or "socketio.emit" in path.read_text()
    }
    assert tellers == {"jobsync.live.broadcast", "jobsync.monitor.notifier"}


def test_eventlet_is_known_in_one_place():
    knowing = {
        name
        for name, path in MODULES.items()
        if re.search(r"^\s*(import|from) eventlet", path.read_text(), re.MULTILINE)
    }
    assert {name for name in knowing if not lies_in("jobsync.serving", name)} == {"app"}
