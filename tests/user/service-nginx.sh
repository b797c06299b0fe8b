#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# service-nginx.sh - an nginx that is one process; what it counts are its connections.
# shellcheck source-path=SCRIPTDIR source=service.sh
. "$(dirname "$0")/service.sh"
PATH=$PATH:/usr/sbin
need_command nginx

port_served=$(free_port)
cat >nginx.conf <<END
daemon off;
master_process off;
pid $work_dir/nginx.pid;
error_log stderr;
events { }
http {
	access_log off;
	client_body_temp_path $work_dir/body;
	proxy_temp_path $work_dir/proxy;
	fastcgi_temp_path $work_dir/fastcgi;
	uwsgi_temp_path $work_dir/uwsgi;
	scgi_temp_path $work_dir/scgi;
	server {
		listen 127.0.0.1:$port_served;
		location / { return 200 "\$connection\n"; }
	}
}
END
start_service http "$port_served" nginx -p "$work_dir" -c "$work_dir/nginx.conf"
serve_twice
