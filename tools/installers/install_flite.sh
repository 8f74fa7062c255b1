#!/usr/bin/env bash
# Makes the speech synthesizer flite available, without root: nothing to do where it is on
# PATH; otherwise its Debian packages are unpacked under tools/flite and nothing is
# installed. The program is then tools/flite/bin/flite.
set -euo pipefail

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=$tools/flite
voices="slt rms awb kal16"

speaks() { # does this flite have the voices that the recipe uses?
    local listed voice
    listed=" $("$1" -lv 2>/dev/null | sed -n 's/^Voices available: *//p') "
    for voice in $voices; do
        [[ $listed == *" $voice "* ]] || return 1
    done
}

if found=$(command -v flite) && speaks "$found"; then
    echo "flite: $found"
    exit 0
fi
if [[ -x $home/bin/flite ]] && speaks "$home/bin/flite"; then
    echo "flite: $home/bin/flite"
    exit 0
fi
for program in apt-get apt-cache dpkg; do
    if ! command -v "$program" >/dev/null; then
        echo "install_flite.sh: $program is missing; install flite 2.2 with the voices $voices and put it on PATH" >&2
        exit 1
    fi
done

echo "flite: fetching its Debian packages (about 13 MB, and package lists of about 20 MB) into $home"
rm -rf "$home"
mkdir -p "$home/apt/lists/partial" "$home/apt/cache/archives/partial" "$home/deb"
# A private state, so that root and others take the same path and the system is left alone.
options=(-qq -o "Dir::State::Lists=$home/apt/lists" -o "Dir::Cache=$home/apt/cache" -o APT::Sandbox::User=)
apt-get "${options[@]}" update
packages=(flite libflite1)
matches() { # reads to the end, unlike grep -q, whose early end makes what writes to it fail, and so the pipe
    [[ $(grep -c "$1") -gt 0 ]]
}
if ! { ldconfig -p 2>/dev/null || /sbin/ldconfig -p; } | matches 'libasound\.so\.2 '; then
    for package in libasound2t64 libasound2; do # newer releases, older releases
        if apt-cache "${options[@]}" show "$package" 2>/dev/null | matches '^Filename:'; then
            packages+=("$package")
            break
        fi
    done
fi
(cd "$home/deb" && apt-get "${options[@]}" download "${packages[@]}")
for package in "$home"/deb/*.deb; do
    dpkg -x "$package" "$home"
done
rm -rf "$home/apt" "$home/deb"

mkdir -p "$home/bin"
cat >"$home/bin/flite" <<'EOF'
#!/usr/bin/env bash
home=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
libraries=$(printf '%s:' "$home"/usr/lib/*-linux-gnu*)
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:-}
exec "$home/usr/bin/flite" "$@"
EOF
chmod +x "$home/bin/flite"
if ! speaks "$home/bin/flite"; then
    echo "install_flite.sh: the unpacked flite does not run or lacks one of the voices $voices:" >&2
    "$home/bin/flite" -lv >&2 || true
    exit 1
fi
echo "flite: $home/bin/flite"
