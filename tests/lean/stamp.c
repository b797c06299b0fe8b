// SPDX-License-Identifier: GPL-2.0-or-later
/* stamp.c - prints the time at which it came to main: what a start is measured to. */
#include <stdio.h>
#include <time.h>

int main(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("%lld\n", now.tv_sec * 1000000000LL + now.tv_nsec);
	return 0;
}
