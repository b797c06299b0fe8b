#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# program-lua.sh - a program of Lua's.
# shellcheck source-path=SCRIPTDIR source=program.sh
. "$(dirname "$0")/program.sh"
lua=$(command -v lua5.4 || command -v lua5.3 || command -v lua) || skip "needs lua"

cat >count.lua <<'LUA'
local step, sum, slots = 0, 0, {}

local function ended()
    local own, file = io.open("/dev/stdin"), io.open("end")
    local text = own and own:read(3)
    if own then own:close() end
    return text == "end" or file
end

local function note(s) return { text = tostring((31 * s + 7) % 1000003) } end

repeat
    for _ = 1, 10000 do
        step = step + 1
        slots[step % 1000] = note(step)
        sum = sum + step
    end
    local wrong = sum ~= step * (step + 1) // 2
    for s = step - 999, step do
        wrong = wrong or slots[s % 1000].text ~= note(s).text
    end
    io.write(wrong and "wrong\n" or string.format("%d %d\n", step, sum)):flush()
    if wrong then os.exit(1) end
until ended()
os.exit(7)
LUA
count_twice "$lua" count.lua
