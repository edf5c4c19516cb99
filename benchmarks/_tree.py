"""A large tree of files that look like code, made in a moment and always the same."""

import os
import random

LINE = b"    value = compute(one, two)  # a line of code\n"
ENDINGS = ("py", "js", "md", "c", "json")
FILES_PER_FOLDER = 50
LONG_AGO = 1_700_000_000  # s: the first file's time, so that none is too young to be trusted


def make_tree(root, files, mean=8.9, spread=1.1):
    """Write a tree of `files` small files, 50 to a folder, no two alike. mean, spread: of the
    logarithm of their sizes in bytes.
    """
    sizes = random.Random(1)
    for number in range(files):
        at, place = divmod(number, FILES_PER_FOLDER)
        folder = os.path.join(root, f"package{at // 100:03}", f"module{at % 100:02}")
        if place == 0:
            os.makedirs(folder)
        path = os.path.join(folder, f"file{place:02}.{ENDINGS[place % len(ENDINGS)]}")
        with open(path, "wb") as file:
            file.write(
                b"%d\n" % number + LINE * (int(sizes.lognormvariate(mean, spread)) // len(LINE))
            )
        os.utime(path, (LONG_AGO + 7 * number,) * 2)
