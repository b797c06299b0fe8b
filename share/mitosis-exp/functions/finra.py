# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""A workflow: trades and market data are fetched, and many audit rules run on them at the same time.

After the trade validation that FINRA, an authority of the United States, asks for. The first step
fetches a portfolio and the market's prices (here a fixed rule makes them) and leaves them in `state`.
Each second step audits a share of the trades by one rule. It finds the state in the memory that it was
forked with, or is sent it.

Event: rules (4), trades (20000).
"""
KINDS = ("bond", "equity", "option", "future", "fund")
state = None


def first(event):
    """Fetch; the events of the second steps."""
    global state        # pylint: disable=global-statement
    trades, random = [], 1
    prices = {f"S{number:03}": 1000 + number * 7919 % 9000 for number in range(500)}
    for number in range(event.get("trades", 20000)):
        random = random * 48271 % 0x7fffffff
        symbol = f"S{random % 500:03}"
        trades.append({"id": number, "symbol": symbol, "kind": KINDS[random % 5],
                       "count": random % 997 + 1, "price": prices[symbol] + random % 301 - 150,
                       "second": number * 3 % 28800, "broker": random % 41})
    state = {"trades": trades, "prices": prices}
    rules = event.get("rules", 4)
    return [{"rule": number, "of": rules} for number in range(rules)]


def far_from_market(trade):
    return abs(trade["price"] - state["prices"][trade["symbol"]]) > 140


def too_many(trade):
    return trade["count"] > 990


def after_hours(trade):
    return trade["second"] > 28000


def own_account(trade):
    return trade["broker"] == trade["id"] % 41 and trade["kind"] == "option"


RULES = (far_from_market, too_many, after_hours, own_account)


def handler(event):
    """One rule, on its share of the trades."""
    rule = RULES[event["rule"] % len(RULES)]
    shares = max(1, -(-event["of"] // len(RULES)))
    share = state["trades"][event["rule"] // len(RULES)::shares]
    found = [trade["id"] for trade in share if rule(trade)]
    return {"rule": rule.__name__, "audited": len(share), "found": len(found), "first": found[:3]}
