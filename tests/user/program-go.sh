#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# program-go.sh - a static program of Go's: one goroutine never yields, which a collection of memory has to stop by a
# signal to its thread.
# shellcheck source-path=SCRIPTDIR source=program.sh
. "$(dirname "$0")/program.sh"
need_command go

cat >count.go <<'GO'
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"
)

var beats, turns int64

type note struct{ text string }

func of(s int) *note { return &note{strconv.Itoa((31*s + 7) % 1000003)} }

func ended() bool {
	text := make([]byte, 3)
	own, err := os.Open("/dev/stdin")
	if err == nil {
		own.Read(text)
		own.Close()
	}
	_, err = os.Stat("end")
	return string(text) == "end" || err == nil
}

func main() {
	runtime.GOMAXPROCS(4)
	go func() {
		for x := 1; ; x = x*5 + 1 {
			if x == 0 {
				turns++
			}
		}
	}()
	for i := 0; i < 20; i++ {
		go func() {
			for {
				time.Sleep(2 * time.Millisecond)
				atomic.AddInt64(&beats, 1)
			}
		}()
	}
	step, sum, slots := 0, 0, map[int]*note{}
	for {
		for i := 0; i < 10000; i++ {
			step++
			slots[step%1000] = of(step)
			sum += step
		}
		runtime.GC()
		for before := atomic.LoadInt64(&beats); atomic.LoadInt64(&beats) < before+20; {
			time.Sleep(100 * time.Microsecond)
		}
		right := sum == step*(step+1)/2
		for s := step - 999; s <= step; s++ {
			right = right && slots[s%1000].text == of(s).text
		}
		if !right {
			fmt.Println("wrong")
			os.Exit(1)
		}
		fmt.Println(step, sum)
		if ended() {
			os.Exit(7)
		}
	}
}
GO
GOCACHE=$work_dir/cache GOFLAGS=-mod=mod CGO_ENABLED=0 go build -o count count.go 2>go.err || broken "$(cat go.err)"
count_twice ./count
