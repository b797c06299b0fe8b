#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# service-redis.sh - a redis server.
# shellcheck source-path=SCRIPTDIR source=service.sh
. "$(dirname "$0")/service.sh"
need_command redis-server

port_served=$(free_port)
start_service redis "$port_served" redis-server --port "$port_served" --bind 127.0.0.1 --save "" --daemonize no
serve_twice
