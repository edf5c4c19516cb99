"""Finds the arguments of a command line that something reads as a script.

A value put into a script would be read as script too. A list of the programs that hand a script on
will never be whole, so the rule doesn't ask for the program: what follows a flag such as `-c`,
`-e`, `--command` or `--eval` counts as a script whoever gets it. There a placeholder may stand
alone (`gcc -c {item}`), as the whole of such an argument is rarely a script, but not in a longer
text. For known shells, interpreters and `ssh` it may not stand alone either: `Script.is_certain`.

A shell counts wherever its name stands (`env sh -c`, `find … -exec bash -c`, `docker run … sh -c`),
whatever its path and version are. So this errs on the side of finding. What it can't know are
shells under other names with a script that is nothing but a placeholder, flags that look like none
of these, and programs that hand to a shell what isn't behind a flag (`make A={name}`).
"""

import re
from typing import NamedTuple


class Script(NamedTuple):
    """What an argument is a script for: a program, or a flag where the program isn't known for
    it (then `is_certain` is False).
    """

    reader: str
    is_certain: bool


class Interpreter(NamedTuple):
    """The letters of its flags: a script follows those of `script`, something else those of
    `valued`, or in one piece with them `attached`.

    `last` end the options. `begins`: the first argument is a script too, where no flag brings one
    or names a file of one (`files`). `word`: a first argument that the script follows.
    """

    script: str
    valued: str = ""
    last: str = ""
    attached: str = ""
    begins: bool = False
    files: str = ""
    word: str = ""


SHELLS = {
    "sh",
    "bash",
    "rbash",
    "dash",
    "ash",
    "hush",
    "sash",
    "zsh",
    "rzsh",
    "ksh",
    "rksh",
    "mksh",
    "lksh",
    "pdksh",
    "oksh",
    "loksh",
    "posh",
    "yash",
    "osh",
    "ysh",
    "csh",
    "tcsh",
    "fish",
    "elvish",
    "nu",
    "xonsh",
}
# these hand what follows `-c` to a shell
CALLERS = {"su", "runuser", "sg", "script", "flock", "capsh", "npx", "scriptlive"}
# and these all of their arguments
REMOTE = {"ssh", "slogin", "rsh", "autossh", "mosh", "dbclient", "plink", "pwsh", "powershell"}
# these join theirs to a script, too
JOINERS = {"watch", "parallel", "tmux", "entr", "hyperfine", "concurrently"}
# Behind these the name of another program is a word like any: they start none. Whatever isn't named
# here may start what its arguments name.
PLAIN = {
    "grep",
    "egrep",
    "fgrep",
    "rg",
    "ag",
    "echo",
    "printf",
    "man",
    "which",
    "ls",
    "cat",
    "cp",
    "mv",
    "rm",
    "ln",
    "tar",
    "zip",
    "git",
    "gcc",
    "rsync",
    "scp",
    "apt",
    "apt-get",
    "dnf",
    "yum",
    "brew",
    "pip",
    "npm",
    "yarn",
    "pnpm",
    "cargo",
    "make",
    "systemctl",
    "service",
    "pgrep",
    "pkill",
    "killall",
}
INTERPRETERS = {
    "python": Interpreter("c", "WX", last="cm"),
    "pypy": Interpreter("c", "WX", last="cm"),
    "ipython": Interpreter("c"),
    "perl": Interpreter("eE", "I"),
    "ruby": Interpreter("e", "ICrEF"),
    "node": Interpreter("ep", "rC"),
    "nodejs": Interpreter("ep", "rC"),
    "bun": Interpreter("ep", "r"),
    "deno": Interpreter("p", word="eval"),
    "php": Interpreter("rBRE", "cdftzS"),
    "lua": Interpreter("e", "l"),
    "luajit": Interpreter("e", "l"),
    "julia": Interpreter("eE", "LpJt"),
    "Rscript": Interpreter("e"),
    "R": Interpreter("e"),
    "groovy": Interpreter("e"),
    "scala": Interpreter("e"),
    "elixir": Interpreter("e", "rpS"),
    "guile": Interpreter("c", "lLs"),
    "racket": Interpreter("e", "tlfI"),
    "ghc": Interpreter("e"),
    "ocaml": Interpreter("e", "I"),
    "osascript": Interpreter("e", "l"),
    "expect": Interpreter("c"),
    "octave": Interpreter(""),
    "emacs": Interpreter(""),
    "awk": Interpreter("e", "vFil", begins=True, files="fE"),
    "gawk": Interpreter("e", "vFil", begins=True, files="fE"),
    "mawk": Interpreter("e", "vFW", begins=True, files="f"),
    "nawk": Interpreter("", "vF", begins=True, files="f"),
    "sed": Interpreter("e", "l", attached="i", begins=True, files="f"),
    "gsed": Interpreter("e", "l", attached="i", begins=True, files="f"),
}

LOOKED = 20  # arguments behind a flag or an interpreter among which its script is looked for

# Of any program: `-c` alone or behind other flags of one letter (`-ec`, `-qc`: letters as shells
# and their callers have them, each once, so that `-exec` is a word), `-e` alone or as Perl has it,
# and words. What begins with such a letter and goes on as scripts do is one piece with it.
CLUSTER = re.compile(r"[-+](?:[euxliqfpsnvkmhaBCEHPTOo]*c[oO]*|(?:w?l?[np]?|pi|[np]l)e)")
WORD = re.compile(r"--?(?:\w+-)*(?:comm|comman?d?|cmd|eval|exec|execute|expression|call)(?:=|$)")
PIECE = re.compile(r"[-+][ceE](?=.*[\s;&|<>()$`'\"])", re.DOTALL)
# all that a known shell or caller takes for `-c`
SHELL_FLAG = re.compile(r"[-+][A-Za-z]*c|--c(?:o(?:m\w*)?)?(?:=|$)|--(?:\w+-)+command(?:=|$)")
FISH_FLAG = re.compile(r"-[A-Za-z]*[cC]|--(?:init-)?c")
SPLIT_FLAG = re.compile(r"-[A-Za-z]*S|--s(?:p[\w-]*)?(?:=|$)")  # of `env`
VALUED_WORDS = re.compile(r"--(?:rcfile|init-file|emulate)")  # of shells
OWN_WORDS = re.compile(r"--(?:source|print|run)(?:=|$)")  # of interpreters, that bring a script
# of those that begin with a script: it is in a file
FILE_WORDS = re.compile(r"--(?:file|exec)(?:=|$)")
# of the same, that take something else
OTHER_WORDS = re.compile(r"--(?:assign|field-separator|include|load|line-length)")


def find_scripts(argv):
    """Return `{index: Script}`: the arguments that something reads as a script, or may read so.

    One pass, as a definition may have very many.
    """
    found, certain = {}, {}
    flags = {}  # of the shells and their callers so far, with the name of the last that takes them
    is_plain, joiner = False, None
    for place, argument in enumerate(argv):
        name, tool = _bare_name(argument), _tool_name(argument)
        if joiner:
            certain[place] = joiner
        if _is_flag(argument):
            found |= dict.fromkeys(_from(argv, place), Script(_flag_name(argument), False))
        for flag, reader in flags.items():
            if flag.match(argument):
                certain |= dict.fromkeys(_from(argv, place), reader)
        if name in SHELLS:
            flags[FISH_FLAG if name == "fish" else SHELL_FLAG] = name
        elif tool == "env":
            flags[SPLIT_FLAG] = tool
        elif tool in CALLERS and not is_plain:
            flags[SHELL_FLAG] = tool
        elif tool in REMOTE | JOINERS and not is_plain:
            joiner = joiner or tool
        elif name in INTERPRETERS and not is_plain:
            certain |= dict.fromkeys(_of_interpreter(argv, place, INTERPRETERS[name]), name)
        is_plain = is_plain or tool in PLAIN
    return found | {place: Script(reader, True) for place, reader in certain.items()}


def _is_flag(argument):
    cluster = CLUSTER.fullmatch(argument)
    if cluster:
        letters = argument[1:]
        return len(set(letters)) == len(letters)
    return bool(WORD.match(argument) or PIECE.match(argument))


def _flag_name(argument):
    return re.match(r"[-+]+[\w-]*", argument).group()[:20]


def _bare_name(argument):
    """Return the name of a program without path and version: `bash` for `/usr/bin/bash-5.2` and
    for `--entrypoint=/bin/bash`.
    """
    return re.split(r"[/=]", argument)[-1].rstrip("0123456789.-")


def _tool_name(argument):
    """Return the name of a program of the system's; `./script` is somebody's own."""
    match = re.fullmatch(r"(?:.*bin/)?([^/]+)", argument)
    return match and match.group(1)


def _from(argv, start):
    """Return the indexes from a flag to its script, the first argument after it that is no option.

    The flag itself is among them, as some programs take the script in one piece with it. An `o`
    among the flags takes a word before the
    script: `bash -coO pipefail extglob SCRIPT`.
    """
    words = 1
    if re.match(r"--?\w[\w-]*=", argv[start]):
        return range(start, start + 1)
    end = min(len(argv), start + LOOKED)
    for index in range(start, end):
        argument = argv[index]
        if argument.startswith(("-", "+")):
            words += (
                len(re.findall("[oO]", argument))
                if re.fullmatch(r"[-+][A-Za-z]*", argument)
                else bool(VALUED_WORDS.fullmatch(argument))
            )
        else:
            words -= 1
        if not words:
            return range(start, index + 1)
    return range(start, end)


def _of_interpreter(argv, place, interpreter):
    """Yield the indexes of scripts among the options of an interpreter, and before its first
    other argument, with which its program begins.
    """
    argv = argv[: place + LOOKED]
    index, has_script = place + 1, False
    while index < len(argv) and argv[index].startswith("-") and argv[index] not in ("-", "--"):
        option = _read_option(argv[index], interpreter)
        has_script = has_script or option.brings_script or option.names_file
        if option.brings_script:
            yield from range(index, min(index + 1 + option.takes_next, len(argv)))
        if option.is_last:
            return
        following = "".join(argv[index + 1 : index + 2])
        index += 1 + (option.takes_next or (option.may_take_next and not following.startswith("-")))
    if interpreter.begins and not has_script:
        yield from range(index, min(index + 1 + (argv[index : index + 1] == ["--"]), len(argv)))
    elif interpreter.word and argv[index : index + 1] == [interpreter.word]:
        yield from range(index + 1, len(argv))


class Option(NamedTuple):
    """What is to know of an option of an interpreter."""

    brings_script: bool = False
    names_file: bool = False
    takes_next: bool = False
    may_take_next: bool = False
    is_last: bool = False


def _read_option(argument, interpreter):
    if WORD.match(argument) or OWN_WORDS.match(argument):
        return Option(brings_script=True, takes_next="=" not in argument)
    if argument.startswith("--"):
        # others have very many long options: one that may take a value ends nothing
        if not interpreter.begins:
            return Option(may_take_next="=" not in argument)
        names_file = bool(FILE_WORDS.match(argument))
        return Option(
            names_file=names_file,
            takes_next="=" not in argument
            and (names_file or bool(OTHER_WORDS.fullmatch(argument))),
        )
    for place, letter in enumerate(argument[1:], 2):
        takes_next = place == len(argument)
        if letter in interpreter.script:
            return Option(
                brings_script=True, takes_next=takes_next, is_last=letter in interpreter.last
            )
        if letter in interpreter.files:
            return Option(names_file=True, takes_next=takes_next)
        if letter in interpreter.valued + interpreter.last:
            return Option(takes_next=takes_next, is_last=letter in interpreter.last)
        if letter in interpreter.attached:
            return Option()
    return Option()
