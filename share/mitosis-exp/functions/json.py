# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""JSON to objects and back.

The document is a list of orders that a fixed rule makes.

Event: orders (1000).
"""
import json

CITIES = ("Aachen", "Bergen", "Coimbra", "Dakar", "Esbjerg", "Faro", "Gdansk", "Hanoi")


def make_input(event):
    return json.dumps([
        {"id": number, "customer": {"name": f"customer {number * 7919 % 1009}",
                                    "city": CITIES[number * 31 % len(CITIES)]},
         "items": [{"sku": f"{number * 17 + item:08x}", "count": item % 5 + 1,
                    "price": (number * 37 + item * 101) % 10000 / 100} for item in range(4)],
         "paid": number % 3 == 0, "note": None} for number in range(event.get("orders", 1000))])


def handler(event):
    found = json.loads(event["input"])
    totals = {}
    for order in found:
        city = order["customer"]["city"]
        totals[city] = totals.get(city, 0) + sum(round(item["count"] * item["price"] * 100)
                                                 for item in order["items"])
    return {"bytes": len(json.dumps(found, indent=1)), "cents": totals}
