#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# service-ruby.sh - an HTTP server of Ruby's, with a thread for each request, and one that counts time.
# shellcheck source-path=SCRIPTDIR source=service.sh
. "$(dirname "$0")/service.sh"
need_command ruby

cat >server.rb <<'END_OF_RUBY'
require "socket"
count = ticks = 0
lock = Mutex.new
Thread.new { loop { sleep 0.005; ticks += 1 } }
server = TCPServer.new("127.0.0.1", Integer(ARGV[0]))
loop do
  Thread.new(server.accept) do |connection|
    asked = connection.gets
    nil until connection.gets.to_s.strip.empty?
    number = asked.include?("/ticks") ? ticks : lock.synchronize { count += 1 }
    GC.start
    connection.write "HTTP/1.0 200 OK\r\n\r\n#{number}\n"
    connection.close
  end
end
END_OF_RUBY
and_then=timers_go_on
port_served=$(free_port)
start_service http "$port_served" ruby server.rb "$port_served"
serve_twice
