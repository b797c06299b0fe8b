#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# program-sqlite.sh - sqlite3 in the midst of one statement, with a table in memory.
# shellcheck source-path=SCRIPTDIR source=program.sh
. "$(dirname "$0")/program.sh"
need_command sqlite3

# The table is complete before: each step looks one of its rows up.
cat >count.sql <<'SQL'
.bail on
.separator ' '
CREATE TABLE slots (slot INTEGER PRIMARY KEY, text TEXT);
WITH RECURSIVE numbers(n) AS (VALUES(0) UNION ALL SELECT n + 1 FROM numbers WHERE n < 99999)
	INSERT INTO slots SELECT n, (31 * n + 7) % 1000003 || ' as text' FROM numbers;
CREATE INDEX by_text ON slots(text);
WITH RECURSIVE steps(step, sum, wrong) AS (
	VALUES(0, 0, 0)
	UNION ALL
	SELECT step + 1, sum + step + 1, (SELECT slot FROM slots WHERE text = (31 * ((step + 1) % 100000) + 7) % 1000003 || ' as text')
		IS NOT (step + 1) % 100000 FROM steps
	WHERE NOT wrong AND (step % 10000 OR step = 0 OR
		(readfile('/dev/stdin') IS NOT CAST('end' || char(10) AS BLOB) AND readfile('end') IS NULL)))
SELECT step, CASE WHEN wrong THEN 'wrong' ELSE sum END FROM steps WHERE (step > 0 AND step % 10000 = 0) OR wrong;
.exit 7
SQL
# Line by line, as it does on a terminal only.
count_twice stdbuf -oL sqlite3 :memory: ".read count.sql"
