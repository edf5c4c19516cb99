"""A job that goes on when a test says so."""

from pathlib import Path

from helpers.waiting import wait_for

DEFINITIONS = Path(__file__).parent / "definitions"


class Gates:
    """A job of definitions/gated.toml.

    When a gate is opened it goes on to the next, and comes to rest there.
    """

    def __init__(self, server, folder):
        self.server, self.folder = server, folder
        self.job_id = server.submit("gated", gates=str(folder))

    def open(self, gate, content="go"):
        """Let the child that waits there go on, and fail if `content` is "fail"."""
        (self.folder / gate).write_text(content)

    def shut(self, gate):
        (self.folder / gate).unlink()

    def wait_for_rest(self, statuses, ended):
        """Wait until the steps have these statuses and so many children have ended: then
        nothing happens before a gate is opened.
        """

        def is_at_rest():
            steps = self.server.structure(self.job_id)["steps"]
            running = [step for step in steps if step["status"] == "running"]
            number = sum(
                step["children"]["completed"] + step["children"]["failed"] for step in steps
            )
            waits = all(step["children"]["running"] for step in running)
            return (
                [step["status"] for step in steps] == statuses.split() and number == ended and waits
            )

        wait_for(is_at_rest, 30, statuses)
