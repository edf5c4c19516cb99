"""Finds the arguments of a command line that a shell reads as a script.

A value put into a script would be read as script too. So this errs on the side of finding: a shell counts wherever its name stands
(`env sh -c`, `find … -exec bash -c`, `docker run … sh -c`), whatever its path and version are. What it can't know are shells under
other names, and programs that hand a piece of their own language to a shell (`awk`, `git -c alias…`).
"""

import re

SHELLS = {
    "sh", "bash", "rbash", "dash", "ash", "hush", "sash", "zsh", "rzsh", "ksh", "rksh", "mksh", "lksh", "pdksh", "oksh",
    "loksh", "posh", "yash", "osh", "ysh", "csh", "tcsh", "fish", "elvish", "nu", "xonsh",
}
# These hand a script to a shell: the first that follows `-c`, as shells have it, the second all of their arguments.
CALLERS = {"su", "runuser", "script", "flock"}
JOINERS = {"ssh", "pwsh", "powershell", "watch", "parallel"}
# These start the program that their arguments name.
STARTERS = {
    "env", "sudo", "doas", "nice", "ionice", "chrt", "nohup", "timeout", "setsid", "stdbuf", "time", "xargs", "chroot",
    "unshare",
}

# `-c` alone, among other flags (`-ec`, `-lic`) or written out. fish has `-C` too, env `-S`.
COMMAND = re.compile(r"-[A-Za-z]*c|--c(?:o(?:m\w*)?)?(?:=|$)")
INIT_COMMAND = re.compile(r"-[A-Za-z]*[cC]|--(?:init-)?c")
SPLIT = re.compile(r"-[A-Za-z]*S|--s")


def find_scripts(argv):
    """Return `{index: name}`: the arguments that a shell reads as a script (or that may be one), and the program that they are for."""
    found = {}
    for place, argument in enumerate(argv):
        shell, tool = _shell_name(argument), _tool_name(argument)
        is_program = place == 0 or _tool_name(argv[0]) in STARTERS
        if shell in SHELLS:
            found |= dict.fromkeys(_from_flag(argv, place, INIT_COMMAND if shell == "fish" else COMMAND), shell)
        elif tool == "env":
            found |= dict.fromkeys(_from_flag(argv, place, SPLIT), tool)
        elif is_program and tool in CALLERS:
            found |= dict.fromkeys(_from_flag(argv, place, COMMAND), tool)
        elif is_program and tool in JOINERS:
            found |= dict.fromkeys(range(place + 1, len(argv)), tool)
    return found


def _shell_name(argument):
    """Return the bare name of a shell: `bash` for `/usr/bin/bash-5.2` and for `--entrypoint=/bin/bash`."""
    return re.split(r"[/=]", argument)[-1].rstrip("0123456789.-")


def _tool_name(argument):
    """Return the name of a program of the system's; `./script` is somebody's own."""
    match = re.fullmatch(r"(?:.*bin/)?([^/]+)", argument)
    return match and match.group(1)


def _from_flag(argv, place, flag):
    """Return the indexes from the first such flag after `place` to the script, the first argument after it that is no option.

    The flag itself is among them, as some programs take the script in one piece with it. An `o` among the flags takes a word before the
    script: `bash -co pipefail SCRIPT`.
    """
    start = next((index for index in range(place + 1, len(argv)) if flag.match(argv[index])), len(argv))
    words = 1
    for index in range(start, len(argv)):
        is_option = argv[index].startswith(("-", "+"))
        words += bool(re.match(r"[-+][A-Za-z]*[oO]", argv[index])) if is_option else -1
        if not words:
            return range(start, index + 1)
    return range(start, len(argv))
