"""Runs benchmarks one after the other, prints each one's figures as a table and as JSON, and
keeps the JSON in `results/NAME.json`.
"""

import argparse
import sys
import time

from benchmarks import (
    code_map,
    engine_million,
    engine_size,
    hostile,
    idle,
    import_folder,
    large_folder,
    large_jobs,
    latency,
    main_job,
    page,
    painted,
    starts,
    storm,
    structure,
    throughput,
    viewers,
    weight,
)
from benchmarks._report import Report

BENCHMARKS = {
    "latency": latency,
    "painted": painted,
    "page": page,
    "structure": structure,
    "viewers": viewers,
    "storm": storm,
    "large_jobs": large_jobs,
    "idle": idle,
    "weight": weight,
    "throughput": throughput,
    "engine_size": engine_size,
    "starts": starts,
    "main_job": main_job,
    "import_folder": import_folder,
    "hostile": hostile,
    "code_map": code_map,
    "large_folder": large_folder,
    "engine_million": engine_million,
}
# a quarter of an hour each: measured only when they are named
LONG = ("large_folder", "engine_million")


def main():
    """Return the exit code: 0 when all could be measured, goals met or not (a machine may be
    slow or busy); 1 otherwise.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measures what jobsync promises, on this machine."
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"one of {', '.join(BENCHMARKS)}; by default all but {', '.join(LONG)}",
    )
    names = parser.parse_args().names or [name for name in BENCHMARKS if name not in LONG]
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name!r}: {', '.join(BENCHMARKS)}")
    return run(names)


def run(names):
    """Run the benchmarks of these names and return the exit code.

    One that can't be measured doesn't keep the others from it.
    """
    troubles = []
    code = 0
    for name in names:
        try:
            report = measure(name)
        except OSError as error:
            troubles.append(f"{name} could not be measured: {error}")
            code = 1
        except KeyboardInterrupt:
            return 130  # Ctrl-C: what was started has been ended
        else:
            troubles += [
                f"goal missed: {name}: {figure.name}"
                for figure in report.figures
                if figure.met is False
            ]
    for line in troubles:
        say(line)
    return code


def measure(name):
    """Run one benchmark, print its report and keep it.

    Raises OSError when something that it needs doesn't work.
    """
    say(f"{name}: {BENCHMARKS[name].__doc__.splitlines()[0]}")
    started = time.monotonic()
    report = Report(name)
    BENCHMARKS[name].measure(report, say)
    report.seconds = round(time.monotonic() - started, 1)
    report.print()
    report.keep()
    return report


def say(text):
    """Tell on stderr what is going on: standard output has the figures alone."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
