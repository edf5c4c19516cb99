"""What a worker's exit code tells its server."""

FAILED = 1  # work that didn't stop has taken its worker with it, or an error has
TAKEN_FOR_DEAD = 3  # its work is somebody else's now
UNWATCHED = 4  # the thread that sends heartbeats and stops work has failed
DRAINED = 5  # it was told to end when it has nothing to do: no other one is started

REASONS = {
    TAKEN_FOR_DEAD: "has ended: it was taken for dead",
    UNWATCHED: "has ended: its watching thread failed",
}
