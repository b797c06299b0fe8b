#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# A cluster: two kernels with sshd and Slurm, and mitosis-exp started on one of them. The launchers by
# themselves are in launchers.sh, which takes less time; so this is for MITOSIS_EXP_CLUSTER=1 (any word).
# shellcheck source-path=SCRIPTDIR source=../lab/lab.sh
. "$(dirname "$0")/../lab/lab.sh"
# shellcheck source-path=SCRIPTDIR source=slurm.sh
. "$tests_dir/exp/slurm.sh"
[ -n "${MITOSIS_EXP_CLUSTER:-}" ] || skip "takes minutes: set MITOSIS_EXP_CLUSTER=1"
need_lab
need_root
for command in slurmctld slurmd srun munged ssh pdsh; do
	need_command "$command"
done
[ -x /usr/sbin/sshd ] || skip "needs sshd"
export MITOSIS_EXP_DIR=${MITOSIS_EXP_DIR:-$tests_dir/../share/mitosis-exp}
# Each node has a state of its own, in its memory; what they share lies on the host.
here=/root/cluster
chmod 755 "$work_dir"
head -c 128 /dev/urandom >key
ssh-keygen -q -t ed25519 -N '' -f id && ssh-keygen -q -t ed25519 -N '' -f host || broken "ssh-keygen"
echo "NodeName=node[1-2] Port=7818 CPUs=1 State=UNKNOWN" | slurm_conf $here node1 7817 >slurm.conf
cat >ssh_config <<END
Host node*
HostKeyAlias cluster
IdentityFile /root/id
UserKnownHostsFile $work_dir/known
END
echo "cluster $(cut -d ' ' -f 1,2 host.pub)" >known
cat >sshd_config <<END
HostKey /root/host
AuthorizedKeysFile $work_dir/id.pub
StrictModes no
UsePAM no
END
# On each node.
cat >start.sh <<END
set -e
cd "$work_dir"
mkdir -p $here/state $here/munge /run/sshd
cp key $here/key
cp slurm.conf $here/
# There is no systemd to ask for cgroups; Slurm looks for its slice all the same.
mkdir -p /sys/fs/cgroup/system.slice
printf 'CgroupPlugin=autodetect\nIgnoreSystemd=yes\n' >$here/cgroup.conf
install -m 600 id host /root/
# What the host's root has in its shell's files is none of ours, and takes its time when it is emulated.
usermod -s /bin/sh root
chmod 400 $here/key
chown -R munge: $here/munge $here/key
chmod 755 /root $here $here/munge
su -s /bin/sh munge -c "/usr/sbin/munged --force --key-file=$here/key --socket=$here/munge/socket \
	--pid-file=$here/munge/pid --log-file=$here/munge/log --seed-file=$here/munge/seed"
/usr/sbin/sshd -f "$work_dir/sshd_config"
export SLURM_CONF=$here/slurm.conf
[ "\$MITOSIS_LAB_NODE" != node1 ] || slurmctld
slurmd -N "\$MITOSIS_LAB_NODE"
END
lab_up -n 2 --no-rdma
expect 0 lab exec --timeout 300 all -- bash "$work_dir/start.sh"
idle_nodes() { [ "$(lab exec node1 -- env SLURM_CONF=$here/slurm.conf sinfo -h -t idle -o %D)" = 2 ]; }
await 180000 idle_nodes

for launcher in slurm ssh pdsh; do
	doing=$launcher
	expect 0 lab exec --timeout 600 node1 -- env SLURM_CONF=$here/slurm.conf MITOSIS_EXP_SSH="-F $work_dir/ssh_config" \
		PDSH_SSH_ARGS="-F $work_dir/ssh_config -2 -a -x -l%u %h" PATH="$bin_dir:$PATH" MITOSIS_EXP_DIR="$MITOSIS_EXP_DIR" \
		mitosis-exp run -o "/root/$launcher" --launcher $launcher --hosts 'parent=node1,child=node2' \
		--set engine=user --set wss=1M --set count=3 resume
	[ "$(awk -F '\t' '!/^#/ && $1 == "user"' out | wc -l)" = 3 ] || fail "$(cat out err)"
done
doing=
expect 0 lab exec node1 -- env SLURM_CONF=$here/slurm.conf squeue -h
[ ! -s out ] || fail "an allocation is left: $(cat out)"
expect 0 lab down
exit 0
