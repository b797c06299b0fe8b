// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* reference.c - where a reference goes. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "library.h"
#include "mitosis.h"
#include "parent/parent.h"
#include "tool.h"

/* To a file, or to standard output: 0 or an errno. */
static int write_reference(const char *file, const char *ref)
{
	int fd = file ? open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : 1, err = 0;

	if (fd < 0 || dprintf(fd, "%s\n", ref) < 0)
		err = errno;
	if (file && fd >= 0 && close(fd) && !err)
		err = errno;
	return err;
}

/* A snapshot whose reference is lost can neither be used nor ended by anybody: it goes. */
int hand_over(const char *file, const char *ref)
{
	/* A reader that has gone, or a file that may not grow: that is done before it ends us. */
	void (*on_pipe)(int) = signal(SIGPIPE, SIG_IGN);
	void (*on_size)(int) = signal(SIGXFSZ, SIG_IGN);
	int err = write_reference(file, ref), release_err;

	signal(SIGPIPE, on_pipe);
	signal(SIGXFSZ, on_size);
	if (!err)
		return 0;
	release_err = mitosis_release(ref);
	if (release_err)
		library_failed("release", release_err);
	if (file)
		tool_error(file, "%s%s", strerror(err),
			   release_err ? "" : "; the snapshot is released");
	else
		tool_note_write_error(err);	/* said at the end, unless the reader has gone */
	return -1;
}

/*
 * A reference is a key: a file that is there already is for its owner alone from now on, as a new
 * one is.
 */
int make_private(const char *file)
{
	struct stat st;

	if (stat(file, &st) || !S_ISREG(st.st_mode) || !(st.st_mode & 077) ||
	    !chmod(file, st.st_mode & 0700))
		return 0;
	tool_error(file, "others can read it, and %s", strerror(errno));
	return -1;
}
