#!/usr/bin/env bash
# Makes a browser available, in which the tests look at the pages that ellav writes: nothing
# to do where chromium or Chrome is on PATH; otherwise root installs Debian's package.
set -euo pipefail

programs="chromium chromium-browser google-chrome google-chrome-stable"

found() { # Ubuntu's chromium-browser may be a stub that only asks for a snap; one that runs is wanted
    local program
    for program in $programs; do
        if command -v "$program" >/dev/null && "$program" --version >/dev/null 2>&1; then
            echo "chromium: $(command -v "$program")"
            return 0
        fi
    done
    return 1
}

found && exit 0
if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
    echo "install_chromium.sh: no browser on PATH (looked for $programs). Install one: as root, 'apt-get install" \
        "chromium' on Debian, or Google Chrome's package elsewhere. Or set ELLAV_NO_BROWSER=1 to skip the tests" \
        "that need it" >&2
    exit 1
fi

echo "chromium: installing Debian's package (about 100 MB to download, 400 MB on disk)"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --yes --no-install-recommends chromium >/dev/null
if ! found; then
    echo "install_chromium.sh: the package chromium is there now but no browser runs; on Ubuntu, where it is only a" \
        "stub, install Google Chrome's package" >&2
    exit 1
fi
