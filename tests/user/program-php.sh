#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# program-php.sh - a program of PHP's.
# shellcheck source-path=SCRIPTDIR source=program.sh
. "$(dirname "$0")/program.sh"
need_command php

cat >count.php <<'PHP'
<?php
$step = $sum = 0;
$slots = [];

function ended() {
    // It keeps what paths lead to, that of /dev/stdin among them.
    clearstatcache();
    return file_get_contents("php://stdin", false, null, 0, 3) === "end" || file_exists("end");
}

do {
    for ($i = 0; $i < 10000; $i++) {
        $step++;
        $slots["slot " . $step % 1000] = ["text" => (string) ((31 * $step + 7) % 1000003)];
        $sum += $step;
    }
    $wrong = $sum !== intdiv($step * ($step + 1), 2);
    for ($s = $step - 999; $s <= $step; $s++)
        $wrong = $wrong || $slots["slot " . $s % 1000]["text"] !== (string) ((31 * $s + 7) % 1000003);
    echo $wrong ? "wrong\n" : "$step $sum\n";
    if ($wrong)
        exit(1);
} while (!ended());
exit(7);
PHP
count_twice php count.php
