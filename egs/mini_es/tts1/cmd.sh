# Sourced by tts.sh: how heavy commands are started. Choose a backend here, or with
# `export cmd_backend=slurm`. Options of Slurm's jobs stand in conf/slurm.conf.
# shellcheck shell=bash

cmd_backend=${cmd_backend:-local}

case "${cmd_backend}" in
    local)
        export train_cmd="" cuda_cmd="" decode_cmd=""
        ;;
    slurm)
        # srun waits, passes on output and exit status, and is stopped by Ctrl-C.
        _slurm() { echo "srun $(sed -n "s/^$1[[:space:]]\{1,\}//p" "$(find_file conf/slurm.conf)")"; }
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
