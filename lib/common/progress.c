// SPDX-License-Identifier: GPL-2.0-or-later
/* progress.c - one progress bar on stderr, only where stderr is a terminal. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "progress.h"
#include "units.h"

#define REDRAW_NS 100000000u
#define BAR_WIDTH 30

static struct progress {
	const char *label;
	uint64_t total;
	uint64_t drawn_ns;
	bool active;
	bool on_screen;
} bar;

static void draw(uint64_t done)
{
	char cells[BAR_WIDTH + 1], a[32], b[32];
	unsigned int i, full;

	if (!bar.total) {
		fprintf(stderr, "\r\033[K%s %s", bar.label, units_format_count((double)done, a));
		return;
	}
	if (done > bar.total)
		done = bar.total;
	full = (unsigned int)((double)done / (double)bar.total * BAR_WIDTH);
	for (i = 0; i < BAR_WIDTH; i++)
		cells[i] = i < full ? '=' : ' ';
	cells[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r\033[K%s [%s] %s/%s", bar.label, cells,
		units_format_count((double)done, a), units_format_count((double)bar.total, b));
}

void progress_start(const char *label, uint64_t total)
{
	progress_finish();
	if (!isatty(STDERR_FILENO))
		return;
	bar = (struct progress){ .label = label, .total = total, .active = true };
}

void progress_update(uint64_t done)
{
	uint64_t now;

	if (!bar.active)
		return;
	now = clock_now_ns();
	if (bar.drawn_ns && now - bar.drawn_ns < REDRAW_NS)
		return;
	bar.drawn_ns = now;
	draw(done);
	fflush(stderr);
	bar.on_screen = true;
}

void progress_clear(void)
{
	if (!bar.on_screen)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	bar.on_screen = false;
	bar.drawn_ns = 0;
}

void progress_finish(void)
{
	progress_clear();
	bar.active = false;
}
