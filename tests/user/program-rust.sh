#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# program-rust.sh - a program of Rust's, with threads that send each other messages.
# shellcheck source-path=SCRIPTDIR source=program.sh
. "$(dirname "$0")/program.sh"
need_command rustc

cat >count.rs <<'RUST'
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::mpsc;
use std::{fs, process, thread};

fn note(s: u64) -> String {
    ((31 * s + 7) % 1000003).to_string()
}

fn ended() -> bool {
    let mut text = String::new();
    fs::File::open("/dev/stdin").unwrap().read_to_string(&mut text).unwrap();
    text.starts_with("end") || fs::metadata("end").is_ok()
}

fn main() {
    let (to, from) = mpsc::sync_channel(100);
    thread::spawn(move || {
        for s in 1u64.. {
            to.send((s, note(s))).unwrap();
        }
    });
    let (mut step, mut sum, mut slots) = (0, 0, BTreeMap::new());
    loop {
        for _ in 0..10000 {
            let (s, text) = from.recv().unwrap();
            step += 1;
            sum += s;
            slots.insert(step % 1000, text);
        }
        let right = sum == step * (step + 1) / 2 && (step - 999..=step).all(|s| slots[&(s % 1000)] == note(s));
        let mut out = std::io::stdout();
        if !right {
            writeln!(out, "wrong").unwrap();
            process::exit(1);
        }
        writeln!(out, "{} {}", step, sum).unwrap();
        if ended() {
            process::exit(7);
        }
    }
}
RUST
rustc -O -o count count.rs 2>rust.err || skip "rustc makes no programs here: $(tail -n 1 rust.err)"
count_twice ./count
