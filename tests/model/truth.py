"""All that the store has ever been of one job: what a page may show, and nothing else."""

from helpers.ask import ask
from jobsync import store
from jobsync.base.errors import NotFound


class Truth:
    """The structures of a job by revision, noted after each commit."""

    def __init__(self, job_id):
        self.job_id = job_id
        self.at = {}
        self.revision = 0
        self.is_deleted = False

    @property
    def now(self):
        """The present structure, of a deleted job the last one."""
        return self.at[self.revision]

    def note(self):
        """Look at the store, and assert that a change has a revision of its own.

        Needs an app context.
        """
        try:
            structure = ask(store.structure.structure_of, self.job_id)
        except NotFound:
            self.is_deleted = True
            return
        assert not self.is_deleted, "a deleted job is there again"
        revision = structure["revision"]
        assert revision >= self.revision, (
            f"the store went from revision {self.revision} to {revision}"
        )
        assert structure == self.at.setdefault(revision, structure), (
            f"revision {revision} has two shapes"
        )
        self.revision = revision

    def allows(self, message):
        """Say whether what the server tells is true at the revision that it names, and
        committed.
        """
        revision, status = message["revision"], message["status"]
        if status == "deleted":
            return self.is_deleted and revision > self.revision
        shown = self.at.get(revision)
        if shown and message["context"] == "job_step":
            shown = next(step for step in shown["steps"] if step["name"] == message["step_name"])
        return bool(shown) and shown["status"] == status

    def is_known_at(self, revision):
        """Say whether who knows of this revision knows of all changes of status, and of the
        deletion.
        """
        if self.is_deleted:
            return revision > self.revision
        return _statuses(self.at[revision]) == _statuses(self.now)


def _statuses(structure):
    return [structure["status"], *(step["status"] for step in structure["steps"])]
