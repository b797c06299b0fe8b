#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# service-go.sh - an HTTP server of Go's, static and with cgo, whose memory is collected at each request, and whose timers go
# on in a child.
# shellcheck source-path=SCRIPTDIR source=service.sh
. "$(dirname "$0")/service.sh"
need_command go

cat >server.go <<'END_OF_GO'
package main

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

func main() {
	var count, ticks int64
	go func() {
		for range time.Tick(5 * time.Millisecond) {
			atomic.AddInt64(&ticks, 1)
		}
	}()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		runtime.GC()
		fmt.Fprintln(w, atomic.AddInt64(&count, 1))
	})
	http.HandleFunc("/ticks", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, atomic.LoadInt64(&ticks))
	})
	fmt.Println(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
END_OF_GO
# A part in C makes the other kind.
cat >cgo.go <<'END_OF_GO'
package main

/*
#include <pthread.h>
*/
import "C"

func init() { C.pthread_self() }
END_OF_GO
export GOCACHE=$work_dir/cache
and_then=timers_go_on
for cgo in 0 1; do
	files=(server.go)
	((cgo)) && files+=(cgo.go)
	((cgo)) && ! command -v gcc >/dev/null && skip "needs gcc for its second half; the first has passed"
	CGO_ENABLED=$cgo go build -o "server$cgo" "${files[@]}" 2>go.err || broken "$(cat go.err)"
	port_served=$(free_port)
	start_service http "$port_served" "./server$cgo" "$port_served"
	serve_twice
done
