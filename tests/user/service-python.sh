#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# service-python.sh - servers of the Python library, with a thread for each request and with asyncio.
# shellcheck source-path=SCRIPTDIR source=service.sh
. "$(dirname "$0")/service.sh"

cat >threads.py <<'END'
import http.server, itertools, sys, threading
numbers, lock = itertools.count(1), threading.Lock()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with lock:
            text = b"%d\n" % next(numbers)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
END
for program in "$work_dir/threads.py" "$tests_dir/user/loop.py"; do
	port_served=$(free_port)
	start_service http "$port_served" "$python" "$program" "$port_served"
	serve_twice
done
