# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck shell=bash
# slurm.sh - a Slurm of our own, that needs nothing of the system's.

# slurm_conf DIRECTORY CONTROLLER PORT: to standard output; state is in the directory, nodes are on standard input
slurm_conf() {
	cat <<-END
		ClusterName=test
		SlurmctldHost=$2
		SlurmUser=root
		AuthType=auth/munge
		AuthInfo=socket=$1/munge/socket
		ProctrackType=proctrack/linuxproc
		TaskPlugin=task/none
		StateSaveLocation=$1/state
		SlurmdSpoolDir=$1/spool.%n
		SlurmctldPidFile=$1/ctld.pid
		SlurmdPidFile=$1/slurmd.%n.pid
		SlurmctldPort=$3
		SlurmctldLogFile=$1/ctld.log
		SlurmdLogFile=$1/slurmd.%n.log
		SchedulerType=sched/builtin
		ReturnToService=2
		MailProg=/bin/true
		JobAcctGatherType=jobacct_gather/none
		AccountingStorageType=accounting_storage/none
		$(cat)
		PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
	END
}
