#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Every kind of root file system gives containers that run, and leaves its source as it was.
# MITOSIS_MINBASE=SUITE also makes a minbase, which takes a mirror and a minute.
# shellcheck disable=SC2016 # the containers' shells expand
# shellcheck source-path=SCRIPTDIR source=lean.sh
. "$(dirname "$0")/lean.sh"
need_lean
need_python
[ -x /bin/busybox ] || skip "needs a static busybox"
busy='echo in $(cat /name); test -d /proc/self && test -c /dev/null && : >/tmp/x'

mkdir -p tree/bin
cp /bin/busybox tree/bin/sh
ln -s sh tree/bin/cat
echo tree >tree/name
before=$(find tree -printf '%p %m %T@\n')

doing=closure
expect 0 "$prep" create t --rootfs "closure:sh,$python"
expect 0 "$run" t -- python3 -c 'import json, hashlib, socket, threading; print(json.dumps(1))'
prints 1
[ "$("$run" t -- sh -c 'test -d /home || echo none')" = none ] || fail "more than the closure is there"
# Both where Debian has it.
expect 0 "$run" t -- true
expect 0 "$run" t -- /bin/true
expect 1 "$prep" create u --rootfs closure:/tmp/x
said err 'cannot be seen in containers'
case $build_dir in
/tmp/*) ;;
*)
	# A script brings its interpreter.
	script=$build_dir/tests/lean/script.$$
	if { printf '#!/bin/sh\necho script\n' >"$script"; } 2>/dev/null; then
		cleanups+=("rm -f $script")
		chmod 755 "$script"
		expect 0 "$prep" create u --rootfs "closure:$script"
		expect 0 "$run" u -- "$script"
		prints script
	fi
	;;
esac

doing=tar
tar -C tree -czf tree.tgz .
expect 0 "$prep" create tar --rootfs "tar:$PWD/tree.tgz"
expect 0 "$run" tar -- sh -c "$busy"
prints "in tree"
# What is in an image is its maker's affair.
expect 127 "$run" tar -- no-such-command
said err 'no-such-command: no such command in the containers of tar'

doing=dir
chmod 755 tree tree/bin
expect 0 "$prep" create dir --rootfs "dir:$PWD/tree"
expect 0 "$run" dir -- sh -c "$busy"
prints "in tree"
# What changes there changes in the containers to come.
echo changed >tree/name
expect 0 "$run" dir -- sh -c "$busy"
prints "in changed"
echo tree >tree/name
[ "$(find tree -printf '%p %m\n' | sort)" = "$(cut -d ' ' -f 1-2 <<<"$before" | sort)" ] || fail "the directory was changed"
mkdir 'odd:na,me'
cp -r tree/. 'odd:na,me'
expect 0 "$prep" create odd --rootfs "dir:$PWD/odd:na,me"
expect 0 "$run" odd -- sh -c "$busy"

doing=host
expect 0 "$prep" create host --rootfs host
expect 0 "$run" host -- "$python" -c 'import json; print("python")'
prints python
expect 0 "$run" host -- sh -c '(ls -A /root; ls -A /home) 2>/dev/null | wc -l; cat /etc/shadow 2>/dev/null | wc -l; ls /tmp | wc -l'
prints "0
0
0"

doing="host, writable"
# Whoever owns the host's files is whom the containers run as: only the overlay keeps them from them.
expect 0 "$prep" create hostw --rootfs host --writable --user 0
[ ! -e /etc/mitosis-test.$$ ] && [ ! -e /usr/mitosis-test.$$ ] || broken "files of an earlier test"
cleanups+=("rm -f /etc/mitosis-test.$$ /usr/mitosis-test.$$")
before=$(sha256sum /etc/passwd)
expect 0 "$run" hostw -- sh -c "echo new | tee /etc/mitosis-test.$$ >/usr/mitosis-test.$$; echo x >>/etc/passwd
	cat /etc/mitosis-test.$$ /usr/mitosis-test.$$; tail -n 1 /etc/passwd; rm /bin/cat; test -e /bin/cat || echo gone"
if [ "$(id -u)" = 0 ]; then
	prints "new
new
x
gone"
else
	# Only what its user owns can be replaced; the host's files are root's, whom this namespace lacks.
	! grep -qx -e x -e gone out || fail "the host's files could be changed"
fi
[ ! -e /etc/mitosis-test.$$ ] && [ ! -e /usr/mitosis-test.$$ ] || fail "the host has what the container wrote"
[ "$(sha256sum /etc/passwd)" = "$before" ] && [ -e /bin/cat ] || fail "the host's files were changed"
expect 1 "$run" hostw -- sh -c "test -e /etc/mitosis-test.$$ || test -e /usr/mitosis-test.$$"
if [ "$(id -u)" = 0 ]; then
	# A part of the host that is a file system of its own, and not that of the tools.
	part=/opt
	[[ $prep != /opt/* && $PWD != /opt/* ]] || part=/srv
	expect 0 unshare -m --propagation private sh -c "mount -t tmpfs none $part && echo lower >$part/lower &&
		'$prep' create parts --rootfs host --writable --user 0 && '$run' parts -- sh -c 'cat $part/lower; echo new >$part/new; cat $part/new' &&
		ls $part"
	prints "lower
new
lower"
fi

doing=oci
if command -v umoci >/dev/null; then
	umoci init --layout layout >/dev/null 2>&1 && umoci new --image layout:v1 >/dev/null 2>&1 || broken umoci
	rootless=
	[ "$(id -u)" = 0 ] || rootless=--rootless
	umoci unpack $rootless --image layout:v1 bundle >/dev/null 2>&1 || broken "umoci unpack"
	cp -r tree/. bundle/rootfs
	umoci repack --image layout:v1 bundle >/dev/null 2>&1 || broken "umoci repack"
	umoci config --image layout:v1 --config.env WHO=image --config.workingdir /bin --config.cmd sh --config.cmd -c \
		--config.cmd 'echo $WHO in $PWD with $(cat /name)' >/dev/null 2>&1 || broken "umoci config"
	expect 0 "$prep" create oci --rootfs "oci:$PWD/layout:v1"
	expect 0 "$run" oci
	prints "image in /bin with tree"
	expect 0 "$run" oci --env WHO=me -- sh -c 'echo $WHO'
	prints me
	expect 1 "$prep" create none --rootfs "oci:$PWD/layout:no-such-tag"
	said err umoci

	doing="docker-archive"
	if command -v skopeo >/dev/null; then
		skopeo copy --insecure-policy --quiet oci:layout:v1 docker-archive:image.tar:app:v1 >/dev/null 2>&1 || broken skopeo
		expect 0 "$prep" create docker --rootfs "docker-archive:$PWD/image.tar"
		expect 0 "$run" docker
		prints "image in /bin with tree"
		[ "$(ls "$MITOSIS_LEAN_DIR/lib/docker" | tr '\n' ' ')" = "rootfs template " ] || fail "more than the tree is kept"
	fi
fi
doing="a tool that is missing"
mkdir bin
for program in sh tar; do ln -s "$(command -v $program)" bin; done
expect 1 env PATH="$PWD/bin" "$prep" create none --rootfs "docker-archive:$PWD/image.tar"
said err 'skopeo: No such file or directory (package skopeo)'

if [ -n "${MITOSIS_MINBASE:-}" ]; then
	doing=minbase
	expect 0 "$prep" create minbase --rootfs "minbase:$MITOSIS_MINBASE"
	expect 0 "$run" minbase -- sh -c '. /etc/os-release; echo $ID'
	prints debian
fi
exit 0
