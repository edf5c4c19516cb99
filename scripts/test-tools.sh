#!/bin/sh
# Installs what the tests of the pages, examples and counts need and the machine lacks: Chromium, Node with npm, curl,
# cloc. Elsewhere it says what to install.
missing=""
command -v chromium >/dev/null 2>&1 || missing="chromium"
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
command -v curl >/dev/null 2>&1 || missing="$missing curl"
command -v cloc >/dev/null 2>&1 || missing="$missing cloc"
can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }

if [ -n "$missing" ]; then
    if ! can_install; then
        echo "The tests need these programs: $missing. Install them, or run 'make test' as root on Debian." >&2
        exit 1
    fi
    echo "Installing $missing …"
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of packages
    install $missing || exit 1
fi

# Chromium without windows makes the tests of the pages faster. They run without it too: not every Debian has it
shell="chromium-headless-shell"
if ! command -v $shell >/dev/null 2>&1 && can_install && apt-cache show $shell >/dev/null 2>&1; then
    echo "Installing $shell …"
    install $shell || true
fi
