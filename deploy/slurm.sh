#!/bin/sh
# A job of Slurm's that is a program and its slaves:
#   sbatch --ntasks=8 deploy/slurm.sh program.hy
# The program listens where the slaves dial: (dpfw-listen (int (hy.I.os.getenv "DPFW_PORT")))
#
# A minute before its time is over, the slaves finish what they run, and leave.
#SBATCH --signal=TERM@60

# Another job on this node has another.
export DPFW_PORT=$((20000 + SLURM_JOB_ID % 10000))

srun dpfw-slave --connect "$(hostname):$DPFW_PORT" &
hy "$@"
status=$?

# They have ended with their master; or go on dialling for up to a minute, if it never listened.
wait
exit $status
