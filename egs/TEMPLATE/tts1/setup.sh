#!/usr/bin/env bash
# Makes the folder of a new recipe.
[ -n "${BASH_VERSION:-}" ] || { echo "$0: needs bash; call it as 'bash $0'" >&2; exit 1; }
set -euo pipefail

help_message="Usage: egs/TEMPLATE/tts1/setup.sh DIR

Makes DIR (for example egs/mycorpus/tts1) with links to the shared scripts and with your own
cmd.sh, db.sh, run.sh and local/data.sh to edit."

case "${1:-}" in
    -h|--help) printf '%s\n' "${help_message}"; exit 0 ;;
    ""|-*) printf '%s\n' "${help_message}" >&2; exit 2 ;;
esac
template=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd -P)
out=$1
if [ -e "${out}" ]; then
    echo "setup.sh: ${out} is already there" >&2
    exit 1
fi
mkdir -p "${out}/local" "${out}/conf"
for name in tts.sh path.sh utils; do
    ln -s "$(realpath --relative-to="${out}" "${template}/${name}")" "${out}/${name}"
done
cp "${template}/cmd.sh" "${template}/db.sh" "${out}/"
cp "${template}/local/data.sh" "${out}/local/data.sh"

cat > "${out}/run.sh" << 'EOF'
#!/usr/bin/env bash
# The facts of this corpus; everything else is in tts.sh (./run.sh --help).
[ -n "${BASH_VERSION:-}" ] || { echo "$0: needs bash; call it as 'bash $0'" >&2; exit 1; }
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/tts.sh" \
    --fs 16000 \
    --train_set train \
    --valid_set valid \
    --test_sets "test" \
    "$@"
EOF
chmod +x "${out}/run.sh" "${out}/local/data.sh"
echo "setup.sh: made ${out}; now edit ${out}/run.sh and ${out}/local/data.sh"
