"""A bare script: hashes and counts the files of a folder in one process, with the same counting as
jobsync: `python -m benchmarks._bare FOLDER`.

It prints `{"files", "bytes", "lines", "code", "seconds", "cpu"}`: seconds of its work without
Python's start, and of processor time.
"""

import hashlib
import json
import os
import sys
import time

from jobsync.steps.codebase.count import count_lines
from jobsync.steps.codebase.encoding import decode
from jobsync.steps.codebase.language import is_binary, language_of


def main():
    started = time.perf_counter()
    totals = dict.fromkeys(("files", "bytes", "lines", "code"), 0)
    for folder, _, names in os.walk(sys.argv[1]):
        for name in names:
            add(totals, os.path.join(folder, name))
    print(
        json.dumps({**totals, "seconds": time.perf_counter() - started, "cpu": time.process_time()})
    )


def add(totals, path):
    """Hash and count one file."""
    with open(path, "rb") as file:
        raw = file.read()
    hashlib.sha256(raw).hexdigest()
    totals["files"] += 1
    totals["bytes"] += len(raw)
    if not is_binary(raw):
        totals["lines"] += raw.count(b"\n")
        totals["code"] += count_lines(
            decode(raw)[0], language_of(os.path.basename(path), raw), lambda: None
        ).code


if __name__ == "__main__":
    main()
