// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * samefile.c - is a local file the one that the parent had mapped?
 *
 * On the parent's host it is, if it is the same file by device and number: another may carry the
 * same build id, or time, with other bytes. And everywhere its size must agree. If the parent's
 * file carries a build id, the local one must carry the same; this holds between machines and
 * survives a reinstallation. Otherwise the time of modification must agree to the nanosecond, and
 * was not that of the moment when the snapshot was taken (the shadow calls such a file gone). A
 * file that fails is not an error: its pages travel instead.
 */
#include "format/buildid.h"
#include "restore/samefile.h"

#include <sys/stat.h>
#include <unistd.h>

bool file_is_same(const struct descriptor_mapped *file, int fd, bool same_host)
{
	uint8_t id[BUILD_ID_MAX];
	char page[PAGE_BYTES] __attribute__((aligned(16)));
	struct stat st;
	ssize_t n;

	if (file->gone || fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size != file->size)
		return false;
	if (same_host && (st.st_dev != file->device || st.st_ino != file->inode))
		return false;
	if (!file->build_id_length)
		return st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec == file->mtime_ns;
	n = pread(fd, page, sizeof(page), 0);
	return n > 0 && build_id(page, (uint64_t)n, id, sizeof(id)) == file->build_id_length &&
	       !memcmp(id, file->build_id, file->build_id_length);
}
