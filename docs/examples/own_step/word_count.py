"""A step type that counts the words of text files: one child per file."""

from pathlib import Path

from marshmallow import Schema, fields, validate

from jobsync.base.errors import StepFailed
from jobsync.registry import Unit, step


class WordCountOptions(Schema):
    """The keys that a definition may give this step."""

    dir_path = fields.String(required=True)
    pattern = fields.String(load_default="**/*.txt", validate=validate.Length(min=1))


@step("word_count", options=WordCountOptions, batch=True)
def word_count(context, unit):
    """Count one file's words.

    What is returned becomes the child's result; what is raised fails the child.
    """
    path = Path(unit["path"])
    try:
        words = len(path.read_text(errors="replace").split())
    except OSError as error:
        raise StepFailed(f"{path.name}: {error.strerror}") from error
    context.log(f"{path.name}: {words} words", "info" if words else "warning")
    return {"words": words}


@word_count.plan
def find_files(context):
    """Yield a child for each file as it is found: workers begin before the walk has ended."""
    for path in sorted(Path(context.options["dir_path"]).glob(context.options["pattern"])):
        context.check()  # ends the walk when the job is cancelled
        if path.is_file():
            yield Unit(path.name, {"path": str(path)})


@word_count.summarize
def add_up(context, results):
    """Make the step's result of its completed children's, which come one by one."""
    counts = [result["words"] for result in results]
    return {"files": len(counts), "words": sum(counts)}
