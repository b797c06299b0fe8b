# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""A web page is made of a template: a table of numbers, by Chameleon.

Event: rows (50), columns (20).
"""
import hashlib

NEEDS = {"chameleon": "python3-chameleon"}

from chameleon import PageTemplate      # noqa: E402

TABLE = """\
<table xmlns="http://www.w3.org/1999/xhtml" xmlns:tal="http://xml.zope.org/namespaces/tal">
<tr tal:repeat="row rows"><td tal:repeat="cell row"><span tal:content="cell"
  tal:attributes="class 'odd' if cell % 2 else 'even'"/></td></tr>
</table>"""
_template = PageTemplate(TABLE)


def handler(event):
    columns = event.get("columns", 20)
    rows = [[number * columns + column for column in range(columns)]
            for number in range(event.get("rows", 50))]
    page = _template(rows=rows)
    return {"length": len(page), "sha256": hashlib.sha256(page.encode()).hexdigest()}
