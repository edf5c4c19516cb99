"""Prints which files are labelled, one a line: half, package, version, path.

The labels themselves are given by hand.
"""

import random

from helpers.trees import TREES, fetch

SEED = 20250131
HALF = 30  # files of each tree in either half

chance = random.Random(SEED)
for name in sorted(TREES):
    folder = fetch(TREES[name])
    paths = sorted(
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*")
        if file.is_file() and not file.is_symlink()
    )
    drawn = chance.sample(paths, 2 * HALF)
    for half, part in (("tune", drawn[:HALF]), ("kept", drawn[HALF:])):
        for path in sorted(part):
            print(half, name, TREES[name].version, path, sep="\t")
