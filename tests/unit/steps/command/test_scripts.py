"""Placeholders in scripts: which arguments of a command line are taken for a script, whatever
stands before them.
"""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from jobsync.steps.command.arguments import check_scripts
from jobsync.steps.command.shells import INTERPRETERS, SHELLS
from jobsync.steps.command.step import MOST_ARGUMENTS, CommandOptions

WRAPPERS = [
    [], ["env"], ["env", "-i", "A=b"], ["sudo", "-u", "somebody"], ["nice", "-n", "5"],
    ["timeout", "-k", "1", "5"], ["xargs", "-n1"], ["setpriv", "--reuid", "1000"],
    ["setarch", "-R"], ["strace", "-f", "-o", "/tmp/trace"], ["prlimit", "--cpu=5"],
    ["taskset", "1"], ["nsenter", "-t", "1", "-m"], ["choom", "-n", "5", "--"],
    ["docker", "exec", "-it", "box"], ["kubectl", "exec", "pod", "--"], ["sshpass", "-e"],
    ["busybox"], ["chroot", "/mnt"], ["systemd-run", "--user", "--"], ["find", ".", "-exec"],
    ["/opt/some/wrapper", "--very", "odd"],
]  # fmt: skip
CALLS = [
    ["sh", "-c"], ["sh", "+c"], ["/bin/sh", "-c"], ["bash", "-ec"], ["bash", "-lic"],
    ["bash", "-coO", "pipefail", "extglob"], ["bash", "-c", "--"], ["bash", "-c", "-o", "pipefail"],
    ["bash", "-O", "extglob", "-c"], ["/usr/local/bin/bash-5.2", "-c"],
    ["bash", "-c", "+O", "extglob"], ["zsh", "-c"], ["fish", "--command"], ["fish", "-C"],
    ["su", "-c"], ["su", "-", "somebody", "--command"], ["su", "--session-command"],
    ["runuser", "-u", "x", "-c"], ["sg", "root", "-c"], ["capsh", "--", "-c"], ["script", "-qc"],
    ["script", "-qefc"], ["flock", "/tmp/lock", "-c"], ["npx", "-c"], ["ssh", "host"],
    ["ssh", "-p", "22", "host", "--"], ["pwsh", "-Command"], ["watch", "-n1"],
    ["python3", "-c"], ["python3.11", "-Ic"], ["python", "-W", "ignore", "-c"], ["perl", "-e"],
    ["perl", "-lane"], ["perl", "-pi.bak", "-E"], ["ruby", "-ne"], ["node", "-e"],
    ["node", "-r", "esm", "-p"], ["node", "--require", "esm", "--eval"], ["deno", "eval"],
    ["php", "-r"], ["lua", "-e"], ["julia", "-E"], ["Rscript", "-e"],
    ["emacs", "--batch", "--eval"], ["awk"], ["awk", "-F", ":"], ["gawk", "-v", "x=1", "--"],
    ["gawk", "--source"], ["sed"], ["sed", "-n"], ["sed", "-i.bak", "-e"], ["sed", "-E"],
    ["sed", "--posix"], ["sed", "-i.file"],
]  # fmt: skip
FLAGS = [
    "-c",
    "+c",
    "-e",
    "-ec",
    "-qc",
    "-lc",
    "-euxc",
    "-ne",
    "--command",
    "--eval",
    "--exec",
    "--cmd",
    "--session-command",
    "--rpc-eval",
]
LONGER = ["ls {item}", "{item};", "x{item}", "{item}{item}", " {item}", "{{ {item}", "a\n{item}"]
HOW_TO = "let the script read $PARAM_ITEM from the environment"


def refused(run):
    """Return the places of a command line whose placeholders are refused; what is refused is
    refused by a definition's checks too.
    """
    found = check_scripts(run)
    for reason in found.values():
        assert reason.startswith("{item} must not be in a ") and reason.endswith(HOW_TO)
    if found:
        with pytest.raises(ValidationError):
            CommandOptions().load({"run": run, "for_each": ["a"]})
    else:
        CommandOptions().load({"run": run, "for_each": ["a"]})
    return list(found)


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(WRAPPERS), max_size=3),
    st.sampled_from(CALLS),
    st.sampled_from(["{item}", *LONGER]),
)
def test_what_a_shell_an_interpreter_or_ssh_is_given_to_run_holds_no_placeholder(
    wrappers, call, script
):
    run = [*sum(wrappers, []), *call, script]
    assert refused(run) == [len(run) - 1]


@given(
    st.lists(st.sampled_from(WRAPPERS), max_size=2), st.sampled_from(FLAGS), st.sampled_from(LONGER)
)
def test_after_a_flag_for_scripts_no_program_gets_a_longer_text_with_a_placeholder(
    wrappers, flag, text
):
    run = [*sum(wrappers, []), "some-program", "first", flag, text]
    assert refused(run) == [len(run) - 1]
    assert refused([*run[:-1], "--", text]) == [len(run)]


@given(st.lists(st.sampled_from(WRAPPERS), max_size=2), st.sampled_from(FLAGS))
def test_after_such_a_flag_a_placeholder_alone_is_fine_for_what_is_no_shell(wrappers, flag):
    assert refused([*sum(wrappers, []), "some-program", flag, "{item}"]) == []


@pytest.mark.parametrize("text", LONGER)
@pytest.mark.parametrize("flag", [flag for flag in FLAGS if flag.startswith("--")])
def test_a_flag_in_one_piece_with_its_script_is_no_way_around(flag, text):
    assert refused(["some-program", f"{flag}={text}"]) == [1]
    assert refused(["some-program", f"{flag}={{item}}"]) == []


@pytest.mark.parametrize(
    "run",
    [
        ["su", "-cls {item}"], ["su", "-c{item}"], ["some-program", "-cls {item}"],
        ["some-program", "-els;{item}"], ["perl", "-eprint {item}"], ["python3", "-cprint({item})"],
        ["fish", "--command={item}"], ["node", "--eval={item}"], ["gawk", "--source={item}"],
        ["git", "-c", "alias.x=!ls {item}", "x"], ["rsync", "-e", "ssh -p {item}", "a", "b:"],
        ["tmux", "new-session", "ls {item}"],
    ],
)  # fmt: skip
def test_neither_is_the_flag_itself(run):
    assert len(refused(run)) == 1


@pytest.mark.parametrize(
    "run",
    [
        ["gcc", "-c", "{item}"], ["gcc", "-c", "{item}", "-o", "out/{item}"],
        ["grep", "-e", "{item}", "file"], ["wc", "-c", "{item}"],
        ["tar", "-czf", "/tmp/{item}.tgz", "--", "{item}"],
        ["tar", "-cf", "/tmp/{item}.tgz", "{item}"], ["find", ".", "-name", "*{item}*"],
        ["find", "{item}", "-exec", "wc", "-l", "{{}}", ";"],
        ["convert", "-resize", "50%", "{item}", "small-{item}"],
        ["java", "-cp", "lib/{item}", "Main"], ["python", "tool.py", "-c", "{item}"],
        ["python", "-u", "tool.py", "-c", "{item}"], ["python", "-m", "pytest", "-c", "{item}"],
        ["python", "-W", "ignore", "tool.py", "out/{item}"], ["node", "build.js", "-p", "{item}"],
        ["perl", "tool.pl", "-e", "{item}"],
        ["python", "-c", "import sys; print(sys.argv)", "{item}", "x{item}"],
        ["perl", "-e", "print @ARGV", "{item}"], ["awk", "-f", "tool.awk", "{item}"],
        ["awk", "-v", "name={item}", "{{ print name }}", "data/{item}"],
        ["sed", "-n", "s/a/b/p", "{item}.txt"], ["sed", "-i.bak", "-e", "s/a/b/", "x/{item}"],
        ["sed", "-f", "tool.sed", "{item}"], ["make", "watch", "{item}"],
        ["npm", "run", "watch", "x-{item}"], ["apt", "install", "ssh", "{item}"],
        ["grep", "-r", "awk", "{item}"], ["rsync", "-e", "ssh", "{item}", "host:{item}"],
        ["sh", "-c", 'ls "$1"', "sh", "{item}", "x{item}"], ["sh", "tool.sh", "x{item}"],
        ["ffmpeg", "-i", "{item}", "-c:v", "copy", "out-{item}"],
        ["sudo", "-E", "make", "-C", "build/{item}"],
        ["ruff", "check", "--config", "{item}/ruff.toml"], ["tool", "--compress", "x{item}"],
    ],
)  # fmt: skip
def test_what_is_no_script_may_hold_placeholders(run):
    assert refused(run) == []


def test_the_reason_says_after_which_flag_or_for_what():
    [known] = check_scripts(["sh", "-c", "{item}"]).values()
    [unknown] = check_scripts(["tool", "--eval", "x{item}"]).values()
    assert known == (
        "{item} must not be in a script for a shell or interpreter (sh), "
        f"which would read the value as script; {HOW_TO}"
    )
    assert unknown == (
        "{item} must not be in a longer text after --eval, "
        f"which may be read as a script, and the value with it; {HOW_TO}"
    )


@pytest.mark.parametrize(
    "argument", ["-c", "sh", "python", "-o", "node", "--eval", "ssh", "sed", "x"]
)
def test_very_many_arguments_are_looked_at_quickly(argument):
    started = time.monotonic()
    check_scripts([*[argument, "-c"] * (MOST_ARGUMENTS // 2), "{item}"])
    assert time.monotonic() - started < 10  # a minute or more if each looked at all that follow


@given(
    st.lists(
        st.one_of(st.sampled_from(sorted({*SHELLS, *INTERPRETERS, *FLAGS})), st.text(max_size=5)),
        min_size=1,
        max_size=8,
    )
)
def test_no_command_line_is_too_odd_to_be_looked_at(run):
    check_scripts([*(text.replace("{", "").replace("}", "") for text in run), "{item}"])
