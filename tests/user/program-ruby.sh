#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# program-ruby.sh - a program of Ruby's, whose threads take turns by a timer.
# shellcheck source-path=SCRIPTDIR source=program.sh
. "$(dirname "$0")/program.sh"
need_command ruby

cat >count.rb <<'RUBY'
$stdout.sync = true
step = sum = beats = 0
slots = {}
# One that sleeps, and one that never waits.
Thread.new { loop { sleep 0.002; beats += 1 } }
Thread.new { loop { beats += 1 } }

loop do
  10000.times do
    step += 1
    slots["slot #{step % 1000}"] = { text: ((31 * step + 7) % 1000003).to_s }
    sum += step
  end
  before = beats
  Thread.pass until beats > before
  wrong = sum != step * (step + 1) / 2
  (step - 999..step).each { |s| wrong ||= slots["slot #{s % 1000}"][:text] != ((31 * s + 7) % 1000003).to_s }
  puts wrong ? "wrong" : "#{step} #{sum}"
  exit! 1 if wrong
  exit 7 if File.exist?("end") || File.open("/dev/stdin") { |own| own.read(3) } == "end"
end
RUBY
count_twice ruby count.rb
