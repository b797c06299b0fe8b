// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * open.c - what the parent had open is opened for a child, by the kind of each; what cannot be had
 * keeps its number, and is named.
 */
#include "state/files/files.h"
#include "state/files/kind.h"
#include "state/files/sockets.h"

#ifdef IN_LIBRARY

#include "api/log.h"
#include "restore/publish.h"
#include "restore/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_by_kind(struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);

	/* To open it would break what the parent was promised, and end it by SIGIO. */
	if (f->flags & (FILE_LATE | FILE_ELSEWHERE) || f->locks & LOCK_LEASE_WRITE)
		return -ENOENT;
	switch (f->kind) {
#define KIND(number, name) case number: return name##_open(o, file);
	DESCRIPTOR_FILE_KINDS(KIND)
#undef KIND
	}
	return -ENOENT;
}

/*
 * A number that is taken and of no use: whatever is done with it says EBADF, so that nothing meant
 * for what was there goes elsewhere, and the next open(2) does not get the number.
 */
static int open_tombstone(void)
{
	int fd = open("/dev/null", O_PATH | O_CLOEXEC);

	return fd >= 0 ? fd : open("/", O_PATH | O_CLOEXEC);
}

static int open_file(struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);
	const char *path = descriptor_string(o->d, f->path);
	bool two_ends = f->kind == FILE_PIPE || f->kind == FILE_SOCKETPAIR ||
			f->kind == FILE_CONNECTION;
	char numbers[NUMBERS_MAX];
	int fd;

	opening_tell_locks(o, file);
	if (S_ISREG(f->mode) || (!two_ends && f->kind != FILE_TERMINAL && f->payload_bytes))
		opening_tell_standard(o, file);
	if (!*file_numbers(o->d, file, 3, UINT32_MAX, numbers))
		return 0;
	o->why = NULL;
	/* Some are made together with others. */
	fd = o->opened[file] < 0 ? open_by_kind(o, file) : 0;
	/*
	 * Of one that leads elsewhere a standard stream of the child's may well be the other end.
	 */
	if (two_ends && fd >= 0)
		opening_tell_standard(o, file);
	if (o->opened[file] >= 0)
		return 0;
	if (fd == -ENOENT) {
		losses_add(o->losses, "descriptor %s is closed (%s%s%s)", numbers, path,
			   o->why ? ", " : "",
			   o->why		       ? o->why
			   : f->flags & FILE_LATE      ? ", opened while the snapshot was taken"
			   : f->flags & FILE_ELSEWHERE ? ", another process has it too"
						       : "");
		if (o->tombstone < 0) {
			fd = open_tombstone();
			o->tombstone = fd < 0 ? -errno : file_keep(fd, o->fd_next);
		}
		fd = o->tombstone;
	} else if (fd >= 0) {
		if (f->owner == OWNER_OTHER)
			losses_add(o->losses,
				   "no signal of descriptor %s goes to who got it (F_SETOWN)",
				   numbers);
		fd = file_keep(fd, o->fd_next);
	}
	if (fd < 0) {
		if (!o->told)
			log_error("%s: %s: %s", o->object, path, strerror(-fd));
		return fd;
	}
	o->opened[file] = fd;
	return 0;
}

/* Before anything is made: is what was asked for about what there is? */
static int check_published(const struct opening *o)
{
	const char *useless;

	for (uint32_t i = 0; i < o->d->files.count; i++)
		if (opening_file(o, i)->kind == FILE_SOCKET && opening_has_number(o, i) &&
		    o->opened[i] < 0)
			socket_try_publish(o, i);
	useless = publish_useless(o->publish);
	if (!useless)
		return 0;
	log_error("--publish %s: no socket of the parent's has that address, "
		  "or could have the other", useless);
	return -ENOENT;
}

int files_open(const struct descriptor *d, const char *object, const struct files_wishes *wishes,
	       int *fd_next, int **opened, struct losses *losses)
{
	struct publish publish;
	struct opening o = {
		.d = d,
		.object = object,
		.same_host = host_is_parents(d),
		.fd_next = fd_next,
		.losses = losses,
		.nameless = wishes->nameless,
		.urings = wishes->urings,
		.tombstone = -1,
		.opened = malloc((d->files.count + 1) * sizeof(**opened)),
		.other_root = root_is_other(),
		.publish = &publish,
		.network = wishes->network,
		.resetter = -1,
	};
	int err;

	*opened = o.opened;
	if (!o.opened)
		return -ENOMEM;
	for (uint32_t i = 0; i < d->files.count; i++)
		o.opened[i] = -1;
	err = publish_parse(&publish, wishes->publish);
	if (!err)
		err = opening_inherit(&o, wishes->inherit);
	if (!err)
		err = check_published(&o);
	for (uint32_t i = 0; i < d->files.count && !err; i++)
		err = open_file(&o, i);
	publish_free(&publish);
	if (o.resetter >= 0)
		close(o.resetter);
	if (!err)
		opening_tell_connections(&o);
	if (!err && d->process_flags & PROCESS_FILES_UNCOMPARED)
		losses_add(losses,
			   "descriptors that shared an open file do not (no kcmp(2) on the parent's host)");
	return err;
}

#endif
