// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
// JSON to objects and back, in node.
//
// The document is that of json.py.
//
// Event: orders (1000).
"use strict"
const CITIES = ["Aachen", "Bergen", "Coimbra", "Dakar", "Esbjerg", "Faro", "Gdansk", "Hanoi"]

exports.makeInput = event => JSON.stringify(Array.from({ length: event.orders ?? 1000 }, (_, number) => ({
    id: number,
    customer: { name: `customer ${number * 7919 % 1009}`, city: CITIES[number * 31 % CITIES.length] },
    items: [0, 1, 2, 3].map(item => ({
        sku: (number * 17 + item).toString(16).padStart(8, "0"), count: item % 5 + 1,
        price: (number * 37 + item * 101) % 10000 / 100,
    })),
    paid: number % 3 === 0, note: null,
})))

exports.handler = event => {
    const found = JSON.parse(event.input), cents = {}
    for (const order of found) {
        const city = order.customer.city
        cents[city] = order.items.reduce((sum, item) => sum + Math.round(item.count * item.price * 100), cents[city] ?? 0)
    }
    return { bytes: JSON.stringify(found, null, 1).length, cents }
}
