#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# A container runs like a command: standard streams, exit status, signals, environment, job control,
# a terminal; and what cannot be run says why.
# shellcheck disable=SC2317,SC2016 # await calls functions; the containers' shells expand
# shellcheck source-path=SCRIPTDIR source=lean.sh
. "$(dirname "$0")/lean.sh"
need_lean
need_python

expect 0 "$prep" create t --rootfs "closure:/bin/sh,cat,env,sleep,ps,kill,$python"

doing="standard streams"
expect 0 "$run" t -- "$python" -c 'print(1)'
prints 1
printf 'one\ntwo' >in
input=in expect 0 "$run" t -- cat
cmp -s in out || fail "standard input does not come out as it went in"
expect 0 "$run" t -- sh -c 'echo out; echo err >&2'
prints out
[ "$(<err)" = err ] || fail "standard error is '$(<err)'"
# Megabytes, and a reader that goes away.
[ "$(head -c 5000000 /dev/zero | "$run" t -- cat | wc -c)" = 5000000 ] || fail "bytes were lost"
"$run" t -- sh -c 'while :; do echo y; done' 2>err | head -n 1 >out
prints y

doing="exit status"
for n in 0 1 42 125 255; do
	expect "$n" "$run" t -- sh -c "exit $n"
	expect "$n" "$run" --no-init t -- sh -c "exit $n"
done
expect 127 "$run" t -- no-such-command
said err 'no-such-command: not in the closure .*create t --rootfs closure:/bin/sh,cat,.*,no-such-command, with'
expect 127 "$run" t -- /no/such/command
said err '/no/such/command: not in the closure .*mitosis-leanprep rm t; '
expect 126 "$run" t -- /etc/passwd
expect 143 "$run" t -- sh -c 'kill -TERM $$'
expect 134 "$run" t -- "$python" -c 'import os; os.abort()'
expect 2 "$run" t
said err 'no command given'
expect 125 "$run" nosuch -- true
said err 'nosuch: no such template'
expect 2 "$run"
expect 2 "$run" t --no-such-option -- true

doing="too few descriptors"
for limit in $(seq 4 16); do
	status=0
	bash -c 'ulimit -n "$1" && shift && exec "$@"' - "$limit" "$run" t -- sh -c 'echo fine' >out 2>err </dev/null || status=$?
	if [ "$status" = 0 ]; then
		prints fine
	else
		[ "$status" = 125 ] && [ "$(grep -c '^mitosis-leanrun: ' err)" = 1 ] || fail "$limit: status $status: $(<err)"
		cat err >>limits
	fi
done
# What a user's containers need before is more than that; and where there is no group to be held, less.
! "$prep" inspect t | grep -q '^group	/' || [ "$(id -u)" != 0 ] || said limits 't: signals: Too many open files'
[ "$(grep -vc ': Too many open files$' limits)" = 0 ] || fail "$(<limits)"
[ "$status" = 0 ] || fail "$limit are too few"

doing="environment"
SECRET=1 KEPT=2 expect 0 "$run" t --env A=b --env KEPT --env NOT_SET --env HOME=/x -- env
! grep -q SECRET out || fail "the caller's environment is in the container"
for line in A=b KEPT=2 HOME=/x 'PATH=.*/bin'; do said out "^$line\$"; done
! grep -q NOT_SET out || fail "a variable that is not set was passed on"
expect 0 "$run" t --directory /usr -- sh -c 'pwd'
prints /usr
expect 125 "$run" t --directory /nowhere -- sh -c 'pwd'
said err '/nowhere: No such file'
expect 0 "$run" t -- "$python" -c 'import os, socket; print(os.getpid() > 1, socket.gethostname(), os.listdir("/tmp"), open("/proc/self/comm").read().strip()[:6])'
prints "True t [] python"

doing="signals"
ready() { has_line out ready; }
# start COMMAND...: in the background, until it has printed "ready"
start() {
	: >out
	"$run" "$@" >out 2>err </dev/null &
	child=$!
	pids+=("$child")
	await 20000 ready
}
start t -- sh -c 'trap "echo got USR1; exit 5" USR1; echo ready; while :; do sleep 0.05; done'
kill -USR1 "$child"
finish "$child" 20000
[ "$status" = 5 ] || fail "the status of a handled signal is $status"
said out 'got USR1'
for options in "" --no-init; do
	for signal in TERM:143 INT:130 HUP:129; do
		doing="signals, $options $signal"
		# In a shell's background SIGINT is ignored, which is inherited as anywhere.
		start $options t -- "$python" -c 'import signal, time
for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(s, signal.SIG_DFL)
print("ready", flush=True)
time.sleep(1000)'
		kill -"${signal%:*}" "$child"
		finish "$child" 20000
		[ "$status" = "${signal#*:}" ] || fail "the status is $status"
	done
done
doing="killed"
start t -- sh -c "sleep 1000.$$ & echo ready; wait"
inner() { pgrep -f "^sleep 1000.$$\$" >/dev/null; }
await 20000 inner
kill -KILL "$child"
finish "$child" 20000
not_inner() { ! inner; }
await 20000 not_inner

doing="orphans are reaped"
expect 0 "$run" t -- sh -c 'i=0; while [ $i -lt 20 ]; do (sleep 0 &); i=$((i + 1)); done; sleep 0.3; ps -eo stat='
! grep -q Z out || fail "there are zombies: $(<out)"

doing="stop and go on"
start t -- sh -c 'echo ready; while :; do echo tick; sleep 0.05; done'
kill -TSTP "$child"
stopped() { [ "$(awk '{ print $3 }' "/proc/$child/stat")" = T ]; }
await 20000 stopped
lines=$(wc -l <out)
sleep 0.5	# nothing happens in it: the absence of a line cannot be awaited
[ "$(wc -l <out)" = "$lines" ] || fail "it went on while it was stopped"
kill -CONT "$child"
more() { [ "$(wc -l <out)" -gt "$lines" ]; }
await 20000 more
kill -TERM "$child"
finish "$child" 20000

doing="a terminal"
cat >terminal.py <<-'END'
	import os, pty, select, sys, time, struct, fcntl, termios
	def dialogue(argv, steps):
	    pid, fd = pty.fork()
	    if pid == 0:
	        os.execv(argv[0], argv)
	    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
	    seen, end = b"", time.monotonic() + 30
	    for wanted, reply in steps:
	        while wanted not in seen:
	            if time.monotonic() > end or not select.select([fd], [], [], 1)[0]:
	                if time.monotonic() > end:
	                    sys.exit(f"no {wanted} in {seen}")
	                continue
	            try:
	                seen += os.read(fd, 4096)
	            except OSError:
	                sys.exit(f"ended without {wanted}: {seen}")
	        seen = seen[seen.index(wanted) + len(wanted):]
	        os.write(fd, reply)
	    while True:
	        if time.monotonic() > end:
	            sys.exit(f"it does not end, and said {seen}")
	        if not select.select([fd], [], [], 1)[0]:
	            continue
	        try:
	            more = os.read(fd, 4096)
	            if not more:
	                break
	            seen += more
	        except OSError:
	            break
	    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
	run, python = sys.argv[1:]
	program = 'import os, sys, signal\nprint(os.ttyname(0), os.isatty(1), os.get_terminal_size().columns, os.tcgetpgrp(0) == os.getpgrp(), flush=True)\ntry:\n  print("type", flush=True)\n  print("got", input(), flush=True)\n  print("again", flush=True)\n  input()\nexcept KeyboardInterrupt:\n  print("interrupted", flush=True)\n  sys.exit(9)'
	code = dialogue([run, "t", "--", python, "-c", program],
	                [(b"/dev/pts/0 True 77 True", b""), (b"type", b"hello\n"), (b"got hello", b""), (b"again", b"\x03"), (b"interrupted", b"")])
	assert code == 9, code
	# Ctrl-C ends what does not handle it, and the user's terminal is as before.
	code = dialogue([run, "t", "--", "cat"], [(b"", b"hello\n"), (b"hello\r\nhello\r\n", b"\x03")])
	assert code in (130, -2), code
	# A shell has job control. It may warn of the stopped job at the first exit.
	code = dialogue([run, "t", "--", "sh", "-i"], [(b"# ", b"(printf 'st%s\\n' arted; exec sleep 1000)\n"), (b"started", b"\x1a"), (b"Stopped", b"kill -KILL %1; wait\n"), (b"# ", b"printf 'do%s\\n' ne\n"), (b"done\r", b"exit 3\nexit 3\n")])
	assert code == 3, code
	# Whatever lacks a descriptor, it says so and ends.
	said = ""
	for limit in range(5, 20):
	    pid, fd = pty.fork()
	    if pid == 0:
	        os.execvp("bash", ["bash", "-c", 'ulimit -n "$1" && shift && exec "$@"', "-", str(limit), run, "t", "--", "sh", "-c", "echo fine"])
	    text = b""
	    try:
	        while True:
	            text += os.read(fd, 4096)
	    except OSError:
	        os.close(fd)
	    code, text = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text.decode()
	    assert (code, text) == (0, "fine\r\n") or (code == 125 and text.startswith("mitosis-leanrun: ") and text.count("\n") == 1), (limit, code, text)
	    said += text
	assert "mitosis-leanrun: t: terminal: Too many open files" in said and "fine" in said, said
	print("fine")
END
expect 0 timeout 120 "$python" terminal.py "$run" "$python"
prints fine
exit 0
