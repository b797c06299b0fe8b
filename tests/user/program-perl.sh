#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# program-perl.sh - a program of Perl's.
# shellcheck source-path=SCRIPTDIR source=program.sh
. "$(dirname "$0")/program.sh"
need_command perl

cat >count.pl <<'PERL'
use strict;
use warnings;
$| = 1;
my ($step, $sum, %slots) = (0, 0);

sub ended {
    my $text = "";
    if (open(my $own, "<", "/dev/stdin")) {
        read($own, $text, 3);
        close($own);
    }
    return $text eq "end" || -e "end";
}

do {
    for (1 .. 10000) {
        $step++;
        $slots{"slot " . $step % 1000} = { text => (31 * $step + 7) % 1000003 };
        $sum += $step;
    }
    my $wrong = $sum != $step * ($step + 1) / 2;
    for my $s ($step - 999 .. $step) {
        $wrong ||= $slots{"slot " . $s % 1000}{text} ne (31 * $s + 7) % 1000003;
    }
    print $wrong ? "wrong\n" : "$step $sum\n";
    exit 1 if $wrong;
} until ended();
exit 7;
PERL
count_twice perl count.pl
