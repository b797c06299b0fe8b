#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# The command lines of README.md, of the tutorial and of the man pages' examples do what they say, as they are
# printed: docs/examples.py. Those that start virtual machines are in docs-lab.sh.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need_python
need_uffd
kind=${docs_kind:-local}
top=$(cd "$tests_dir/.." && pwd)
export MITOSIS_EXP_DIR=${MITOSIS_EXP_DIR:-$top/share/mitosis-exp}
export MITOSIS_LAB_DIR=${MITOSIS_LAB_DIR:-$top/share/mitosis-exp/lab}
export PATH=$work_dir/bin:$bin_dir:$PATH

# What the pages take for granted: where one has built, files of one's own, and sudo, which root need not have.
ln -s "$build_dir" build
mkdir bin my
if [ "$(id -u)" = 0 ]; then
	printf '#!/bin/sh\nexec "$@"\n' >bin/sudo
	chmod +x bin/sudo
fi
printf 'def handler(event):\n    return sum(range(event["n"]))\n' >my.py
printf 'import time\nwhile True:\n    time.sleep(0.1)\n' >service.py
cat >Server.java <<'END'
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.concurrent.atomic.AtomicInteger;

class Server {
    public static void main(String[] arguments) throws Exception {
        AtomicInteger requests = new AtomicInteger();
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 3000), 0);
        server.createContext("/", exchange -> {
            byte[] text = ("request " + requests.incrementAndGet() + "\n").getBytes();
            exchange.sendResponseHeaders(200, text.length);
            exchange.getResponseBody().write(text);
            exchange.close();
        });
        server.start();
        System.out.println("listening at port 3000");
    }
}
END
cat >process.py <<'END'
import socket, time
server = socket.create_server(("127.0.0.1", 8080))
while True:
    print("serving", flush=True)
    time.sleep(0.1)
END
printf '[[pass]]\nhost = ["val01", "val03"]\ncmd = "mitosis-prepare --wss 1M --count 3"\n' >my/run.toml
if [ "$kind" = local ]; then
	mitosis-prepare --wss 1M,64M --count 3 --engine user,local >runs.tsv || broken "runs.tsv"
	cp runs.tsv before.tsv
	cp runs.tsv after.tsv
	cleanups+=("mitosis-leanprep rm hello")
	"$python" process.py >process.out &
	pids+=("$!")
	echo "$!" >service.pid
	await 10000 grep -q serving process.out
	start_parent mitosis-parent --label web
	mitosis-resume --serve --wss 1M >serve.out 2>serve.err &
	pids+=($!)
	await 10000 grep -q ^mitosis serve.out
else
	cleanups+=("$bin_dir/mitosis-lab down --name $MITOSIS_LAB_NAME")		# if its block did not come to that
fi
"$python" "$tests_dir/docs/examples.py" "$top" "$kind" "$work_dir" || fail "see above"
exit 0
