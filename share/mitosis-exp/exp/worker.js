// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
// The process that holds a function for node: see foreign.py, which starts it and tells it what to do.
//
//     node worker.js FILE.js
"use strict"
const now = () => Number(process.hrtime.bigint())
const first = now()
const fs = require("fs")
// What the function prints goes to standard error. To look at process.stdout would make a pipe one that does not wait.
Object.defineProperty(process, "stdout", { get: () => process.stderr })
console.log = console.info = console.debug = console.error

const path = process.argv[2]
let module_, event, expected, rest = ""
const times = {}

// It waits in a read(2): a child goes on there, with a standard input of its own.
function readLine() {
    const buffer = Buffer.alloc(65536)
    while (!rest.includes("\n")) {
        const n = fs.readSync(0, buffer)
        if (!n)
            process.exit(0)
        rest += buffer.toString("latin1", 0, n)
    }
    const at = rest.indexOf("\n"), line = rest.slice(0, at)
    rest = rest.slice(at + 1)
    return JSON.parse(Buffer.from(line, "latin1").toString("utf8"))
}

function write(answer) {
    let data = Buffer.from(JSON.stringify(answer) + "\n")
    while (data.length)
        data = data.subarray(fs.writeSync(1, data))
}

function call(begun) {
    const begin = now(), result = module_.handler(event), end = now()
    if (result === undefined)
        throw new Error("handler: its result is not JSON")
    expected = expected === undefined ? result : expected
    return { ...times, first: begun, begin, end, result, expected, path, branch: 0,
             rss: process.memoryUsage.rss() }
}

for (;;) {
    const order = readLine(), begun = now()
    try {
        if (order.do === "begin") {
            times.import_begin = now()
            module_ = require(path)
            times.import_end = now()
            if (typeof module_.handler !== "function")
                throw new Error("there is no exports.handler(event) in it")
            event = order.event
            write(order.call ? call(first) : { ...times, first })
        } else if (order.do === "input") {
            write({ input: module_.makeInput(event) })
        } else {
            write(call(begun))
        }
    } catch (error) {
        write({ error: `${path}: ${error.name}: ${error.message}`.replace(/\s+/g, " ") })
    }
}
