#!/usr/bin/env bash
# run_here.sh [JOB=1:N] LOG COMMAND ...: on this machine. What is no array speaks to the terminal and leaves no log.
set -euo pipefail

if [[ ${1:-} == JOB=* ]]; then exec ellav jobs local "$@"; fi
shift
exec "$@"
