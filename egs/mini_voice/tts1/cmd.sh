# Sourced by tts.sh: how heavy commands are started. Choose a backend here, or with
# `export cmd_backend=slurm`. Options of Slurm's jobs stand in conf/slurm.conf.
# Each of the three is called as Kaldi calls its own, which may stand here too: ${train_cmd} [JOB=1:N] LOG COMMAND ...
# shellcheck shell=bash

cmd_backend=${cmd_backend:-local}

case "${cmd_backend}" in
    local)
        export train_cmd="utils/run_here.sh" cuda_cmd="utils/run_here.sh" decode_cmd="utils/run_here.sh"
        ;;
    slurm)
        # One sbatch each, which is waited for. Ctrl-C cancels the jobs.
        _slurm() { echo "ellav jobs slurm $(sed -n "s/^$1[[:space:]]\{1,\}//p" "$(find_file conf/slurm.conf)")"; }
        train_cmd=$(_slurm train_cmd)
        cuda_cmd=$(_slurm cuda_cmd)
        decode_cmd=$(_slurm decode_cmd)
        export train_cmd cuda_cmd decode_cmd
        ;;
    *)
        echo "cmd.sh: unknown cmd_backend '${cmd_backend}'; known: local, slurm" >&2
        exit 1
        ;;
esac
