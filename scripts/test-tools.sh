#!/bin/sh
# Installs what the tests of the pages, examples and counts need and the machine lacks: Chromium, Node with npm, curl, cloc. Elsewhere it says what to install.
missing=""
command -v chromium >/dev/null 2>&1 || missing="chromium"
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
command -v curl >/dev/null 2>&1 || missing="$missing curl"
command -v cloc >/dev/null 2>&1 || missing="$missing cloc"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing $missing …"
    # shellcheck disable=SC2086  # a list of packages
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "The tests need these programs: $missing. Install them, or run 'make test' as root on Debian." >&2
    exit 1
fi
