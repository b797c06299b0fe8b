#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Where systemd runs, the groups of a template are in a scope that systemd gives; an unprivileged user may have
# them in a group that was delegated to him. A node of the lab boots a real systemd for it, as process 1 of
# namespaces of its own. KERNELS names another kernel than the newest that the lab can boot.
# shellcheck source-path=SCRIPTDIR source=../lab/lab.sh
. "$(dirname "$0")/../lab/lab.sh"

need_lab
[ -x /lib/systemd/systemd ] || skip "needs /lib/systemd/systemd (package systemd)"
need_command dbus-daemon
version=${KERNELS:-$(lab kernels 2>/dev/null | awk -F '\t' '/^[0-9]/ { print $1 }' | sort -V | tail -n 1)}
[ -n "$version" ] || skip "no kernel that a lab can boot"

# Below systemd there is its bus, and nothing of this host's services.
cat >init.sh <<'END'
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd/system /run/lock && cd /run/systemd/system || exit
printf '[Unit]\nDefaultDependencies=no\nRequires=dbus.socket\nAfter=dbus.socket\n' >test.target
printf '[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/dbus/system_bus_socket\n' >dbus.socket
printf '[Unit]\nDefaultDependencies=no\nRequires=dbus.socket\n[Service]\nType=notify\nExecStart=%s %s\n' \
	/usr/bin/dbus-daemon '--system --address=systemd: --nofork --nopidfile --systemd-activation' >dbus.service
export container=lab
exec /lib/systemd/systemd --system --unit=test.target --log-target=console --show-status=no
END
cat >boot.sh <<'END'
mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit
unshare --pid --fork --mount --mount-proc --propagation private sh ./init.sh >/run/systemd.log 2>&1 </dev/null &
tries=0
until pid=$(pgrep -x systemd | head -n 1) && [ -n "$pid" ] && nsenter -t "$pid" -p -m busctl --timeout=5 call \
	org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.DBus.Peer Ping >/dev/null 2>&1; do
	tries=$((tries + 1))
	[ $tries -lt 400 ] || { tail -n 20 /run/systemd.log >&2; exit 1; }
	sleep 0.2
done
echo "$pid"
END
doing="systemd in $version"
lab_up --no-rdma -n 1 --kernel "$version"
expect 0 lab exec --timeout 120 node1 "cd '$work_dir' && sh ./boot.sh"
pid=$(<out)
below() { expect "$1" lab exec --timeout 120 node1 -- nsenter -t "$pid" -p -m env "PATH=$bin_dir:$PATH" "${@:2}"; }

doing="a scope of systemd's"
below 0 mitosis-leanprep create scoped --rootfs closure:/bin/sh,/bin/cat,/bin/sleep --memory 64M --pids 20 --require-limits
below 0 mitosis-leanprep inspect scoped
said out '^limits	memory,pids$'
said out '^group	/sys/fs/cgroup/system.slice/mitosis-lean-scoped-[0-9]*.scope$'
below 0 mitosis-leanrun scoped -- cat /proc/self/cgroup
[ "$(<out)" = 0::/ ] || fail "the container sees its group as $(<out)"
below 0 systemctl is-active 'mitosis-lean-scoped-*.scope'
below 2 mitosis-leanrun scoped -- sh -c 'i=0; while [ $i -lt 40 ]; do sleep 60 & i=$((i+1)); done'
said err 'Cannot fork'
below 0 mitosis-leanprep rm scoped
# systemd hears of it by an event of its own.
no_scope() {
	below 0 systemctl list-units --all --no-legend 'mitosis-lean-*'
	[ ! -s out ]
}
await 30000 no_scope

doing="a group that was delegated to a user"
setpriv --reuid=nobody --regid=nogroup --clear-groups test -x "$bin_dir/mitosis-leanrun" ||
	skip "a delegated group: the build directory cannot be read by other users"
cat >user.sh <<'END'
group=/sys/fs/cgroup/delegated
mkdir $group $group/shell && echo "+memory +pids" >$group/cgroup.subtree_control &&
	chown nobody $group $group/shell $group/cgroup.procs $group/cgroup.subtree_control $group/shell/cgroup.procs &&
	echo $$ >$group/shell/cgroup.procs && mkdir -p /run/nobody && chown nobody /run/nobody || exit
exec setpriv --reuid=nobody --regid=nogroup --clear-groups env HOME=/run/nobody MITOSIS_LEAN_DIR=/run/nobody/lean sh -ec '
	mitosis-leanprep create own --rootfs closure:/bin/sh,/bin/cat,/bin/sleep --cgroup '$group' --pids 20 --require-limits
	mitosis-leanprep inspect own
	mitosis-leanrun own -- sh -c "i=0; while [ \$i -lt 40 ]; do sleep 60 & i=\$((i+1)); done" || echo "status $?"
	mitosis-leanprep rm own
	echo "left: $(ls -d '$group'/*/)"'
END
below 0 sh "$work_dir/user.sh"
said out '^limits	pids$'
said out '^group	/sys/fs/cgroup/delegated/own'
said out '^status 2$'
said err 'Cannot fork'
said out '^left: /sys/fs/cgroup/delegated/shell/$'
expect 0 lab down
exit 0
