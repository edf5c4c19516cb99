"""The step type `command`, with real processes and a context made by hand."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from marshmallow import ValidationError

from helpers.contexts import PATIENCE, SHUTDOWN_GRACE, FakeContext
from helpers.paths import ROOT
from helpers.waiting import wait_for
from jobsync.base import processes
from jobsync.base.errors import StepFailed, Stopped
from jobsync.definitions import Definitions
from jobsync.registry import Registry
from jobsync.steps import BUILT_IN
from jobsync.steps.command import pipes, process
from jobsync.steps.command.environment import user_environment
from jobsync.steps.command.lines import PIECE, LineSplitter, level_of
from jobsync.steps.command.step import CommandOptions, command

DEFINITIONS = ROOT / "definitions"
MARGIN = 3  # seconds that a busy machine may take for what should come at once
SHOW_ARGUMENTS = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))"]


def context_of(params=None, attempt=1, **options):
    return FakeContext(command, params, attempt, step_name="build", **options)


class Running:
    """A command that runs in a thread."""

    def __init__(self, context):
        self.context = context
        self.outcome = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            self.outcome = command(self.context, {})
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.outcome = error

    def is_alive(self):
        return self._thread.is_alive()

    def end(self):
        """Return the result or error, once there is one."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        return self.outcome


def run(unit=None, params=None, **options):
    """Run one child and return `(result, [(level, message)])`."""
    context = context_of(params, **options)
    return command(context, unit or {}), context.lines


def python(script, *arguments):
    return [sys.executable, "-c", doubled(script), *arguments]


def shell(script, *arguments):
    return ["sh", "-c", doubled(script), *arguments]


def doubled(script):
    """Return a script as a definition has to write it."""
    return script.replace("{", "{{").replace("}", "}}")


def failure(**options):
    with pytest.raises(StepFailed) as caught:
        run(**options)
    return caught.value.message


def refusal(**options):
    """Return the mistakes of options, as marshmallow has them."""
    with pytest.raises(ValidationError) as caught:
        CommandOptions().load(options)
    return caught.value.messages


def reasons(run, params, **options):
    return command.check(CommandOptions().load({"run": run, **options}), params)


def units(**options):
    context = context_of(options.pop("params", None), **options)
    return [(unit.name, unit.input) for unit in command.planner(context)], context.lines


def is_running(pid):
    """Say whether a process lives: one that nobody has reaped yet does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def await_end(pid):
    deadline = time.monotonic() + PATIENCE
    while is_running(pid):
        assert time.monotonic() < deadline, f"process {pid} goes on"
        time.sleep(0.01)


# Options


def test_a_single_text_is_refused_with_the_reason():
    assert "no shell takes a text apart" in refusal(run="echo hello")["run"][0]


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({}, "run"),
        ({"run": []}, "run"),
        ({"run": [" "]}, "run"),
        ({"run": ["echo", 5]}, "run"),
        ({"run": ["echo", *["x"] * 10_000]}, "run"),
        ({"run": ["true"], "shell": True}, "shell"),
        ({"run": ["true"], "for_each": 5}, "for_each"),
        ({"run": ["true"], "for_each": ""}, "for_each"),
        ({"run": ["true"], "for_each": ["a", True]}, "for_each"),
        ({"run": ["true"], "for_each": [["a"]]}, "for_each"),
        ({"run": ["true"], "cwd": ""}, "cwd"),
        ({"run": ["true"], "cwd": "{item}", "for_each": "*.py"}, "cwd"),
        ({"run": ["true"], "env": {"A": 5}}, "env"),
        ({"run": ["true"], "env": {"A=B": "5"}}, "env"),
        ({"run": ["true"], "env": {"JOBSYNC_PORT": "5"}}, "env"),
        ({"run": ["true"], "env": {"PARAM_X": "5"}}, "env"),
        ({"run": ["true"], "env": {processes.WORKER_MARK: "5"}}, "env"),
        ({"run": ["true"], "env": {processes.ATTEMPT_MARK: "5"}}, "env"),
    ],
)
def test_bad_options_are_refused(options, key):
    assert list(refusal(**options)) == [key]


@pytest.mark.parametrize(
    "run",
    [
        ["sh", "-c", "echo {name}"],
        ["/bin/sh", "-c", "echo {name}"],
        ["/usr/local/bin/bash-5.2", "-c", "{name}"],
        ["bash", "-ec", "echo {name}"],
        ["bash", "-lic", "echo {name}"],
        ["bash", "-c", "-e", "echo {name}"],
        ["bash", "-c", "--", "echo {name}"],
        ["bash", "-o", "pipefail", "-c", "echo {name}"],
        ["bash", "-co", "pipefail", "echo {name}"],
        ["bash", "-c", "-o", "pipefail", "echo {name}"],
        ["dash", "-c", "echo {name}"],
        ["zsh", "-c", "echo {name}"],
        ["ksh93", "-c", "echo {name}"],
        ["ash", "-c", "echo {name}"],
        ["fish", "--command", "echo {name}"],
        ["fish", "--command=echo {name}"],
        ["fish", "-C", "echo {name}"],
        ["busybox", "sh", "-c", "echo {name}"],
        ["env", "sh", "-c", "echo {name}"],
        ["/usr/bin/env", "-i", "A=b", "bash", "-c", "echo {name}"],
        ["env", "-S", "sh -c 'echo {name}'"],
        ["env", "-Ssh -c 'echo {name}'"],
        ["xargs", "-n1", "sh", "-c", "echo {name}"],
        ["timeout", "5", "bash", "-c", "echo {name}"],
        ["find", ".", "-exec", "sh", "-c", "echo {name}", ";"],
        ["docker", "run", "--entrypoint=/bin/sh", "image", "-c", "echo {name}"],
        ["su", "somebody", "-c", "echo {name}"],
        ["su", "-cecho {name}"],
        ["sudo", "su", "--command", "echo {name}"],
        ["flock", "/tmp/lock", "-c", "echo {name}"],
        ["script", "-qc", "echo {name}", "/dev/null"],
        ["ssh", "host", "echo", "{name}"],
        ["timeout", "5", "/usr/bin/ssh", "host", "echo {name}"],
        ["watch", "-n1", "echo {name}"],
    ],
)
def test_a_placeholder_in_a_script_for_a_shell_is_refused(run):
    [[(place, [reason])]] = [found.items() for found in refusal(run=run)["run"]]
    assert "{name}" in run[place]
    assert "{name} must not be in a script for a shell" in reason
    assert "$PARAM_NAME" in reason


def test_the_item_in_a_script_for_a_shell_is_refused_too():
    assert "$PARAM_ITEM" in refusal(run=["sh", "-c", "rm {item}"], for_each="*")["run"][0][2][0]


@pytest.mark.parametrize(
    "run",
    [
        ["sh", "-c", 'echo "$PARAM_NAME" {{braces}}'],
        ["sh", "-c", 'echo "$1"', "sh", "{name}"],
        ["sh", "-ec", 'echo "$1"', "sh", "{name}"],
        ["sh", "script.sh", "{name}"],
        ["bash", "--norc", "{name}"],
        ["echo", "{name}", "-c"],
        ["grep", "-c", "{name}", "file"],
        ["./script", "-c", "{name}"],
        ["rsync", "-e", "ssh", "{name}", "host:"],
        ["npm", "run", "watch", "{name}"],
        ["git", "-C", "{name}", "status"],
        ["env", "A={name}", "make"],
        ["bash", "make.sh", "--config-file={name}"],
    ],
)
def test_a_placeholder_elsewhere_is_fine(run):
    assert CommandOptions().load({"run": run})["run"] == run


# Parameters


def test_a_value_with_a_leading_dash_is_refused_as_an_argument_of_its_own():
    assert reasons(["ls", "{folder}"], {"folder": "-rf"}) == [
        'run[1]: {folder} = -rf would be taken for an option: put "--" before it'
    ]


@pytest.mark.parametrize(
    ("run", "params"),
    [
        (["ls", "{a}.txt"], {"a": "-x"}),
        (["seq", "{a}"], {"a": -5}),
        (["ls", "{a}{b}"], {"a": "", "b": "-x"}),
        (["ls", "--", "{a}", "{b}"], {"a": "x", "b": "-x"}),
        (["ls", "-l", "{a}"], {"a": "--"}),
    ],
)
def test_whatever_a_value_makes_an_option_is_refused(run, params):
    [reason] = reasons(run, params)
    assert "would be taken for an option" in reason


@pytest.mark.parametrize(
    ("run", "params"),
    [
        (["ls", "--", "{a}"], {"a": "-rf"}),
        (["ls", "--sort={a}"], {"a": "-rf"}),
        (["ls", "-{a}"], {"a": "l"}),
        (["ls", "x{a}"], {"a": "-rf"}),
        (["{a}", "x"], {"a": "-odd"}),
        (["ls", "{a}"], {"a": "r-f"}),
    ],
)
def test_a_dash_that_can_do_no_harm_is_fine(run, params):
    assert reasons(run, params) == []


@pytest.mark.parametrize(
    ("run", "params"),
    [
        (["{program}", "-c", "{name}"], {"program": "bash", "name": "x"}),
        (["/bin/{program}", "-c", "{name}"], {"program": "sh", "name": "x"}),
        (["sh", "-{program}", "echo {name}"], {"program": "c", "name": "x"}),
    ],
)
def test_a_shell_that_a_parameter_makes_is_refused(run, params):
    assert CommandOptions().load({"run": run})
    assert any(
        "{name} must not be in a script for a shell" in reason for reason in reasons(run, params)
    )
    with pytest.raises(StepFailed, match="must not be in a script"):
        command(context_of(params, run=run), {})


def test_a_value_with_a_nul_is_refused():
    assert "NUL" in reasons(["echo", "x{a}"], {"a": "a\x00b"})[0]


def test_item_is_a_parameter_or_an_item_of_for_each():
    assert reasons(["echo", "{item}"], {"item": "a parameter"}) == []
    assert reasons(["echo", "{item}"], {}, for_each=["a"]) == []


# What the program gets


@pytest.mark.parametrize(
    "value",
    [
        "; touch pwned",
        "$(touch pwned)",
        "`touch pwned`",
        "|| touch pwned",
        "a b",
        "a\nb",
        "*",
        "",
        "'\"",
        "{other}",
        "{{other}}",
        "{item}",
        "ä€😀",
    ],
)
def test_a_value_reaches_the_program_as_it_is(value, tmp_path):
    _, lines = run(
        run=[*SHOW_ARGUMENTS, "{value}", "<{value}>"],
        params={"value": value, "other": "wrong"},
        cwd=str(tmp_path),
    )
    assert json.loads(lines[0][1]) == [value, f"<{value}>"]
    assert list(tmp_path.iterdir()) == []


def test_an_item_reaches_the_program_as_it_is():
    _, lines = run(
        {"item": "{name} $(x); y"},
        {"name": "wrong"},
        run=[*SHOW_ARGUMENTS, "{item}", "{{item}}"],
        for_each=["…"],
    )
    assert json.loads(lines[0][1]) == ["{name} $(x); y", "{item}"]


def test_an_item_with_a_leading_dash_fails_its_child_unless_two_dashes_come_first():
    with pytest.raises(StepFailed, match="{item} = -rf would be taken for an option"):
        run({"item": "-rf"}, run=[*SHOW_ARGUMENTS, "{item}"], for_each=["-rf"])
    _, lines = run({"item": "-rf"}, run=[*SHOW_ARGUMENTS, "--", "{item}"], for_each=["-rf"])
    assert json.loads(lines[0][1]) == ["--", "-rf"]


def test_a_script_reads_parameters_and_item_from_the_environment():
    params = {"folder": "a b; $(x)", "deep": True, "Depth": 3}
    _, lines = run(
        {"item": "it'em"},
        params,
        run=shell('echo "$PARAM_FOLDER|$PARAM_DEEP|$PARAM_DEPTH|$PARAM_ITEM"'),
        for_each=["…"],
    )
    assert lines == [("info", "a b; $(x)|true|3|it'em")]


def test_a_parameter_may_be_called_item_where_there_are_no_items():
    _, lines = run(params={"item": "mine"}, run=shell('echo "$PARAM_ITEM $1"', "sh", "{item}"))
    assert lines == [("info", "mine mine")]


def test_the_environment_has_nothing_of_jobsync_and_all_the_rest(monkeypatch):
    monkeypatch.setenv("JOBSYNC_SECRET_KEY", "secret")
    monkeypatch.setenv("JOBSYNC_ANYTHING", "x")
    monkeypatch.setenv("OTHER_THING", "kept")
    _, lines = run(params={"a": "-x"}, run=["env"], env={"MINE": "{a} {{}}"})
    variables = dict(line.split("=", 1) for _, line in lines if "=" in line)
    assert not any(name.startswith("JOBSYNC_") for name in variables)
    assert (variables["OTHER_THING"], variables["MINE"], variables["PARAM_A"]) == (
        "kept",
        "-x {}",
        "-x",
    )


def test_there_is_nothing_to_read_from_stdin(tmp_path):
    (tmp_path / "mine").write_text("not for the program")
    saved, mine = os.dup(0), os.open(tmp_path / "mine", os.O_RDONLY)
    try:
        os.dup2(mine, 0)
        assert run(run=["cat"])[0]["lines"] == 0
    finally:
        os.dup2(saved, 0)
        os.close(saved)
        os.close(mine)


def test_it_runs_in_the_folder_that_it_is_told(tmp_path):
    (tmp_path / "inner").mkdir()
    _, lines = run(
        {"item": "inner"},
        {"top": str(tmp_path)},
        run=["pwd", "-P"],
        cwd="{top}/{item}",
        for_each=["inner"],
    )
    assert lines == [("info", os.path.realpath(tmp_path / "inner"))]


@pytest.fixture(autouse=True)
def fresh_environment():
    """The environment that jobsync was started from is looked at once in a process."""
    user_environment.cache_clear()
    yield
    user_environment.cache_clear()


def environment_of(**options):
    """Return what a command finds in its environment."""
    user_environment.cache_clear()
    _, lines = run(run=python("import json, os; print(json.dumps(dict(os.environ)))"), **options)
    return json.loads(lines[0][1])


def test_its_environment_says_where_it_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("PWD", "/elsewhere")
    monkeypatch.setenv("OLDPWD", "/before")
    environ = environment_of(cwd=str(tmp_path))
    assert environ["PWD"] == str(tmp_path)
    assert "OLDPWD" not in environ
    assert environment_of()["PWD"] == os.getcwd()
    assert run(run=["bash", "-c", "echo $PWD"], cwd=str(tmp_path))[1] == [("info", str(tmp_path))]


@pytest.mark.parametrize(
    "name", ["JOBSYNC_PORT", "JOBSYNC_SECRET_KEY", "FLASK_APP", "FLASK_DEBUG", "FLASK_RUN_FROM_CLI"]
)
def test_it_gets_no_setting_of_jobsync(name, monkeypatch):
    monkeypatch.setenv(name, "x")
    assert name not in environment_of()


def test_a_virtual_environment_of_jobsync_is_not_the_command_s_but_another_one_is(monkeypatch):
    own = f"{sys.prefix}/bin"
    monkeypatch.setenv("PATH", f"{own}:/usr/bin:/bin")
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    environ = environment_of()
    assert "VIRTUAL_ENV" not in environ
    assert environ["PATH"] == "/usr/bin:/bin"
    monkeypatch.setenv("VIRTUAL_ENV", "/another")
    environ = environment_of()
    assert environ["VIRTUAL_ENV"] == "/another"
    assert environ["PATH"] == f"{own}:/usr/bin:/bin"


def test_jobsync_s_virtual_environment_is_known_by_any_name(monkeypatch, tmp_path):
    (tmp_path / "venv").symlink_to(sys.prefix)
    for name in (str(tmp_path / "venv"), f"{sys.prefix}/"):
        monkeypatch.setenv("VIRTUAL_ENV", name)
        monkeypatch.setenv("PATH", f"{name}/bin:/usr/bin:/bin")
        environ = environment_of()
        assert "VIRTUAL_ENV" not in environ
        assert environ["PATH"] == "/usr/bin:/bin"
    monkeypatch.delenv("PATH")
    assert "PATH" not in environment_of()


def test_what_the_worker_sets_later_is_not_the_command_s(monkeypatch):
    run(run=["true"])
    monkeypatch.setenv("SET_LATER", "x")
    _, lines = run(run=["env"])
    assert not any(line.startswith("SET_LATER") for _, line in lines)


def test_what_is_inherited_does_not_have_python_keep_its_lines(monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", "")
    assert environment_of()["PYTHONUNBUFFERED"] == "1"


def test_python_writes_its_lines_as_they_come_unless_the_step_says_otherwise(monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    assert environment_of()["PYTHONUNBUFFERED"] == "1"
    assert environment_of(env={"PYTHONUNBUFFERED": ""})["PYTHONUNBUFFERED"] == ""


def test_it_is_in_a_group_of_its_own_and_in_the_session_of_the_worker():
    _, lines = run(run=python("import os; print(os.getpid(), os.getpgid(0), os.getsid(0))"))
    pid, group, session = map(int, lines[0][1].split())
    assert group == pid
    assert session == os.getsid(0)


# Output


def test_a_line_is_there_while_the_program_still_runs(tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    context = context_of(
        {"gate": str(gate)},
        run=shell('echo before; read -r word <"$PARAM_GATE"; echo "after $word"'),
    )
    running = Running(context)
    context.await_line("before")
    assert running.is_alive()
    gate.write_text("the gate\n")
    assert running.end()["exit_code"] == 0
    assert context.messages() == ["before", "after the gate"]


def test_stdout_is_info_and_stderr_a_warning_unless_a_line_names_its_level():
    script = (
        'import sys; print("plain"); print("ERROR: bad"); print("odd", file=sys.stderr); '
        'print("DEBUG: detail", file=sys.stderr)'
    )
    _, lines = run(run=python(script))
    assert sorted(lines) == [
        ("debug", "DEBUG: detail"),
        ("error", "ERROR: bad"),
        ("info", "plain"),
        ("warning", "odd"),
    ]


IN_TURN = "n=0; while [ $n -lt 200 ]; do echo out $n; echo err $n >&2; n=$((n+1)); done"
BURSTS = (
    "for n in $(seq 40); do seq $n; seq $((n % 7)) >&2; printf 'a b' >&2; echo; "
    "printf 'c\\n' >&2; done"
)
TRACED = "set -x\necho building\nls /nonexistent\necho done"


def bash(script):
    return ["bash", "-c", doubled(script)]


@pytest.mark.parametrize("script", [IN_TURN, TRACED])
def test_lines_of_both_pipes_come_in_the_order_in_which_they_were_written(script):
    _, lines = run(run=bash(script))
    merged = subprocess.run(
        ["bash", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout
    assert [line for _, line in lines] == merged.splitlines()


def test_lines_keep_their_order_while_others_need_the_processor():
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        _, lines = run(run=bash(IN_TURN))
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert [line for _, line in lines] == [
        f"{pipe} {n}" for n in range(200) for pipe in ("out", "err")
    ]


@pytest.mark.parametrize("script", [IN_TURN, BURSTS, TRACED])
def test_merged_output_is_exactly_what_one_pipe_gets(script):
    result, lines = run(run=bash(script), stderr="merge")
    merged = subprocess.run(
        ["bash", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout
    assert [line for _, line in lines] == merged.splitlines()
    assert result["lines"] == len(lines)


def test_merged_output_is_info_unless_a_line_names_its_level_and_its_last_line_is_the_reason():
    script = "echo plain >&2; echo 'error: bad' >&2; echo the reason; exit 3"
    context = context_of(run=bash(script), stderr="merge")
    with pytest.raises(StepFailed, match="exit code 3: the reason"):
        command(context, {})
    assert context.lines == [("info", "plain"), ("error", "error: bad"), ("info", "the reason")]


def test_stderr_is_separate_or_merge():
    assert refusal(run=["true"], stderr="stdout") == {
        "stderr": ["Must be one of: separate, merge."]
    }


def test_pipes_of_another_kind_lose_nothing(monkeypatch):
    """Where pipes can't hold packets, or hold several, only the order between two pipes is a
    guess.
    """
    for kind in (lambda: (*os.pipe(), False), lambda: (*os.pipe2(os.O_DIRECT), False)):
        monkeypatch.setattr(pipes, "_open_pipe", kind)
        _, lines = run(run=bash(IN_TURN))
        assert [line for level, line in lines if level == "info"] == [
            f"out {n}" for n in range(200)
        ]
        assert [line for level, line in lines if level == "warning"] == [
            f"err {n}" for n in range(200)
        ]


def test_a_line_without_an_end_shows_after_a_second(tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    script = (
        'printf "Password: "; read -r word <"$PARAM_GATE"; echo; printf "again "; '
        'read -r word <"$PARAM_GATE"; echo "was right"; printf last'
    )
    context = context_of({"gate": str(gate)}, run=shell(script))
    running = Running(context)
    for shown in ("Password: ", "again "):
        context.await_line(shown)
        assert running.is_alive()
        gate.write_text("x\n")
    running.end()
    assert context.messages() == ["Password: ", "again ", "was right", "last"]


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([b"a", None, b"\nb\n"], ["a", "b"]),
        ([b"a", None, b"\r\nb\n"], ["a", "b"]),
        ([b"a", None, b"b\n"], ["a", "b"]),
        ([b"a", None, b"\n\nb\n"], ["a", "", "b"]),
        ([b"a", None, b"b", None, b"\n", b"c"], ["a", "b", "c"]),
        ([b"a", None], ["a"]),
        ([b"a", None, b"\r"], ["a"]),
        (["€".encode()[:2], None, "€".encode()[2:] + b"\n"], ["€"]),
        ([b"x" + "😀".encode()[:3], None, "😀".encode()[3:] + b"\n"], ["x", "😀"]),
        ([b"10 %\r", None, b"20 %\r", None, b"100 %\n"], ["100 %"]),
        ([b"10 %\r20 %", None, b"\r30 %", None, b"\nend", None, b"\n"], ["30 %", "end"]),
        ([b"\xff", None, b"\n"], ["\ufffd"]),
        ([b"\x80\x80\x80\x80", None, b"\n"], ["\ufffd" * 4]),
    ],
)
def test_a_partial_line_is_handed_out_once(pieces, lines):
    """None stands for a second without output."""
    splitter, shown = LineSplitter(), []
    for piece in pieces:
        shown += (
            splitter.feed(piece) if piece else splitter.partial() if splitter.has_partial else []
        )
    assert shown + splitter.end() == lines


def test_much_output_on_both_pipes_arrives_whole_and_in_order():
    script = (
        "import sys\nfor i in range(20000):\n print('out', i)\n print('err', i, file=sys.stderr)"
    )
    result, lines = run(run=python(script))
    assert [line for level, line in lines if level == "info"] == [f"out {i}" for i in range(20000)]
    assert [line for level, line in lines if level == "warning"] == [
        f"err {i}" for i in range(20000)
    ]
    assert result["lines"] == 40000


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (b"a\nb", ["a", "b"]),
        (b"a\n\n b \n", ["a", "", " b "]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"10 %\r20 %\r100 %\ndone\n", ["100 %", "done"]),
        (b"10 %\r100 %\r      \n", ["100 %"]),
        (b"10 %\r", ["10 %"]),
        (b"\xff\xfe ok \xc3\n", ["\ufffd\ufffd ok \ufffd"]),
        ("ä€😀\n".encode(), ["ä€😀"]),
        (b"", []),
    ],
)
def test_output_becomes_lines(written, lines):
    _, logged = run(
        run=python("import sys; sys.stdout.buffer.write(bytes.fromhex(sys.argv[1]))", written.hex())
    )
    assert [line for _, line in logged] == lines


def test_output_that_comes_in_pieces_is_put_together():
    script = (
        "import sys\nfor byte in 'ä1\\r€2\\r\\n😀3'.encode(): "
        "sys.stdout.buffer.write(bytes([byte])); sys.stdout.buffer.flush()"
    )
    _, lines = run(run=python(script))
    assert [line for _, line in lines] == ["€2", "😀3"]


def test_a_huge_line_is_cut_into_pieces_between_characters():
    _, lines = run(run=python("print('x' + '€' * 100_000, end='')"))
    pieces = [line for _, line in lines]
    assert "".join(pieces) == "x" + "€" * 100_000
    assert all(PIECE - 4 < len(piece.encode()) <= PIECE for piece in pieces[:-1])
    assert len(pieces) == 10


def test_a_long_progress_bar_is_one_line():
    script = "import sys\nfor i in range(50000): sys.stdout.write(f'{i} of 50000 done\\r')\nprint()"
    assert run(run=python(script))[1] == [("info", "49999 of 50000 done")]


@pytest.mark.parametrize(
    ("level", "line"),
    [
        ("error", "ERROR no space left"),
        ("error", "error: could not compile"),
        ("error", "error[E0308]: mismatched types"),
        ("error", "[Error] no space left"),
        ("error", "src/main.c:3:5: error: expected ';'"),
        ("error", "CRITICAL the disk is full"),
        ("error", "fatal: not a git repository"),
        ("error", "\x1b[1;31mERROR\x1b[0m no space left"),
        ("error", '{"at": 1, "level": "error", "msg": "x"}'),
        ("warning", "2026-01-02T03:04:05.123Z WARN slow"),
        ("warning", "12:00:01.123 [main] WARN org.example - slow"),
        ("warning", "ts=1 level=warn msg=slow"),
        ("info", "INFO:root:started"),
        ("info", "2026-01-02 03:04:05,123 - app.core - INFO - started"),
        ("info", "web | INFO | started"),
        ("debug", "[debug] x = 5"),
        ("debug", "TRACE: entered"),
        ("error", "src/app.ts(12,5): error TS2304: Cannot find name 'foo'."),
        ("error", "Program.cs(10,13): error CS0103: The name 'x' does not exist"),
        ("warning", "Program.cs(10,13): warning CS0168: never used"),
        ("error", "error LNK2019: unresolved external symbol"),
        ("error", "main.c:1:10: fatal error: missing.h: No such file or directory"),
        ("error", "clang: fatal error: no input files"),
        ("error", "fatal error: runtime: out of memory"),
        ("error", "npm ERR! code ELIFECYCLE"),
        ("error", "npm error code ENOENT"),
        ("warning", "npm WARN deprecated request@2.88.2"),
        ("error", "::error file=app.js,line=1::Missing semicolon"),
        ("error", "::error::Missing semicolon"),
        ("warning", "::warning file=app.js,line=1::Deprecated"),
        ("error", "##[error]Process completed with exit code 1."),
        ("error", "E0102 15:04:05.678901       1 reflector.go:138] Failed to watch"),
        ("info", "I0102 15:04:05.678901       1 main.go:70] started"),
        ("error", "2026-01-01 00:00:00.000 UTC [123] ERROR:  relation does not exist"),
        ("error", "SEVERE: Servlet threw exception"),
        ("error", '{"levelname": "ERROR", "message": "boom"}'),
        ("error", '{"log.level":"error","message":"boom"}'),
        ("error", "E, [2026-01-01T00:00:00.000000 #123] ERROR -- : boom"),
        ("debug", "D, [2026-01-01T00:00:00.000000 #123] -- : boom"),
        ("error", "Jan  2 15:04:05 host app[123]: ERROR: boom"),
        ("error", "Mon Jan 01 00:00:00 2026 [error] [client 1.2.3.4] boom"),
        ("error", "01-Jan-2026 10:00:00.123 SEVERE [main] org.apache.catalina.startup"),
        ("error", '[2026-01-01 00:00:00] production.ERROR: boom {"exception":"x"}'),
        ("error", "error: none of the files was found"),
        ("error", "error: 3 files could not be read"),
        ("warning", "\x1b]8;;http://x.example\x07WARN\x1b]8;;\x07 linked"),
        ("default", "error: 0, warning: 0"),
        ("default", "ERROR: 0"),
        ("default", "Warning: 3"),
        ("default", "critical: 0, high: 0, moderate: 0"),
        ("default", "lint: error: 0"),
        ("default", "Alert: none"),
        ("default", "debug: false"),
        ("default", "Error rate: 0.0 %"),
        ("default", "critical path: 12 ms"),
        ("default", "ERROR_COUNT=0"),
        ("default", "Downloading error-prone 2.3.4"),
        ("default", "Exit 1234 5"),
        ("default", "0 errors, 2 warnings"),
        ("default", "Error handling is on"),
        ("default", "ValueError: bad"),
        ("default", "make: *** [all] Error 1"),
        ("default", "ERROR-free since 1999"),
        ("default", "the information desk"),
        ("default", ""),
    ],
)
def test_a_line_names_its_level_in_the_usual_ways_only(level, line):
    assert level_of(line, "default") == level


PROGRESS = """
echo begins
echo ::progress 1/4
echo "  ::progress 2.5 / 4" >&2
echo ::progress -3/4
echo oh no >&2
echo ::progress 4 >&2
exit $1
"""


@pytest.mark.parametrize("stderr", ["separate", "merge"])
def test_lines_that_say_how_far_it_is_are_told_and_are_no_log_lines(stderr):
    context = context_of(run=shell(PROGRESS, "sh", "0"), stderr=stderr)
    assert command(context, {})["lines"] == 3
    assert context.steps == [(1, 4), (2.5, 4), (4, None)]
    assert context.messages() == ["begins", "::progress -3/4", "oh no"]


def test_a_line_that_says_how_far_it_is_is_no_reason():
    assert failure(run=shell(PROGRESS, "sh", "3")) == "exit code 3: oh no"


def test_progress_without_a_line_end_is_told_after_a_second(tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    context = context_of(
        {"gate": str(gate)}, run=shell('printf "::progress 1/2"; read -r word <"$PARAM_GATE"; echo')
    )
    running = Running(context)
    wait_for(lambda: context.steps, PATIENCE)
    assert running.is_alive()
    gate.write_text("x\n")
    assert running.end()["lines"] == 0
    assert context.steps == [(1, 2)]


# Ends


def test_exit_code_0_is_success():
    result, _ = run(run=shell("echo a; echo b >&2"))
    assert result.pop("seconds") >= 0
    assert result == {"exit_code": 0, "lines": 2}


def test_another_exit_code_fails_with_the_last_line_of_stderr():
    assert (
        failure(run=shell("echo first >&2; echo 'no space left' >&2; echo >&2; echo out; exit 3"))
        == "exit code 3: no space left"
    )
    assert failure(run=shell("echo out; exit 1")) == "exit code 1"


def test_an_error_has_no_terminal_escapes():
    script = (
        "printf '\\033[31mError: \\033[1mbad thing\\033[0m "
        "\\033]8;;http://x.example\\007happened\\033]8;;\\007\\n' >&2; exit 2"
    )
    assert failure(run=shell(script)) == "exit code 2: Error: bad thing happened"


def test_a_signal_is_named():
    assert failure(run=shell("kill -KILL $$")) == "killed by SIGKILL"
    assert failure(run=shell("echo ouch >&2; kill -SEGV $$")) == "killed by SIGSEGV: ouch"
    assert failure(run=shell("kill -40 $$")) == "killed by signal 40"


@pytest.mark.parametrize(
    ("script", "code"), [("exit 3", 3), ("exit 255", 255), ("kill -KILL $$", -9)]
)
def test_a_failure_has_the_exit_code_that_is_minus_the_signal_where_one_killed_it(script, code):
    context = context_of(run=shell(script))
    with pytest.raises(StepFailed) as caught:
        command(context, {})
    assert caught.value.exit_code == context.exit_code == code


def test_what_was_not_started_has_no_exit_code():
    context = context_of(run=["no-such-program"])
    with pytest.raises(StepFailed) as caught:
        command(context, {})
    assert caught.value.exit_code is context.exit_code is None


def test_a_completed_and_a_stopped_program_have_an_exit_code_too():
    context = context_of(run=["true"])
    command(context, {})
    assert context.exit_code == 0
    context = context_of(run=shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done"))
    running = Running(context)
    context.await_line("ready")
    context.stop()
    assert isinstance(running.end(), Stopped)
    assert context.exit_code == 7


def test_a_program_that_is_not_there_is_one_clear_line():
    assert (
        failure(run=["no-such-program", "x"])
        == "the program 'no-such-program' was not found (or the interpreter that it names)"
    )


def test_a_program_that_may_not_be_run_is_one_clear_line(tmp_path):
    (tmp_path / "notes").write_text("x")
    assert (
        failure(run=["./notes"], cwd=str(tmp_path))
        == "the program './notes' can't be run: Permission denied"
    )
    assert (
        failure(run=["{program}"], params={"program": ""})
        == "the program '' can't be run: Permission denied"
    )


def test_a_file_that_is_no_program_is_one_clear_line(tmp_path):
    (tmp_path / "notes").write_text("x")
    (tmp_path / "notes").chmod(0o755)
    assert (
        failure(run=["./notes"], cwd=str(tmp_path))
        == "the program './notes' can't be run: Exec format error"
    )


def test_a_bad_folder_is_one_clear_line(tmp_path):
    assert (
        failure(run=["true"], cwd=str(tmp_path / "none")) == f"cwd: {tmp_path}/none is not a folder"
    )


def test_what_is_no_text_is_one_clear_line():
    assert "not text that a program can be given" in failure(
        run=["echo", "{a}"], params={"a": "\ud800"}
    )
    assert "NUL" in failure(run=["echo", "{a}"], params={"a": "\x00"})
    assert "not text that a program can be given" in failure(run=["true"], params={"a": "\x00"})


def no_descriptors(*_):
    raise OSError(errno.ENOSYS, "not on this kernel")


@pytest.fixture(params=["with", "without", "unwatched"])
def pidfds(request, monkeypatch):
    """Whether the kernel has descriptors of processes that can be waited for together with pipes;
    "unwatched": none that can.
    """
    if request.param == "without":
        monkeypatch.setattr(os, "pidfd_open", no_descriptors)
    elif request.param == "unwatched":
        monkeypatch.setattr(pipes.OutputReader, "watch", no_descriptors)


def test_it_leaves_no_open_file_behind(pidfds):
    run(run=["true"])
    before = os.listdir("/proc/self/fd")
    run(run=["echo", "x"])
    failure(run=["no-such-program"])
    stopped = context_of(run=["sleep", "600"], attempt=2)
    stopped.stop()
    with pytest.raises(Stopped):
        command(stopped, {})
    assert os.listdir("/proc/self/fd") == before


def test_the_end_of_a_program_is_noticed_at_once(pidfds, monkeypatch):
    """Also where it has closed its output, or somebody else still has it."""
    monkeypatch.setattr(process, "REAP", PATIENCE)
    for script in (
        "exit 3",
        "exec >&- 2>&-; sleep 0.1; exit 3",
        "setsid sleep 0.5 & sleep 0.1; exit 3",
    ):
        started = time.monotonic()
        assert failure(run=shell(script)) == "exit code 3"
        assert time.monotonic() - started < PATIENCE / 2


def test_no_thread_is_needed_to_notice_the_end_of_a_program(monkeypatch):
    """Starting one takes longer than all else that is done for a short program."""
    monkeypatch.setattr(threading, "Thread", None)
    assert run(run=shell("echo x"))[1] == [("info", "x")]


# Stopping

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) == 1:
    subprocess.Popen([sys.executable, "-c", sys.orig_argv[2], "grandchild"])
print("grandchild" if sys.argv[1:] else "child", os.getpid(), flush=True)
time.sleep(600)
"""

TIDY = """
import signal, sys
def tidy_up(number, frame):
    print("tidying up")
    sys.stdout.write("done")
    sys.exit(0)
signal.signal(signal.SIGTERM, tidy_up)
print("ready", flush=True)
signal.pause()
"""


def test_stop_ends_the_whole_group_even_who_ignores_sigterm():
    context = context_of(run=python(STUBBORN), cancel_grace=0.3)
    running = Running(context)
    pids = [int(context.await_line("child ")), int(context.await_line("grandchild "))]
    context.stop()
    assert isinstance(running.end(), Stopped)
    assert not any(map(is_running, pids))


def test_stop_ends_a_grandchild_that_outlives_its_parent():
    script = (
        "trap 'exit 0' TERM; (trap '' TERM; sh -c 'echo pid $$; exec sleep 600'); echo not reached"
    )
    context = context_of(run=shell(f"({script}) & wait"), cancel_grace=0.3)
    running = Running(context)
    pid = int(context.await_line("pid "))
    context.stop()
    assert isinstance(running.end(), Stopped)
    assert not is_running(pid)


def test_what_a_stopped_program_still_writes_is_kept():
    context = context_of(run=python(TIDY))
    running = Running(context)
    context.await_line("ready")
    context.stop()
    assert isinstance(running.end(), Stopped)
    assert context.messages() == ["ready", "tidying up", "done"]


TAKES_A_WHILE = TIDY.replace('    print("tidying up")', "    time.sleep(0.5)").replace(
    "import signal, sys", "import signal, sys, time"
)
NEVER_ENDS = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True))
print("ready", flush=True)
while True: time.sleep(60)
"""


def test_who_tidies_up_within_the_grace_is_not_killed(monkeypatch):
    """The grace is the step's, not the one after an end of its own."""
    monkeypatch.setattr(process, "GRACE", 0.1)
    context = context_of(run=python(TAKES_A_WHILE), cancel_grace=PATIENCE)
    running = Running(context)
    context.await_line("ready")
    started = time.monotonic()
    context.stop()
    assert isinstance(running.end(), Stopped)
    assert context.messages() == ["ready", "done"]
    assert context.exit_code == 0
    assert 0.5 <= time.monotonic() - started < PATIENCE / 2


def seconds_to_end(context, reason="cancelled"):
    """Stop NEVER_ENDS and return how long that took."""
    running = Running(context)
    context.await_line("ready")
    started = time.monotonic()
    context.stop(reason)
    assert isinstance(running.end(), Stopped)
    return time.monotonic() - started


@pytest.mark.parametrize("wrapper", [[], ["setsid", "--wait"]])
def test_who_ignores_sigterm_is_killed_after_the_grace_and_not_before(wrapper):
    context = context_of(run=[*wrapper, *python(NEVER_ENDS)], cancel_grace=0.7)
    assert 0.7 <= seconds_to_end(context) < 0.7 + MARGIN
    assert context.messages() == ["ready", "asked"]


def test_without_a_grace_nobody_is_asked_and_all_are_killed_at_once():
    context = context_of(run=python(NEVER_ENDS), cancel_grace=0)
    assert seconds_to_end(context) < MARGIN
    assert context.messages() == ["ready"]
    assert context.exit_code == -signal.SIGKILL
    assert context.stopped == [(1, [])]


def test_when_the_worker_ends_the_grace_is_short():
    context = context_of(run=python(NEVER_ENDS), cancel_grace=600)
    assert seconds_to_end(context, "shutdown") < SHUTDOWN_GRACE + MARGIN


def test_a_shutdown_shortens_a_grace_that_has_begun():
    context = context_of(run=python(NEVER_ENDS), cancel_grace=600)
    running = Running(context)
    context.await_line("ready")
    context.stop()
    context.await_line("asked")
    context.stop_reason = "shutdown"
    started = time.monotonic()
    assert isinstance(running.end(), Stopped)
    assert time.monotonic() - started < SHUTDOWN_GRACE + MARGIN


def test_what_an_ended_program_left_running_is_asked_whatever_the_grace(monkeypatch):
    monkeypatch.setattr(process, "LINGER", 0.2)
    script = "(trap 'echo tidied; exit' TERM; echo ready; while :; do sleep 0.02; done) & sleep 0.1"
    context = context_of(run=shell(script), cancel_grace=0)
    command(context, {})
    assert "tidied" in context.messages()
    assert context.stopped == []  # it was not stopped


def test_a_stop_meanwhile_counts_only_what_it_has_ended_itself(monkeypatch):
    monkeypatch.setattr(process, "LINGER", 0.1)
    monkeypatch.setattr(process, "GRACE", PATIENCE)
    script = 'sleep 600 & echo pid $!; "$0" -c "$1" & sleep 0.3'
    context = context_of(run=shell(script, sys.executable, NEVER_ENDS), cancel_grace=0.2)
    running = Running(context)
    context.await_line("asked")
    await_end(int(context.await_line("pid ")))
    context.stop()
    assert isinstance(running.end(), Stopped)
    assert context.stopped == [(1, [])]


def test_what_could_not_be_ended_is_named_and_not_counted(monkeypatch):
    monkeypatch.setattr(process, "KILLED", 0.2)
    monkeypatch.setattr(process, "LINGER", 0.2)
    send, spared = processes.send, []

    def send_to_others(number, pids):
        send(number, [pid for pid in pids if pid not in spared])

    monkeypatch.setattr(processes, "send", send_to_others)
    monkeypatch.setattr(processes.Groups, "kill", lambda groups: None)
    context = context_of(run=shell("sleep 600 & echo pid $!; wait"), cancel_grace=0.1)
    running = Running(context)
    spared.append(int(context.await_line("pid ")))
    context.stop()
    assert isinstance(running.end(), Stopped)
    assert context.stopped == [(1, [{"pid": spared[0], "command": "sleep 600"}])]
    assert context.lines[-1] == (
        "error",
        f"these processes could not be ended: {spared[0]} (sleep 600)",
    )


@pytest.mark.parametrize("reason", ["cancelled", "late", "stalled", "shutdown"])
def test_a_stop_for_whatever_reason_is_reported(reason):
    context = context_of(run=shell("echo ready; exec sleep 600"))
    running = Running(context)
    context.await_line("ready")
    context.stop(reason)
    assert isinstance(running.end(), Stopped)
    assert context.stopped == [(1, [])]


def test_what_ends_by_itself_reports_no_stop():
    context = context_of(run=shell("sleep 0.1 & exit 3"))
    with pytest.raises(StepFailed):
        command(context, {})
    assert context.stopped == []


def test_a_stop_while_lines_can_not_be_taken_is_reported():
    context = context_of(run=shell("echo x; exec sleep 600"), cancel_grace=0)

    def refuse(message):
        context.stop()
        raise RuntimeError("the log is full")

    context.on_log = refuse
    with pytest.raises(RuntimeError, match="the log is full"):
        command(context, {})
    assert context.stopped == [(1, [])]


def test_a_silent_program_with_closed_output_can_be_stopped(tmp_path):
    script = (
        'exec >&- 2>&-; echo $$ >"$PARAM_FILE.new"; mv "$PARAM_FILE.new" "$PARAM_FILE"; '
        "exec sleep 600"
    )
    context = context_of({"file": str(tmp_path / "pid")}, run=shell(script))
    running = Running(context)
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "pid").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    context.stop()
    assert isinstance(running.end(), Stopped)
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_work_that_is_stopped_already_starts_nothing(tmp_path):
    context = context_of(run=["touch", "started"], cwd=str(tmp_path))
    context.stop()
    with pytest.raises(Stopped):
        command(context, {})
    assert list(tmp_path.iterdir()) == []


def test_a_stop_after_the_end_does_nothing():
    context = context_of(run=["true"])
    command(context, {})
    context.stop()


def test_when_lines_can_not_be_taken_the_group_ends_too():
    pids = []

    def refuse(message):
        pids.append(int(message))
        raise RuntimeError("the log is full")

    context = context_of(run=shell("echo $$; exec sleep 600"))
    context.on_log = refuse
    with pytest.raises(RuntimeError, match="the log is full"):
        command(context, {})
    assert not is_running(pids[0])


def test_a_background_process_that_keeps_the_output_open_is_ended(monkeypatch):
    monkeypatch.setattr(process, "LINGER", 0.2)
    result, lines = run(run=shell("sleep 600 & echo pid $!"))
    assert result["exit_code"] == 0
    assert not is_running(int(lines[0][1].split()[1]))
    pid = lines[0][1].split()[1]
    assert lines[1] == (
        "warning",
        f"the program has ended, what it left running was ended too: {pid} (sleep 600)",
    )


def test_a_background_process_that_gave_up_the_output_is_ended_too(monkeypatch):
    monkeypatch.setattr(process, "LINGER", 0.2)
    _, lines = run(run=shell("sleep 600 >/dev/null 2>&1 & echo pid $!"))
    assert not is_running(int(lines[0][1].split()[1]))


def test_what_a_background_process_writes_soon_after_the_end_is_kept(monkeypatch):
    monkeypatch.setattr(process, "LINGER", PATIENCE)
    _, lines = run(run=shell("(sleep 0.2; echo late) & echo early"))
    assert lines == [("info", "early"), ("info", "late")]


DAEMON = """
import os, sys, time
heard, told = os.pipe()
if os.fork():
    os.read(heard, 1)
    os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
print(f"pid {os.getpid()}", flush=True)
os.write(told, b"!")
time.sleep(600)
"""
IGNORING = (
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print(f'pid {os.getpid()}', flush=True); time.sleep(600)"
)
IGNORING_DAEMON = DAEMON.replace("import os, sys, time", "import os, signal, sys, time").replace(
    "os.setsid()", "os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN)"
)
CHAIN = """
import os, signal, time
print(f"pid {os.getpid()}", flush=True)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = time.monotonic() + 30
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    time.sleep(0.002)
"""
CHAIN_OF_SESSIONS = CHAIN.replace("    time.sleep(0.002)", "    os.setsid()").replace(
    "+ 30", "+ 10"
)
FIRST_THREAD_ENDS = """
import ctypes, os, signal, threading, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
threading.Thread(target=lambda: time.sleep(600)).start()
print(f"pid {os.getpid()}", flush=True)
ctypes.CDLL(None).syscall(60, 0)
"""
ODD_NAME = """
import ctypes, os, time
libc = ctypes.CDLL(None)
libc.prctl(15, b"\\xff\\xfe", 0, 0, 0)
first, last = map(int, open("/proc/self/stat", "rb").read().rpartition(b")")[2].split()[45:47])
ctypes.memset(first, 0, last - first)
print(f"pid {os.getpid()}", flush=True)
time.sleep(600)
"""
ESCAPES = {
    "timeout": ["timeout", "600", "sh", "-c", "echo pid $$; sleep 600; true"],
    "timeout that kills": [
        "timeout",
        "-k",
        "1",
        "600",
        "sh",
        "-c",
        "trap '' TERM; echo pid $$; sleep 600; true",
    ],
    "setsid": ["setsid", "--wait", "sh", "-c", "echo pid $$; sleep 600; true"],
    "job control": ["bash", "-c", "set -m; (echo pid $BASHPID; sleep 600; true) & wait"],
    "nohup": ["sh", "-c", "nohup sh -c 'echo pid $$; sleep 600; true' & wait"],
    "daemon": ["sh", "-c", '"$0" -c "$1"; sleep 600', sys.executable, DAEMON],
    "daemon without its environment": [
        "sh",
        "-c",
        'env -i "$0" -c "$1"; sleep 600',
        sys.executable,
        DAEMON,
    ],
    "ignores SIGTERM": [sys.executable, "-c", IGNORING],
    "session that ignores SIGTERM": ["setsid", "--wait", sys.executable, "-c", IGNORING],
    "chain of forks": [sys.executable, "-c", CHAIN],
    "chain of forks in a session": ["setsid", "--wait", sys.executable, "-c", CHAIN],
    "chain of forks, each in a session": [sys.executable, "-c", CHAIN_OF_SESSIONS],
    "goes on without its first thread": [sys.executable, "-c", FIRST_THREAD_ENDS],
}


def marked():
    return processes.marked(
        processes.ATTEMPT_MARK, *(f"job-{os.getpid()}/1/{attempt}" for attempt in range(1, 4))
    )


@pytest.fixture(autouse=True)
def nothing_left():
    """Whatever a test did: no process of its commands is left, looked up in the process table
    by their mark.
    """
    yield
    assert not processes.kill_all(marked)


@pytest.mark.parametrize("argv", ESCAPES.values(), ids=ESCAPES)
def test_stop_ends_the_whole_tree_whatever_groups_and_sessions_it_makes(argv):
    context = context_of(run=[argv[0], *map(doubled, argv[1:])], cancel_grace=0.3)
    before = set(processes.living())
    running = Running(context)
    pid = int(context.await_line("pid "))
    context.stop()
    assert isinstance(running.end(), Stopped)
    [(number, left)] = context.stopped
    assert number >= 1
    assert left == []
    assert not is_running(pid)
    assert not marked()
    own = processes.tree([os.getpid()], processes.living())
    assert own.keys() <= before


# name: (what is run, the names of the processes that it is made of once all have started)
TREES = {
    "one": (["sleep", "600"], "sleep"),
    "one that closes its output": (["sh", "-c", "exec >&- 2>&-; exec sleep 600"], "sleep"),
    "a group": (["sh", "-c", "sleep 600 & sleep 600 & wait"], "sh sleep sleep"),
    "groups": (["bash", "-c", "set -m; sleep 600 & sleep 600 & wait"], "bash sleep sleep"),
    "a session": (["setsid", "--wait", "sh", "-c", "sleep 600 & wait"], "setsid sh sleep"),
    "sessions in each other": (
        ["setsid", "--wait", "setsid", "--wait", "sleep", "600"],
        "setsid setsid sleep",
    ),
    "a daemon": (
        ["sh", "-c", '"$0" -c "$1"; exec sleep 600', sys.executable, DAEMON],
        "python sleep",
    ),
    "a daemon that ignores SIGTERM": (
        ["sh", "-c", '"$0" -c "$1"; exec sleep 600', sys.executable, IGNORING_DAEMON],
        "python sleep",
    ),
    "some that ignore SIGTERM": ([sys.executable, "-c", STUBBORN], "python python"),
    "an orphan": (["sh", "-c", "(sleep 600 &); exec sleep 600"], "sleep sleep"),
}


def own_tree():
    return processes.tree([os.getpid()], processes.living()).keys()


def names_of(pids):
    """Return the names of the programs that processes run, sorted."""
    names = []
    for pid in pids:
        with suppress(OSError):  # gone meanwhile
            names.append(Path(f"/proc/{pid}/comm").read_text().strip())
    return sorted(names)


@pytest.mark.parametrize("grace", [0, 0.3])
@pytest.mark.parametrize(("argv", "names"), TREES.values(), ids=TREES)
def test_each_process_that_a_stop_has_ended_is_counted_once(argv, names, grace):
    before = own_tree()
    context = context_of(run=[argv[0], *map(doubled, argv[1:])], cancel_grace=grace)
    running = Running(context)
    wait_for(lambda: names_of(own_tree() - before) == sorted(names.split()), PATIENCE, names)
    pids = own_tree() - before
    context.stop()
    assert isinstance(running.end(), Stopped)
    assert context.stopped == [(len(names.split()), [])]
    assert not any(map(is_running, pids))


LEAVING = {
    "in its group": ["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo pid $!"],
    "with the output": ["sh", "-c", "sleep 600 & echo pid $!"],
    "in a session": ["sh", "-c", "setsid sh -c 'echo pid $$; exec sleep 600' & sleep 0.3"],
    "by job control": ["bash", "-c", "set -m; sleep 600 >/dev/null & echo pid $!"],
    "as a daemon": [sys.executable, "-c", DAEMON],
    "as a daemon without its environment": ["env", "-i", sys.executable, "-c", DAEMON],
    "with another's mark": [
        "sh",
        "-c",
        (
            f"{processes.ATTEMPT_MARK}=other/1/1 setsid sh -c 'echo pid $$; exec sleep 600' & "
            "sleep 0.3"
        ),
    ],
    "under a name that is no text": [
        "sh",
        "-c",
        '"$0" -c "$1" & sleep 0.5',
        sys.executable,
        ODD_NAME,
    ],
}


@pytest.mark.parametrize("argv", LEAVING.values(), ids=LEAVING)
def test_what_a_completed_program_leaves_running_is_ended_and_named(argv, monkeypatch):
    monkeypatch.setattr(process, "LINGER", 0.2)
    context = context_of(run=[argv[0], *map(doubled, argv[1:])])
    assert command(context, {})["exit_code"] == 0
    pid = int(context.await_line("pid "))
    assert not is_running(pid)
    level, warning = context.lines[-1]
    assert level == "warning"
    assert warning.startswith("the program has ended, what it left running was ended too: ")
    assert f"{pid} (" in warning


@pytest.mark.parametrize("argv", LEAVING.values(), ids=LEAVING)
def test_what_may_be_left_running_goes_on_and_is_not_waited_for(argv, monkeypatch):
    monkeypatch.setattr(process, "LINGER", PATIENCE)
    context = context_of(run=[argv[0], *map(doubled, argv[1:])], leave_running=True)
    assert command(context, {})["seconds"] < PATIENCE
    pid = int(context.await_line("pid "))
    try:
        assert is_running(pid)
        assert context.messages() == [f"pid {pid}"]
        _, lines = run(run=shell("echo another command"))
        assert lines == [("info", "another command")]
        assert is_running(pid)
        assert os.getsid(pid) != os.getsid(0)
    finally:
        os.kill(pid, signal.SIGKILL)
    await_end(pid)


def test_what_a_failed_program_leaves_running_ends_although_it_may_leave_something(monkeypatch):
    """It may be tried again, and begins alone then."""
    monkeypatch.setattr(process, "LINGER", 0.2)
    context = context_of(
        run=shell("setsid sleep 600 >/dev/null 2>&1 & echo pid $!; exit 3"), leave_running=True
    )
    with pytest.raises(StepFailed, match="exit code 3"):
        command(context, {})
    assert not is_running(int(context.await_line("pid ")))


def test_a_command_of_several_lines_is_named_on_one(monkeypatch):
    monkeypatch.setattr(process, "LINGER", 0.2)
    _, lines = run(run=["sh", "-c", "sh -c 'sleep 600\ntrue' >/dev/null & echo pid $!"])
    assert "(sh -c sleep 600 true)" in lines[-1][1]
    assert "\n" not in lines[-1][1]


def test_what_forks_and_ends_between_a_look_and_its_being_reaped_does_not_hide_its_child(
    monkeypatch, tmp_path
):
    """A process is listed while it lives, forks, ends, and is reaped: its child is in no list
    yet.
    """
    monkeypatch.setattr(process, "LINGER", 0.2)
    reap, gate = processes.reap, tmp_path / "go"
    is_gone, before, wrong = process.Program._is_gone, processes.children(), []

    def reap_late(pids):
        if pids and not gate.exists():
            gate.touch()
            for pid in pids:
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return reap(pids)

    def is_gone_for_certain(program):
        """The program's looks come in pairs: what the first misses the second would hide."""
        answer = is_gone(program)
        wrong.extend(processes.children() - before if answer else ())
        return answer

    monkeypatch.setattr(processes, "reap", reap_late)
    monkeypatch.setattr(process.Program, "_is_gone", is_gone_for_certain)
    script = (
        '(until [ -e "$PARAM_GATE" ]; do sleep 0.02; done; '
        "sleep 600 >/dev/null 2>&1 & echo pid $!) & true"
    )
    context = context_of({"gate": str(gate)}, run=shell(script))
    command(context, {})
    pid = context.await_line("pid ")
    assert gate.exists() and not is_running(int(pid))
    assert not wrong
    assert context.lines[-1] == (
        "warning",
        f"the program has ended, what it left running was ended too: {pid} (sleep 600)",
    )


def test_looking_whether_something_is_left_does_not_look_at_all_processes(monkeypatch):
    """Which takes longer than most short programs do, whether this process has other children
    or not.
    """
    looks = []
    monkeypatch.setattr(processes, "table", lambda: looks.append(1))
    run(run=["true"])
    helper = subprocess.Popen(["sleep", "600"])
    try:
        run(run=["true"])
        assert helper.poll() is None
    finally:
        helper.kill()
        helper.wait()
    assert not looks


def test_orphans_that_end_while_the_program_goes_on_are_reaped(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "REAP", 0.1)
    before = processes.table()
    context = context_of(
        {"gate": str(tmp_path)},
        run=shell(
            'for i in 1 2 3 4 5; do (sleep 0 &); done; echo; until [ -e "$PARAM_GATE/go" ]; '
            "do sleep 0.05; done"
        ),
    )
    running = Running(context)
    context.await_line("")
    deadline = time.monotonic() + PATIENCE
    while any(
        process.is_dead and process.parent == os.getpid()
        for pid, process in processes.table().items()
        if pid not in before
    ):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (tmp_path / "go").touch()
    assert running.end()["exit_code"] == 0


COUNTS = """
import signal, time
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
print("pid 0", flush=True)
while not asked: time.sleep(0.01)
time.sleep(0.4)
print("asked", len(asked))
"""
TIDIES = (
    "trap 'sh -c \"sleep 0.4; echo tidied\"; exit' TERM; echo pid 0; while :; do sleep 0.05; done"
)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (python(COUNTS), "asked 1"),
        (["setsid", "--wait", *python(COUNTS)], "asked 1"),
        (shell(TIDIES), "tidied"),
    ],
)
def test_a_program_is_asked_once_and_what_it_starts_then_is_let_be_for_the_grace(argv, said):
    context = context_of(run=argv)
    running = Running(context)
    context.await_line("pid 0")
    context.stop()
    assert isinstance(running.end(), Stopped)
    assert said in context.messages()


def test_an_earlier_attempt_that_another_worker_has_asked_to_end_is_not_asked_again():
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, lambda *_: print('asked')); "
        "print('ready', flush=True); time.sleep(0.5)"
    )
    mark = {processes.ATTEMPT_MARK: f"job-{os.getpid()}/1/1"}
    earlier = subprocess.Popen([sys.executable, "-c", script], env=mark, stdout=subprocess.PIPE)
    try:
        assert earlier.stdout.readline() == b"ready\n"
        command(context_of(run=["true"], attempt=2), {})
        assert not is_running(earlier.pid)
        assert earlier.stdout.read() == b""
    finally:
        earlier.kill()
        earlier.wait()
        earlier.stdout.close()


def test_where_processes_are_not_told_of_the_group_is_ended(monkeypatch):
    """As on systems without /proc."""
    monkeypatch.setattr(processes, "is_known", lambda: False)
    monkeypatch.setattr(processes, "table", dict)
    monkeypatch.setattr(processes, "children", set)
    monkeypatch.setattr(process, "LINGER", 0.2)
    context = context_of(
        run=shell("(trap '' TERM; exec sleep 600) & echo pid $!; wait"), cancel_grace=0.3
    )
    running = Running(context)
    pid = int(context.await_line("pid "))
    context.stop()
    assert isinstance(running.end(), Stopped)
    assert not is_running(pid)


def test_what_a_stopped_program_may_leave_running_ends_all_the_same():
    context = context_of(
        run=shell("setsid sleep 600 & echo pid $!; wait"), leave_running=True, cancel_grace=0.3
    )
    running = Running(context)
    pid = int(context.await_line("pid "))
    context.stop()
    assert isinstance(running.end(), Stopped)
    assert not is_running(pid)


def test_an_attempt_begins_when_nothing_of_the_earlier_ones_runs():
    """Another worker may still be stopping the last one."""
    mark = {processes.ATTEMPT_MARK: f"job-{os.getpid()}/1/1"}
    earlier = subprocess.Popen(
        [sys.executable, "-c", IGNORING], env=mark, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        pid = int(earlier.stdout.readline().split()[1])
        context = context_of(run=shell(f"kill -0 {pid} || echo gone"), attempt=2, cancel_grace=0.3)
        threading.Thread(target=earlier.wait, daemon=True).start()
        command(context, {})
        assert "gone" in context.messages()
    finally:
        earlier.kill()
        earlier.stdout.close()


@pytest.fixture
def earlier():
    """A process of an earlier attempt that ignores SIGTERM."""
    mark = {processes.ATTEMPT_MARK: f"job-{os.getpid()}/1/1"}
    process = subprocess.Popen([sys.executable, "-c", IGNORING], env=mark, stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_an_earlier_attempt_has_the_whole_grace_before_it_is_killed(earlier):
    started = time.monotonic()
    command(context_of(run=["true"], attempt=2, cancel_grace=0.7), {})
    assert 0.7 <= time.monotonic() - started < 0.7 + MARGIN
    assert earlier.wait() == -signal.SIGKILL


def test_who_waits_for_an_earlier_attempt_can_be_stopped(earlier):
    context = context_of(run=["true"], attempt=2, cancel_grace=600)
    running = Running(context)
    wait_for(lambda: context.checks > 1, PATIENCE)
    context.stop()
    assert isinstance(running.end(), Stopped)
    assert earlier.poll() is None


def test_processes_of_another_job_with_the_same_numbers_are_left_alone():
    other = subprocess.Popen(["sleep", "600"], env={processes.ATTEMPT_MARK: "another-job/1/1"})
    try:
        run_attempt = context_of(run=["true"], attempt=2)
        command(run_attempt, {})
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_an_orphan_that_has_ended_is_reaped_and_not_waited_for(monkeypatch):
    monkeypatch.setattr(process, "LINGER", PATIENCE)
    result, lines = run(run=shell("sleep 0.2 & echo $!"))
    assert len(lines) == 1
    assert result["seconds"] < PATIENCE
    assert not Path(f"/proc/{lines[0][1]}").exists()


def test_children_of_this_process_from_before_are_left_alone():
    mine = subprocess.Popen(["sleep", "600"])
    try:
        run(run=shell("sleep 600 & true"))
        assert mine.poll() is None
    finally:
        mine.kill()
        mine.wait()


# Children


def test_without_items_there_is_one_child():
    assert units(run=["true"]) == ([("build", {})], [])


def test_each_item_of_a_list_is_a_child():
    found, _ = units(run=["echo", "{item}"], for_each=["a", 5, 0.5, "", "{x}", "two\nlines"])
    assert [unit["item"] for _, unit in found] == ["a", "5", "0.5", "", "{x}", "two\nlines"]
    assert [name for name, _ in found] == ["a", "5", "0.5", "(empty)", "{x}", "two lines"]
    assert units(run=["true"], for_each=[]) == ([], [])


@pytest.fixture
def tree(tmp_path):
    for name in (
        "b.py",
        "a.py",
        "notes.md",
        ".hidden.py",
        "src/c.py",
        "src/deep/d.py",
        "src/.git/e.py",
        "src/deep/[x].py",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "src" / "round").symlink_to(tmp_path)
    (tmp_path / "broken.py").symlink_to("nowhere")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("*.py", ["a.py", "b.py", "broken.py"]),
        ("[!b]*.py", ["a.py"]),
        ("?.py", ["a.py", "b.py"]),
        (".*.py", [".hidden.py"]),
        ("**/*.py", ["a.py", "b.py", "broken.py", "src/c.py", "src/deep/[x].py", "src/deep/d.py"]),
        ("src/**/**/d.py", ["src/deep/d.py"]),
        ("src/deep/**", ["src/deep/[x].py", "src/deep/d.py"]),
        ("src/*/d.py", ["src/deep/d.py"]),
        ("src/round/*.md", ["src/round/notes.md"]),
        ("*/", ["src/"]),
        ("**/", ["src/", "src/deep/"]),
        ("notes.md", ["notes.md"]),
        ("./src//c.py", ["./src/c.py"]),
        ("src/deep/../c.py", ["src/deep/../c.py"]),
    ],
)
def test_each_match_of_a_glob_is_a_child_sorted(tree, pattern, paths):
    found, lines = units(run=["true"], for_each=pattern, cwd="{top}", params={"top": str(tree)})
    assert found == [(path, {"path": path}) for path in paths]
    assert lines == []


def test_an_absolute_glob_gives_absolute_paths(tree):
    found, _ = units(run=["true"], for_each=f"{tree}/*.md")
    assert [name for name, _ in found] == [f"{tree}/notes.md"]


@pytest.mark.parametrize("pattern", ["*.rs", "none/*", "notes.md/*", "src/none.py"])
def test_a_glob_that_matches_nothing_gives_no_children_and_a_warning(tree, pattern):
    assert units(run=["true"], for_each=pattern, cwd=str(tree)) == (
        [],
        [("warning", f"nothing matches {pattern} in {tree}")],
    )


def test_a_glob_in_a_folder_that_is_not_there_fails(tmp_path):
    with pytest.raises(StepFailed, match="is not a folder"):
        units(run=["true"], for_each="*", cwd=str(tmp_path / "none"))


def test_looking_for_files_can_be_stopped(tree):
    context = context_of(run=["true"], for_each="**/*", cwd=str(tree))
    context.stop()
    with pytest.raises(Stopped):
        list(command.planner(context))


def test_a_file_of_any_name_reaches_the_program(tmp_path):
    for name in (b"\xff \\x41.txt", b"two\nlines.txt", b"--all.txt"):
        (tmp_path / os.fsdecode(name)).touch()
    show = python(
        "import os, sys; print(os.fsencode(sys.argv[2]).hex(), os.path.exists(sys.argv[2]))", "--"
    )
    context = context_of(run=[*show, "{item}"], for_each="*", cwd=str(tmp_path))
    for unit in command.planner(context):
        command(context, json.loads(json.dumps(unit.input)))
    assert context.messages() == [
        f"{name.hex()} True" for name in (b"--all.txt", b"two\nlines.txt", b"\xff \\x41.txt")
    ]


def test_the_summary_counts_runs():
    results = [
        {"exit_code": 0, "seconds": 0.1, "lines": 2},
        {"exit_code": 0, "seconds": 0.2, "lines": 3},
    ]
    assert command.summary(context_of(run=["true"]), iter(results)) == {
        "runs": 2,
        "seconds": 0.3,
        "lines": 5,
    }
    assert command.summary(context_of(run=["true"]), iter([])) == {
        "runs": 0,
        "seconds": 0.0,
        "lines": 0,
    }


def test_commands_are_not_repeated_without_being_asked():
    assert command.batch is False


# The demo


def test_the_demo_greets_and_counts(monkeypatch):
    monkeypatch.chdir(DEFINITIONS.parent)
    bound = (
        Definitions(DEFINITIONS, Registry(*BUILT_IN))
        .find("hello_commands")
        .bind({"name": "$(id); {rounds}", "rounds": 2})
    )
    lines = {}
    for one in bound.steps:
        context = context_of(
            bound.params,
            **{key: value for key, value in one["options"].items() if value not in (None, "")},
        )
        for unit in command.planner(context):
            command(context, unit.input)
        lines[one["name"]] = context.messages()
    assert lines["greet"] == ["Hello, $(id); {rounds}!"]
    assert lines["goodbye"] == ["Goodbye, $(id); {rounds}. {Braces} are written twice."]
    assert [line for line in lines["count"] if line[0].isdigit()] == [
        f"{number} {thing} for $(id); {{rounds}}"
        for thing in ("apples", "pears", "plums")
        for number in (1, 2)
    ]
