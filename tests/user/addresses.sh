#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# A name that stands for several addresses, as localhost does in the hosts file of most systems: each of them
# is tried, by every tool, and what is told when all fail is the reason that says most.
# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$0")/../lib.sh"
own_hosts "127.0.0.1 localhost" "::1 localhost ip6-localhost ip6-loopback" \
	"127.0.0.2 both" "::1 both" "127.0.0.1 both" "192.0.2.9 half" "127.0.0.1 half" "127.0.0.1 four"
families="127.0.0.1"
if [ -e /proc/net/if_inet6 ] && grep -q 'lo$' /proc/net/if_inet6; then
	families="127.0.0.1 [::1]"
fi

# by_name NAME: the last reference with a name in it
by_name() { named=mitosis://$1:$port/${ref##*/}; }
serve() { MITOSIS_TEST_LISTEN=$1 start_parent "$state_tool" data; }

reached() {
	doing="$2, by $1"
	by_name "$1"
	run_child 20000 --mode eager "$named"
	expect_status 0
	expect_output "ok data"
	expect_silence
}

for at in $families; do
	serve "$at"
	reached localhost "$at"
	reached LOCALHOST. "$at"
	reached both "$at"
	if [ -x "$python" ]; then
		expect 0 env PYTHONPATH="$tests_dir/../share/mitosis-exp/python" "$python" -c \
			'import mitosis, sys; print(mitosis.query(sys.argv[1]).pages)' "$named"
	fi
	expect 0 "$bin_dir/mitosis-ls" --release "$named"
	end_parent
	for tool in resume exectime; do
		start_parent "$bin_dir/mitosis-$tool" --serve --wss 1M --listen "$at"
		by_name both
		expect 0 "$bin_dir/mitosis-$tool" --mode eager -n 1 "$named"
	done
	forget_parent
done
serve 127.0.0.2
reached both 127.0.0.2
end_parent

doing="a machine that does not know its own name"
serve 0.0.0.0
[ "${ref#mitosis://"$(uname -n)":}" != "$ref" ] || fail "the reference is for another host: $ref"
run_child 20000 --mode eager "$ref"
expect_status 0
expect_output "ok data"
expect_silence
if [ -x "$python" ]; then
	expect 0 env PYTHONPATH="$tests_dir/../share/mitosis-exp/python" "$python" -c \
		'import mitosis, sys; print(mitosis.query(sys.argv[1]).pages)' "$ref"
fi
expect 0 "$bin_dir/mitosis-ls" --release "$ref"
end_parent

doing="lean containers"	# which have no resolver: all addresses are handed in
export MITOSIS_LEAN_DIR=$work_dir/lean
if "$bin_dir/mitosis-leanprep" create t --rootfs closure:/bin/true 2>prep.out; then
	for at in $families 127.0.0.2; do
		serve "$at"
		by_name both
		expect 0 "$bin_dir/mitosis-leanrun" t --child "$named"
		[ "$(<out)" = "ok data" ] || fail "$at: $(cat out)"
		[ "$at" = 127.0.0.2 ] || by_name localhost
		expect 0 "$bin_dir/mitosis-leanrun" t --child "$named" --count 2
		# Whoever says the address needs no name that is known.
		by_name no-such-name
		expect 0 "$bin_dir/mitosis-leanrun" t --child "$named" -- --address "${at//[][]/}"
		expect 125 "$bin_dir/mitosis-leanrun" t --child "$named"
		said err '^mitosis-leanrun: no-such-name: '
		end_parent
	done
	by_name both
	expect 125 "$bin_dir/mitosis-leanrun" t --child "$named"
	said err "both:$port: cannot connect: .*Connection refused (3 addresses tried)"
	"$bin_dir/mitosis-leanprep" rm t >/dev/null 2>&1 || fail "leanprep rm"
else
	echo "no lean containers here: $(tail -n 1 prep.out)" >&2
fi

doing="addresses of the family that no interface has"	# but the loopback one: getent(1) leaves them out
ip addr add 10.99.0.1/32 dev lo || broken "ip addr"
for at in $families; do
	if [ "$at" = "[::1]" ]; then
		serve "$at"
		reached localhost "$at"
		end_parent
		ip addr del 10.99.0.1/32 dev lo
		ip addr add fd00:99::1/128 dev lo nodad || broken "ip addr"
		serve 127.0.0.1
		reached four 127.0.0.1
		reached localhost 127.0.0.1
		end_parent
	fi
done

doing="given addresses"
serve 127.0.0.1
by_name no-such-name
run_child 20000 --mode eager --address ::1,192.0.2.9,127.0.0.2,127.0.0.1 "$named"
expect_status 0
expect_silence
for wrong in "" "127.0.0.1," localhost 127.0.0.1:80 ","; do
	run_child 20000 --mode eager --address "$wrong" "$named"
	expect_status 2
	expect_message "$wrong: not a list of addresses"
done
run_child 20000 "$named"
expect_status 125
expect_message "no-such-name: host name not known"

doing="an address that does not answer"	# its queue of connections is full
cat >full.py <<'END'
import socket, sys
listener = socket.socket()
listener.bind(("127.0.0.2", int(sys.argv[1])))
listener.listen(0)
waiting = []
while True:
    waiting.append(socket.socket())
    waiting[-1].settimeout(0.3)
    try:
        waiting[-1].connect(listener.getsockname())
    except TimeoutError:
        break
print("full", flush=True)
sys.stdin.read()
END
if [ -x "$python" ]; then
	mkfifo full.hold
	"$python" full.py "$port" <full.hold >full.out 2>full.err &
	pids+=("$!")
	exec {full_fd}>full.hold
	await 10000 has_line full.out full
	begin=$(now_ms)
	run_child 30000 --mode eager --timeout 6s --address 127.0.0.2,127.0.0.1 "$named"
	expect_status 0
	took=$(($(now_ms) - begin))
	((took >= 2900)) || fail "it was not waited for, but $took ms"
	run_child 20000 --mode eager --timeout 300ms --address 127.0.0.2,::1,192.0.2.9 "$named"
	expect_status 125
	# That nobody listens at ::1 says more than silence; where there is no IPv6 silence is all.
	if [ "$families" = 127.0.0.1 ]; then
		expect_message "127.0.0.2: Connection timed out (3 addresses tried)"
	else
		expect_message "::1: Connection refused (3 addresses tried)"
	fi
	exec {full_fd}>&-
fi
end_parent

doing="nobody listens"
by_name half
run_child 20000 "$named"
expect_status 125
expect_message "mitosis-child: half:$port: cannot connect: 127.0.0.1: Connection refused (2 addresses tried)"
run_child 20000 --address 127.0.0.1,192.0.2.9 "$named"
expect_message "mitosis-child: half:$port: cannot connect: 127.0.0.1: Connection refused (2 addresses tried)"
run_child 20000 --address 192.0.2.9 "$named"
expect_message "mitosis-child: half:$port: cannot connect: 192.0.2.9: Network is unreachable"
expect 1 "$bin_dir/mitosis-ls" --release "$named"
said err "half:$port: cannot connect: 127.0.0.1: Connection refused (2 addresses tried)"
exit 0
