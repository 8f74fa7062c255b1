#!/usr/bin/env bash
# Makes the Montreal Forced Aligner available in an environment of its own under tools/mfa,
# because it comes from conda and cannot share this project's. The program is then
# tools/mfa/bin/mfa, which the recipes have on their PATH.
set -euo pipefail

version=3.3.8
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=$tools/mfa

die() { echo "install_mfa.sh: $*" >&2; exit 1; }

if [[ -x $home/bin/mfa ]] && "$home/bin/mfa" version >/dev/null 2>&1; then
    echo "mfa: $home/bin/mfa"
    exit 0
fi
conda=
for program in micromamba mamba conda; do
    if command -v "$program" >/dev/null; then
        conda=$program
        break
    fi
done
[[ -n $conda ]] || die "none of micromamba, mamba and conda is there; install one (micromamba is a single file) and run this again"

echo "mfa: fetching it with $conda (a large download) into $home"
rm -rf "$home"
"$conda" create --yes --prefix "$home/env" --override-channels --channel conda-forge "montreal-forced-aligner=$version"

mkdir -p "$home/bin"
cat >"$home/bin/mfa" <<'EOF'
#!/usr/bin/env bash
home=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# It looks for its own programs on PATH.
export PATH=$home/env/bin:$PATH
exec "$home/env/bin/mfa" "$@"
EOF
chmod +x "$home/bin/mfa"
"$home/bin/mfa" version >/dev/null || die "$home/bin/mfa does not run"
echo "mfa: $home/bin/mfa; acoustic models: $home/bin/mfa model download acoustic NAME"
