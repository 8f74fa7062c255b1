#!/usr/bin/env bash
# A Slurm of two nodes, both on this machine, with all that it writes in one folder, for the tests.
set -euo pipefail

help_message="Usage: test/slurm.sh start|stop DIR

start  makes DIR with a configuration, starts munged, slurmctld and a slurmd for each node, and waits until jobs may be
       submitted. Programs of Slurm find it by the variable SLURM_CONF=DIR/slurm.conf. Needs to be root.
stop   ends them."

die() { echo "slurm.sh: $*" >&2; exit 1; }

[ $# -eq 2 ] || { printf '%s\n' "${help_message}" >&2; exit 2; }
export PATH="${PATH}:/usr/sbin:/sbin"
folder=$(realpath -m "$2")
export SLURM_CONF=${folder}/slurm.conf

# Where nobody asks after them, processes that have ended stay listed, as Z.
runs() { [[ $(ps -o stat= -p "$1") == [^Z]* ]]; }

# Ends the daemons by the numbers that they wrote down.
end() {
    local name pid
    for name in slurmd.one slurmd.two slurmctld munged; do
        pid=$(cat "${folder}/${name}.pid" 2> /dev/null) || continue
        kill "${pid}" 2> /dev/null || continue
        for _ in {1..100}; do
            runs "${pid}" || continue 2
            sleep 0.1
        done
        kill -9 "${pid}" 2> /dev/null || true
    done
}

if [ "$1" = stop ]; then
    scancel --user=root 2> /dev/null || true
    for _ in {1..50}; do
        [ -n "$(squeue --noheader 2> /dev/null)" ] || break
        sleep 0.2
    done
    end
    exit 0
fi
[ "$1" = start ] || { printf '%s\n' "${help_message}" >&2; exit 2; }
[ "$(id -u)" -eq 0 ] || die "must be run as root, as whom jobs are started"

mkdir -p "${folder}/state" "${folder}/spool"
chmod 755 "${folder}"
dd if=/dev/urandom of="${folder}/munge.key" bs=128 count=1 status=none
chmod 600 "${folder}/munge.key"
read -r control one two < <(python3 - << 'EOF'
import socket
taken = [socket.socket() for _ in range(3)]
for one in taken:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in taken))
EOF
)
host=$(hostname -s)
cat > "${SLURM_CONF}" << EOF
ClusterName=test
SlurmctldHost=${host}(127.0.0.1)
SlurmctldPort=${control}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=${folder}/munge.socket
CredType=cred/munge
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool/%n
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd.%n.pid
SlurmctldLogFile=${folder}/slurmctld.log
SlurmdLogFile=${folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerType=sched/builtin
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,sched_interval=2
ReturnToService=2
KillWait=5
NodeName=one NodeHostname=${host} NodeAddr=127.0.0.1 Port=${one} CPUs=4 RealMemory=1000 State=UNKNOWN
NodeName=two NodeHostname=${host} NodeAddr=127.0.0.1 Port=${two} CPUs=4 RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=one,two Default=YES MaxTime=INFINITE State=UP
EOF
munged --force --key-file="${folder}/munge.key" --socket="${folder}/munge.socket" --pid-file="${folder}/munged.pid" \
    --log-file="${folder}/munged.log" --seed-file="${folder}/munged.seed" 2> "${folder}/munged.err" \
    || die "munged does not start: $(tail -n 1 "${folder}/munged.err")"
daemon() {
    local log=$1
    shift
    "$@" -f "${SLURM_CONF}" || { end; die "$1 does not start: $(tail -n 1 "${folder}/${log}.log")"; }
}
daemon slurmctld slurmctld
for node in one two; do daemon "slurmd.${node}" slurmd -N "${node}"; done
for _ in {1..300}; do
    if [ "$(sinfo --noheader --format=%T 2> /dev/null)" = idle ]; then
        echo "SLURM_CONF=${SLURM_CONF}"
        exit 0
    fi
    sleep 0.1
done
end
die "the nodes are not ready after 30 s; see the logs in ${folder}"
