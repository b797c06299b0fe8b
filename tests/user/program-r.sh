#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# program-r.sh - a program of R's.
# shellcheck source-path=SCRIPTDIR source=program.sh
. "$(dirname "$0")/program.sh"
need_command R

cat >count.R <<'R'
step <- 0
sum <- 0
slots <- list()
note <- function(s) format((31 * s + 7) %% 1000003)
ended <- function() {
    own <- file("/dev/stdin", raw = TRUE)
    on.exit(close(own))
    identical(readLines(own, 1), "end") || file.exists("end")
}
repeat {
    for (i in 1:2000) {
        step <- step + 1
        slots[[step %% 1000 + 1]] <- note(step)
        sum <- sum + step
    }
    right <- sum == step * (step + 1) / 2
    for (s in (step - 999):step)
        right <- right && slots[[s %% 1000 + 1]] == note(s)
    cat(if (right) sprintf("%.0f %.0f\n", step, sum) else "wrong\n")
    flush(stdout())
    if (!right) quit("no", 1)
    if (ended()) quit("no", 7)
}
R
each=2000
count_twice R --no-echo --vanilla --file=count.R
