#!/usr/bin/env bash
# Makes Slurm available, by which the tests run jobs: nothing to do where its programs and munge's are on PATH;
# otherwise root installs Debian's packages. Nothing is started.
set -euo pipefail

export PATH="${PATH}:/usr/sbin:/sbin" # where Debian has what only root starts
found() {
    local program
    for program in munged slurmctld slurmd sbatch squeue scancel scontrol; do
        command -v "${program}" > /dev/null || { missing=${program}; return 1; }
    done
    echo "slurm: $(slurmctld -V)"
}

if found; then
    [[ $(id -u) -eq 0 ]] || echo "install_slurm.sh: the tests with Slurm are left out, as root alone can start it" >&2
    exit 0
fi
if [[ $(id -u) -ne 0 ]] || ! command -v apt-get > /dev/null; then
    echo "install_slurm.sh: no ${missing} on PATH. Install Slurm and munge: as root, 'apt-get install slurm-wlm munge' on" \
        "Debian. Or set ELLAV_NO_SLURM=1 to skip the tests that need it" >&2
    exit 1
fi

echo "slurm: installing Debian's packages slurm-wlm and munge"
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 # of the latter: so that the packages start no services
apt-get -qq update
apt-get -qq install --yes --no-install-recommends slurm-wlm munge > /dev/null
found || { echo "install_slurm.sh: the packages are there now, but no ${missing}" >&2; exit 1; }
