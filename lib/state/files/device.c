// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* device.c - the devices that are the same everywhere and keep nothing for who has opened them. */
#include "state/files/kind.h"

FILE_KIND_WITHOUT_PAYLOAD(device)

static const char names[][16] = {
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
};

#ifdef IN_SHADOW

#include "pie/freestanding.h"

bool device_is(const struct descriptor_file *f, const char *path)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (S_ISCHR(f->mode) && text_is(path, names[i]))
			return true;
	return false;
}

#endif
#ifdef IN_LIBRARY

#include <errno.h>
#include <string.h>
#include <unistd.h>

int device_open(struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);
	struct stat st;
	bool known = false;
	int fd;

	/* The descriptor came over a network: no other device is opened for it. */
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		known |= !strcmp(descriptor_string(o->d, f->path), names[i]);
	if (!known)
		return -ENOENT;
	fd = file_reopen(o->d, f);
	if (fd >= 0 && (fstat(fd, &st) || !S_ISCHR(st.st_mode))) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

#endif
