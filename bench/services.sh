#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Services of several languages: resume of one that has served, until it answers, against a cold start until it answers;
# with a recorded working set and without.
. "$(dirname "$0")/lib.sh"
: "${ROUNDS:=7}"

# Each answers GET / with a number, having loaded what such a service loads.
cat >"$scratch/server.py" <<'END'
import asyncio, decimal, email, json, sqlite3, ssl, sys, urllib.request
from http import HTTPStatus
count = 0
async def serve(reader, writer):
    global count
    await reader.readuntil(b"\r\n\r\n")
    count += 1
    writer.write(f"HTTP/1.0 {HTTPStatus.OK.value} OK\r\n\r\n{json.dumps(count)}\n".encode())
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()
asyncio.run(main())
END
cat >"$scratch/server.js" <<'END'
const http = require("http")
for (const name of ["crypto", "zlib", "url", "stream", "https", "querystring"])
    require(name)
let count = 0
http.createServer((request, answer) => answer.end(JSON.stringify(++count) + "\n"))
    .listen(Number(process.argv[2]), "127.0.0.1")
END
cat >"$scratch/Server.java" <<'END'
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;

public class Server {
    public static void main(String[] arguments) throws Exception {
        AtomicLong count = new AtomicLong();
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])), 0);
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.createContext("/", exchange -> {
            byte[] answer = String.format("%d%n", count.incrementAndGet()).getBytes();
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        server.start();
    }
}
END
cat >"$scratch/server.rb" <<'END'
require "json"
require "socket"
require "set"
server = TCPServer.new("127.0.0.1", ARGV[0].to_i)
count = 0
loop do
  connection = server.accept
  connection.gets("\r\n\r\n")
  connection.write "HTTP/1.0 200 OK\r\n\r\n#{JSON.generate(count += 1)}\n"
  connection.close
end
END

# measure.py NAME REQUEST OUT COMMAND...: PORT in the command is the port; records of all ways, in turns
cat >"$scratch/measure.py" <<'END'
import os, re, signal, socket, subprocess, sys, time
name, request, out, rounds = sys.argv[1], sys.argv[2].encode().decode("unicode_escape").encode(), sys.argv[3], int(sys.argv[4])
command, scratch = sys.argv[5:], os.path.dirname(sys.argv[3])
LIMIT = 60                                      # seconds; nothing takes as long


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def ask(port, process):
    """Until there is an answer: asks again as soon as it is refused."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=LIMIT) as s:
                s.sendall(request)
                answer = b""
                while not re.search(rb"\d+\r?\n$", answer):
                    more = s.recv(4096)
                    if not more:
                        break
                    answer += more
                if answer:
                    return
        except OSError:
            time.sleep(0.0002)
    sys.exit(f"{name}: no answer: {process.args}")


def start(argv):
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)


def end(process, how=signal.SIGTERM):
    process.send_signal(how)
    try:
        process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def cold():
    port = free_port()
    began = time.monotonic_ns()
    process = start([word.replace("PORT", str(port)) for word in command])
    try:
        ask(port, process)
        return time.monotonic_ns() - began
    finally:
        end(process)


parent_port = free_port()
parent = start([word.replace("PORT", str(parent_port)) for word in command])
try:
    for _ in range(200):                        # it has served
        ask(parent_port, parent)
    reference = subprocess.run(["mitosis-parent", "--pid", str(parent.pid)], stdout=subprocess.PIPE, check=True,
                               text=True).stdout.strip()
    working_set = os.path.join(scratch, "set")

    def child(*options):
        port = free_port()
        began = time.monotonic_ns()
        process = start(["mitosis-child", "--quiet", "--publish", f"{parent_port}={port}", *options, reference])
        try:
            ask(port, process)
            return time.monotonic_ns() - began
        finally:
            end(process)

    child("--record", working_set)
    with open(out, "w") as f:
        print("engine", "iter", "answer_ns", sep="\t", file=f)
        for i in range(-1, rounds):
            for way, measure in (("cold", cold), ("resume", child), ("replay", lambda: child("--replay", working_set))):
                ns = measure()
                if i >= 0:
                    print(way, i, ns, sep="\t", file=f)
finally:
    end(parent, signal.SIGKILL)
END

# service NAME REQUEST PROGRAM COMMAND...: if there is the program
service() {
	local name=$1 request=$2 program=$3
	shift 3
	command -v "$program" >/dev/null || {
		echo "  $name: not measured: there is no $program"
		return
	}
	fast python3 "$scratch/measure.py" "$name" "$request" "$scratch/$name" "$ROUNDS" "$@"
	for way in resume replay; do
		row "$name, $way" "$(median "$scratch/$name" answer_ns engine=$way)" "$(median "$scratch/$name" answer_ns engine=cold)" '<= 0.1'
	done
}

get='GET / HTTP/1.0\r\n\r\n'
title "services, taken by their number: resume to the first answer, against cold start to the first answer"
service python "$get" python3 python3 "$scratch/server.py" PORT
service node "$get" node node "$scratch/server.js" PORT
if command -v javac >/dev/null; then
	javac -d "$scratch" "$scratch/Server.java"
	# The file of its number in /tmp would go with the first child.
	service java "$get" java java -XX:-UsePerfData -Xmx64m -cp "$scratch" Server PORT
else
	echo "  java: not measured: there is no javac"
fi
service ruby "$get" ruby ruby "$scratch/server.rb" PORT
service redis 'INCR count\r\n' redis-server redis-server --port PORT --bind 127.0.0.1 --save '' --daemonize no
