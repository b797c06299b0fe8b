#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# ssh, pdsh and Slurm for real, with servers of our own on the loopback address: what runs where, what
# fails, and that nothing is left. Servers that are not installed are left out; without any, skip.
# shellcheck source-path=SCRIPTDIR source=exp.sh
. "$(dirname "$0")/exp.sh"
# shellcheck source=slurm.sh
. "$tests_dir/exp/slurm.sh"
need_root

tried=
free_ports() { "$python" -c '
import socket, sys
taken = [socket.socket() for _ in range(int(sys.argv[1]))]
for each in taken: each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in taken))' "$1"; }

# check LAUNCHER: with hosts n1 and n2
check() {
	doing=$1
	tried="$tried $1"
	cat >pass.toml <<-'END'
		[template]
		[[template.pass]]
		role = "parent"
		cmd = "echo 'serves 5% of %h'; exec sleep 876501"
		ready = { line = "serves (.*)", set = "what" }
		background = true
		[[template.pass]]
		role = "child"
		order = 1
		cmd = "echo \"Prepare time = 2.5 ms\"; echo $MITOSIS_EXP_HOST '${what}' >said; cat; ${then}"
		[template.placeholder]
		then = "true"
	END
	run 0 -L "$1" --hosts n1,n2 --project "$work_dir" pass.toml
	[ "$(column out prepare_ns)" = 2500000 ] && [ "$(column out at)" = n2 ] || fail "$(cat out)"
	[ "$(<said)" = "n2 5% of %h" ] || fail "it said $(<said)"
	nobody_has 876501 || fail "the server is left"
	run 1 -L "$1" --hosts n1,n2 --project "$work_dir" --set 'then=echo why >&2; exit 3' pass.toml
	said err 'child on n2: exit status 3'
	said err 'n2| why'
	nobody_has 876501 || fail "the server is left after a failure"
	rm -rf dir
	background int.out int.err env --default-signal=INT "$tool" run -o dir -L "$1" --hosts n1,n2 \
		--project "$work_dir" --set 'then=sleep 876502' pass.toml
	pids+=("$!")
	runner=$!
	await 60000 somebody_has 876502
	kill -INT "$runner"
	finish "$runner" 60000
	[ "$status" = 130 ] || fail "status $status after SIGINT"
	nobody_has 876501 && nobody_has 876502 || fail "it still runs after SIGINT"
	copies "$1"
}

# copies LAUNCHER: below the project, which is not there yet; what is below an absolute path is there
copies() {
	local at="copies by $1"
	rm -rf from project absolute
	mkdir -p from/deep
	printf 'all \0 bytes\n' >"from/deep/a 5% of %h"
	head -c 300000 /dev/urandom >from/much
	chmod 750 from/much
	cat >copy.toml <<-END
		[[sync]]
		source = "from"
		targets = ["n1:$at/there", "n2:$at/", "n2:$work_dir/absolute/%n"]
		[[pass]]
		host = ["n1", "n2"]
		cmd = "ls -A \"\$HOME\" | grep '^.mitosis-exp' >&2; ls -d */*; pwd"
	END
	# The passes are of two hosts that are one here: both see both copies.
	run 0 -L "$1" --project "$work_dir/project" copy.toml
	[ "$(<dir/copy/raw/0001/pass1.n1.out)" = "$at/from
$at/there
$work_dir/project" ] || fail "$(cat dir/copy/raw/0001/pass1.n1.out)"
	[ ! -s dir/copy/raw/0001/pass1.n1.err ] || fail "left in the login's directory: $(cat dir/copy/raw/0001/pass1.n1.err)"
	for copy in "project/$at/there" "project/$at/from" absolute/%n; do
		diff -r from "$copy" && [ "$(stat -c %a "$copy/much")" = 750 ] || fail "$copy is another"
	done
	touch blocked
	sed "s,n1:$at,n1:$work_dir/blocked," copy.toml >blocked.toml
	run 1 -L "$1" blocked.toml
	said err "blocked: n1: cannot copy from to $work_dir/blocked/there: .*blocked"
}

# ---- ssh, pdsh ----

start_sshd() {
	local port
	port=$(free_ports 1)
	ssh-keygen -q -t ed25519 -N '' -f host && ssh-keygen -q -t ed25519 -N '' -f key || broken "ssh-keygen"
	cat >sshd_config <<-END
		ListenAddress 127.0.0.1:$port
		HostKey $work_dir/host
		AuthorizedKeysFile $work_dir/key.pub
		PidFile none
		StrictModes no
		UsePAM no
		PermitRootLogin prohibit-password
	END
	cat >ssh_config <<-END
		Host n1 n2
		HostName 127.0.0.1
		Port $port
		HostKeyAlias test
		IdentityFile $work_dir/key
		UserKnownHostsFile $work_dir/known
	END
	echo "test $(cut -d ' ' -f 1,2 host.pub)" >known
	mkdir -p /run/sshd
	background sshd.out sshd.err "$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f "$work_dir/sshd_config"
	pids+=("$!")
	await 20000 has_line sshd.err 'Server listening'
}

if [ -x /usr/sbin/sshd ]; then
	start_sshd
	export MITOSIS_EXP_SSH="-F $work_dir/ssh_config"
	export PDSH_SSH_ARGS="-F $work_dir/ssh_config -2 -a -x -l%u %h"
	check ssh
	expect 1 "$tool" run -o nowhere -L ssh --hosts nowhere.invalid,n2 pass.toml
	said err 'nowhere.invalid: cannot be reached with ssh'
	if command -v pdsh >/dev/null; then
		check pdsh
	fi
fi

# ---- slurm ----

stop_slurm() {
	local file
	for file in slurmd.n1.pid slurmd.n2.pid ctld.pid munge/pid; do
		[ -s "$slurm/$file" ] && kill "$(<"$slurm/$file")"
	done
	for file in slurmd.n1.pid slurmd.n2.pid ctld.pid munge/pid; do
		while [ -s "$slurm/$file" ] && alive "$(<"$slurm/$file")"; do sleep 0.05; done
	done 2>/dev/null
	rm -rf "$slurm"
}

start_slurm() {
	local name ports
	name=$(hostname -s)
	read -ra ports <<<"$(free_ports 3)"
	slurm=$(mktemp -d /tmp/mitosis-slurm.XXXXXX) || broken "mktemp"
	cleanups+=(stop_slurm)
	mkdir -p "$slurm/state" "$slurm/munge"
	head -c 128 /dev/urandom >"$slurm/key"
	chmod 755 "$slurm"
	chmod 400 "$slurm/key"
	chown -R munge: "$slurm/munge" "$slurm/key"
	slurm_conf "$slurm" "$name(127.0.0.1)" "${ports[0]}" >"$slurm/slurm.conf" <<-END
		NodeName=n1 NodeHostname=$name NodeAddr=127.0.0.1 Port=${ports[1]} CPUs=1 State=UNKNOWN
		NodeName=n2 NodeHostname=$name NodeAddr=127.0.0.1 Port=${ports[2]} CPUs=1 State=UNKNOWN
	END
	# Newer ones do not start where no control groups are mounted, unless they are told not to look.
	[[ $(slurmctld -V) == *" 22."* ]] || echo "CgroupPlugin=disabled" >"$slurm/cgroup.conf"
	export SLURM_CONF=$slurm/slurm.conf
	su -s /bin/sh munge -c "/usr/sbin/munged --force --key-file=$slurm/key --socket=$slurm/munge/socket \
		--pid-file=$slurm/munge/pid --log-file=$slurm/munge/log --seed-file=$slurm/munge/seed" >munge.err 2>&1 ||
		broken "munged: $(cat munge.err)"
	await 20000 test -s "$slurm/munge/pid"
	slurmctld >ctld.err 2>&1 && slurmd -N n1 >n1.err 2>&1 && slurmd -N n2 >n2.err 2>&1 || broken "slurm"
	await 60000 idle_nodes
}
idle_nodes() { [ "$(sinfo -h -t idle -o %D)" = 2 ]; }

if command -v slurmctld slurmd srun munged >/dev/null; then
	start_slurm
	check slurm
	[ -z "$(squeue -h -t RUNNING,PENDING)" ] || fail "an allocation is left: $(squeue)"
fi

[ -n "$tried" ] || skip "needs sshd (openssh-server), pdsh, or Slurm (slurmctld, slurmd, slurm-client, munge)"
exit 0
