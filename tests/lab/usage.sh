#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# mitosis-lab without a lab: bad words are refused, what is missing is named with its package.

# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

expect 0 lab --help
said out 'kernels that a lab can boot'
expect 0 lab --version
said out '^mitosis-lab (mitosis-exp '
for verb in run up exec shell status down link kill console kernels; do
	expect 0 lab $verb --help
done
closed_lab() { lab "$@" >&-; }
for each in --help:1 --version:1 kernels:125 status:125; do
	expect ${each#*:} closed_lab ${each%:*}
	said err '^mitosis-lab: .*: Bad file descriptor$'
done

# refuse PATTERN WORD...: wrong usage, and the message names the word
refuse() {
	local pattern=$1
	shift
	expect 2 lab "$@"
	said err "$pattern"
	[ ! -s out ] || fail "wrong usage, and yet output: $*"
}
refuse 'VERB' nonsense
refuse 'Try .mitosis-lab --help' run --nonsense
refuse 'no command' run -n 2
refuse 'expected node1' run -n 2 uname
refuse 'not both' run node1:true -- true
refuse 'more than one command' run node1:true node1:true
refuse '0: not a number' run -n 0 -- true
refuse '12: not a size' run --memory 12 -- true
refuse 'brittle: expected down, up' run --link brittle -- true
refuse 'loss=2: expected' run --link loss=2 -- true
refuse 'there is no node2' run --smp node2=2 -- true
refuse 'there is no node3' run -n 2 --kill node3 -- true
refuse 'bogus: not a node' exec bogus -- true
refuse '^mitosis-lab: --timeout: never: not a duration' run --timeout never -- true
refuse '^mitosis-lab: --boot-timeout: 1min: not a duration' run --boot-timeout 1min -- true
refuse '^mitosis-lab: --kill: x: not a duration' run --kill node1@x -- true
refuse 'run: no command' run --timeout 5ns --boot-timeout 1.5us
refuse 'not a name' up --name a/b
expect 125 lab exec --name test.nowhere node1 -- true
said err 'test.nowhere: no such lab is up'

# Without a program, a kernel or a module: 77 and what to install.
mkdir empty
for each in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static rdma:iproute2; do
	need_command "${each%%:*}"
	rm -rf path && mkdir path
	for dir in /sbin /usr/sbin /bin /usr/bin /usr/local/bin; do
		ln -sf "$dir"/* path/
	done
	rm -f "path/${each%%:*}"
	PATH=$work_dir/path expect 77 lab run -- true
	said err "${each%%:*} is missing (Debian package: ${each##*:})"
done
expect 77 lab run --kernel 0.0.1 -- true
said err 'kernel 0.0.1 is missing (Debian package: linux-image-'
expect 77 lab run --kernel "$work_dir/empty" -- true
said err 'no kernel in this directory'

mkdir -p bare/lib/modules/9.9.9 && : >bare/vmlinuz-9.9.9
expect 77 lab run --kernel bare -- true
said err 'run depmod -b'
mkdir -p bare/usr/lib/modules/9.9.10 && : >bare/usr/lib/modules/9.9.10/vmlinuz
expect 77 lab run --kernel bare -- true
said err '/bare/usr/lib/modules/9.9.10: no modules.dep: run depmod -b .*/bare/usr 9.9.10'
MITOSIS_LAB_KERNELS=$work_dir/bare expect 0 lab kernels
said out '^9.9.9	no'
said out '^9.9.10	no'
exit 0
