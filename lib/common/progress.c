// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * progress.c - one progress bar on stderr, only where stderr is a terminal.
 *
 * The bar is a line without an end: what anybody writes to the same terminal next would be appended
 * to it. So whoever writes there takes the bar away first, under stderr's lock, which the threads
 * of a process share. Processes that were forked since progress_start() write messages too, and
 * cannot know whether a bar is there now (memory shared with them would be a part of the snapshots
 * that they become): they always clear the line, on which nothing else can stand while a bar is
 * active.
 */
#include "progress.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "units.h"

#define REDRAW_NS 100000000u
#define BAR_WIDTH 30
#define USUAL_COLUMNS 80

static struct progress {
	const char *label;
	uint64_t total;
	uint64_t drawn_ns;
	pid_t owner;
	bool active;
	bool on_screen;
} bar;

/* One column is left free: a line that fills the last one has begun the next on some terminals. */
static size_t columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return USUAL_COLUMNS - 1;
	return size.ws_col - 1u;
}

static void draw(uint64_t done)
{
	char count[32], total[32], counts[80], cells[BAR_WIDTH + 1];
	size_t room = columns(), width, full;

	if (!bar.total) {
		snprintf(counts, sizeof(counts), "%s", units_format_count((double)done, count));
	} else {
		if (done > bar.total)
			done = bar.total;
		snprintf(counts, sizeof(counts), "%s/%s", units_format_count((double)done, count),
			 units_format_count((double)bar.total, total));
	}
	fprintf(stderr, "\r\033[K");
	/*
	 * What is wider than the terminal would go on in the next line, and could not be wiped out.
	 */
	width = strlen(bar.label) + strlen(" [] ") + strlen(counts);
	if (!bar.total || width >= room) {
		char line[128];

		snprintf(line, sizeof(line), "%s %s", bar.label, counts);
		fprintf(stderr, "%.*s", (int)room, line);
		return;
	}
	width = room - width < BAR_WIDTH ? room - width : BAR_WIDTH;
	full = (size_t)((double)done / (double)bar.total * (double)width);
	memset(cells, ' ', width);
	memset(cells, '=', full);
	fprintf(stderr, "%s [%.*s] %s", bar.label, (int)width, cells, counts);
}

void progress_start(const char *label, uint64_t total)
{
	progress_finish();
	if (!isatty(STDERR_FILENO))
		return;
	bar = (struct progress){
		.label = label, .total = total, .owner = getpid(), .active = true
	};
}

void progress_update(uint64_t done)
{
	uint64_t now;

	if (!bar.active)
		return;
	now = clock_now_ns();
	if (bar.drawn_ns && now - bar.drawn_ns < REDRAW_NS)
		return;
	flockfile(stderr);
	draw(done);
	fflush(stderr);
	bar.drawn_ns = now;
	bar.on_screen = true;
	funlockfile(stderr);
}

void progress_clear(void)
{
	if (!bar.active)
		return;
	flockfile(stderr);
	if (bar.on_screen || getpid() != bar.owner) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
	}
	bar.on_screen = false;
	bar.drawn_ns = 0;
	funlockfile(stderr);
}

void progress_finish(void)
{
	progress_clear();
	bar.active = false;
}
