"""What all runs of a model share: making an app or a Node for each would take most of the time."""

from types import SimpleNamespace

import pytest

from helpers.apps import make_app
from jobsync.base import clock
from jobsync.monitor import scheduler
from model.network import Clock
from model.node import Node
from model.workers import Workers

NEW_YEAR = 1_767_225_600_000  # ms


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """An app.

    The time that is stored is the model's, and no two moments of it are the same.
    """
    folder = tmp_path_factory.mktemp("model")
    shared = SimpleNamespace(clock=Clock(), moments=0, folder=folder, definitions=[])

    def time_ns():
        shared.moments += 1
        return (NEW_YEAR + int(shared.clock.now) + shared.moments) * 1_000_000

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "time", SimpleNamespace(time_ns=time_ns))
        patch.setattr(scheduler, "PAUSE", 0)
        shared.app = make_app(folder)
        yield shared


@pytest.fixture(scope="module")
def shared(timed):
    """The same with workers and a Node."""
    timed.workers = Workers(timed.app, timed.folder)
    timed.node = Node()
    yield timed
    timed.node.close()
