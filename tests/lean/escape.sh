#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# What is in a container cannot get out of it: files, devices, other processes, the kernel's settings,
# namespaces, capabilities, descriptors. In every way that a container is started, and for every user.
# shellcheck source-path=SCRIPTDIR source=lean.sh
. "$(dirname "$0")/lean.sh"
need_lean

mkdir -p tree/bin
[ -x /bin/busybox ] || skip "needs a static busybox"
cp "$helper" tree/bin/escape
cp /bin/busybox tree/bin/sh
tar -C tree -cf tree.tar .
expect 0 "$prep" create t --rootfs "tar:$PWD/tree.tar"

sleep 1000 &
outside=$!
pids+=("$outside")
# Something to leak: a descriptor of the host's root, one of its disk's directory, a socket.
exec {root_fd}</
exec {lib_fd}</var/lib

# try OPTION... TEMPLATE [-- CAPABILITIES]
escapes() {
	doing="escape, $*"
	expect 0 "$run" "$@"
	said out 'attempts failed, as they should'
	alive "$outside" || fail "the process outside is gone"
}
escapes t -- escape "$outside"
escapes --no-init t -- escape "$outside"

# In measured containers standard output is not kept: the status tells.
for options in "--bench" "--pool 3" "--parallel 2"; do
	doing="escape, $options"
	# shellcheck disable=SC2086
	expect 0 "$run" $options -n 6 t -- escape "$outside"
	[ "$(column out status | sort -u)" = 0 ] || fail "an attempt succeeded"
done

doing="kill of everybody"
expect 0 "$run" t -- sh -c 'kill -9 -1; :'
alive "$outside" || fail "the process outside is gone"

doing="capabilities"
if [ "$(id -u)" = 0 ]; then
	expect 0 "$prep" create caps --rootfs "tar:$PWD/tree.tar" --caps chown,dac_override,fowner,fsetid,kill,net_bind_service,setgid,setuid
	escapes caps -- escape "$outside" 4fb
	expect 0 "$prep" create one --rootfs "tar:$PWD/tree.tar" --caps CAP_CHOWN
	escapes one -- escape "$outside" 1
	expect 0 "$prep" create user --rootfs "tar:$PWD/tree.tar" --user 1234:5678
	escapes user -- escape "$outside"
	expect 0 "$run" user -- sh -c 'id -u; id -g; id -G' # busybox
	prints "1234
5678
5678"
	expect 2 "$prep" create bad --rootfs "tar:$PWD/tree.tar" --caps sys_admin
	said err 'only chown'
fi

doing="a writable root"
expect 0 "$prep" create w --rootfs "tar:$PWD/tree.tar" --writable
expect 0 "$run" w -- sh -c 'echo mine >/bin/mine && cat /bin/mine && rm /bin/escape && echo gone'
prints "mine
gone"
# What one wrote the next does not see, and neither does the template.
expect 1 "$run" w -- sh -c 'test -e /bin/mine'
expect 0 "$run" w -- sh -c 'test -e /bin/escape'
expect 1 "$run" w -- sh -c 'echo x 2>/dev/null >/dev/x || echo x 2>/dev/null >/proc/sys/kernel/hostname'

doing="/tmp has an end"
expect 0 "$prep" create small --rootfs "tar:$PWD/tree.tar" --tmp 1M
expect 1 "$run" small -- sh -c 'dd if=/dev/zero of=/tmp/big bs=100k count=20'
said err 'No space left'

doing="networks"
expect 0 "$prep" create alone --rootfs "tar:$PWD/tree.tar" --network none
escapes alone -- escape "$outside"
expect 0 "$run" alone -- sh -c 'ifconfig -a 2>/dev/null | grep -c "^[a-z]"; ping -c 1 127.0.0.1 >/dev/null 2>&1; cat /proc/net/dev | grep -c :' # lo only
[ "$(tail -n 1 out)" = 1 ] || fail "there is more than the loopback interface"

doing="an image that leads mount points elsewhere"
mkdir -p evil/bin
cp /bin/busybox evil/bin/sh
ln -s /etc evil/tmp
ln -s /etc evil/dev
ln -s / evil/.mitosis
ln -s "$PWD/victim" evil/var
ln -s "$PWD/victim" evil/run
mkdir victim
chmod 711 victim
tar -C evil -cf evil.tar .
expect 0 "$prep" create evil --rootfs "tar:$PWD/evil.tar"
[ "$(stat -c %a victim)" = 711 ] || fail "a directory of the host was changed"
if [ -n "$(ls victim)" ] || [ -e /child ]; then
	fail "a file was made on the host"
fi
expect 0 "$run" evil -- sh -c 'echo x >/tmp/x && test ! -e /etc/passwd'

[ -z "$(find /proc/self/fd -lname "$MITOSIS_LEAN_DIR*")" ] || fail "descriptors are left"
exec {root_fd}>&- {lib_fd}>&-
exit 0
