// SPDX-License-Identifier: LGPL-2.1-or-later
/* descriptor.c - checks every number of a descriptor that came over the wire before one is used. */
#include "format/descriptor.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

#define PAGE_ALIGNED(x) (!((x) % PAGE_BYTES))

static bool table_fits(const struct descriptor *d, struct descriptor_table t, uint64_t entry)
{
	return t.offset % 8 == 0 && t.offset >= sizeof(*d) && t.offset <= d->length &&
	       t.count <= (d->length - t.offset) / entry;
}

static bool is_user(uint64_t address)
{
	return address >= PAGE_BYTES && address < USER_END;
}

static bool has_string(const struct descriptor *d, uint32_t offset)
{
	/* The table ends in NUL, so any offset inside is a terminated string. */
	return offset < d->strings.count;
}

static const char *check_extents(const struct descriptor *d, const struct descriptor_vma *vmas)
{
	const struct descriptor_extent *e = descriptor_at(d, d->extents), *hot = descriptor_at(d, d->hot);
	const struct descriptor_extent *guards = descriptor_at(d, d->guards);
	uint64_t pages = 0, hot_pages = 0;
	uint32_t next = 0, area = 0;

	for (uint32_t i = 0; i < d->vmas.count; i++) {
		uint64_t at = vmas[i].start;

		if (vmas[i].first_extent != next || vmas[i].extents > d->extents.count - next)
			return "extents do not follow the areas";
		for (uint32_t k = 0; k < vmas[i].extents; k++, next++) {
			if (!PAGE_ALIGNED(e[next].start) || e[next].start < at || e[next].start >= vmas[i].end ||
			    !e[next].pages || e[next].pages > (vmas[i].end - e[next].start) / PAGE_BYTES)
				return "an extent lies outside its area";
			at = e[next].start + e[next].pages * PAGE_BYTES;
			pages += e[next].pages;
		}
	}
	if (next != d->extents.count || pages != d->pages)
		return "extents and areas do not agree";
	/* Each hot run lies in one area, and they ascend. */
	for (uint32_t i = 0; i < d->hot.count; i++) {
		if (!PAGE_ALIGNED(hot[i].start) || !hot[i].pages || hot[i].pages > DESCRIPTOR_HOT_MAX ||
		    (i && hot[i].start < hot[i - 1].start + hot[i - 1].pages * PAGE_BYTES))
			return "hot pages are out of order";
		while (area < d->vmas.count && vmas[area].end <= hot[i].start)
			area++;
		if (area == d->vmas.count || hot[i].start < vmas[area].start ||
		    hot[i].pages > (vmas[area].end - hot[i].start) / PAGE_BYTES ||
		    vmas[area].flags & (VMA_VDSO | VMA_SHARED))
			return "hot pages lie outside the areas";
		hot_pages += hot[i].pages;
	}
	for (uint32_t i = 0; i < d->guards.count; i++) {
		if (!PAGE_ALIGNED(guards[i].start) || !is_user(guards[i].start) || !guards[i].pages ||
		    guards[i].pages > (USER_END - guards[i].start) / PAGE_BYTES ||
		    (i && guards[i].start < guards[i - 1].start + guards[i - 1].pages * PAGE_BYTES))
			return "guard pages are out of order";
	}
	if (hot_pages != d->hot_pages || hot_pages > DESCRIPTOR_HOT_MAX)
		return "wrong number of hot pages";
	return NULL;
}

static const char *check_areas(const struct descriptor *d, const struct descriptor_vma *vmas)
{
	uint64_t at = PAGE_BYTES;
	bool entry = false, stack = false;

	for (uint32_t i = 0; i < d->vmas.count; i++) {
		const struct descriptor_vma *v = &vmas[i];

		if (!PAGE_ALIGNED(v->start) || !PAGE_ALIGNED(v->end) || v->start < at || v->end <= v->start ||
		    v->end > USER_END)
			return "areas overlap or are out of order";
		if (v->flags & ~VMA_KNOWN_FLAGS || v->prot & ~(uint32_t)(PROT_READ | PROT_WRITE | PROT_EXEC) ||
		    v->reserved)
			return "an area has unknown flags";
		if (v->flags & VMA_FILE && (v->file >= d->files.count || !PAGE_ALIGNED(v->offset) ||
					    v->offset > INT64_MAX - (v->end - v->start)))
			return "an area names no valid file";
		/* Room is planned for one (plan.c). */
		if (v->flags & VMA_STACK && stack)
			return "it has two stacks";
		stack |= v->flags & VMA_STACK;
		if (d->resume_entry >= v->start && d->resume_entry < v->end)
			entry = v->prot & PROT_EXEC;
		at = v->end;
	}
	return entry ? NULL : "its entry point is not executable";
}

static const char *check(const struct descriptor *d, uint64_t length)
{
	const struct descriptor_vma *vmas;
	const struct descriptor_file *files;
	const struct descriptor_fd *fds;
	const char *why;

	if (length < sizeof(*d) || d->magic != DESCRIPTOR_MAGIC)
		return "not a descriptor";
	if (d->major != DESCRIPTOR_MAJOR)
		return "another version of the descriptor format";
	if (d->length != length)
		return "wrong length";
	if (!table_fits(d, d->vmas, sizeof(*vmas)) ||
	    !table_fits(d, d->extents, sizeof(struct descriptor_extent)) ||
	    !table_fits(d, d->hot, sizeof(struct descriptor_extent)) ||
	    !table_fits(d, d->guards, sizeof(struct descriptor_extent)) ||
	    !table_fits(d, d->files, sizeof(*files)) || !table_fits(d, d->fds, sizeof(*fds)) ||
	    !table_fits(d, d->auxv, 8) || !table_fits(d, d->strings, 1))
		return "a table does not fit";
	if (!d->vmas.count)
		return "no memory areas";
	if (!d->strings.count || ((const char *)descriptor_at(d, d->strings))[d->strings.count - 1])
		return "strings are not terminated";
	if (!has_string(d, d->cwd) || !has_string(d, d->exe))
		return "a string is missing";
	files = descriptor_at(d, d->files);
	for (uint32_t i = 0; i < d->files.count; i++)
		if (!has_string(d, files[i].path) || files[i].build_id_length > BUILD_ID_MAX)
			return "a mapped file is malformed";
	fds = descriptor_at(d, d->fds);
	for (uint32_t i = 0; i < d->fds.count; i++)
		if (!has_string(d, fds[i].path) || fds[i].fd < 3 || fds[i].fd >= INT32_MAX ||
		    fds[i].position > INT64_MAX)
			return "an open file is malformed";
	if (d->rdma_address_length > sizeof(d->rdma_address))
		return "its RDMA address is malformed";
	if (d->vdso_length && (!PAGE_ALIGNED(d->vdso_start) || !is_user(d->vdso_start) ||
			       d->vdso_length > (1u << 20) || d->vdso_image_length > d->vdso_length))
		return "its vDSO is malformed";
	if (!is_user(d->fs_base) || !is_user(d->resume_entry) || !is_user(d->registers.rsp) ||
	    (d->tid_address && !is_user(d->tid_address)) || (d->rseq && !is_user(d->rseq)) ||
	    (d->child_state && !is_user(d->child_state)))
		return "an address is out of range";
	vmas = descriptor_at(d, d->vmas);
	why = check_areas(d, vmas);
	return why ? why : check_extents(d, vmas);
}

int descriptor_check(const void *data, uint64_t length, const char **why)
{
	*why = check(data, length);
	return *why ? -EPROTO : 0;
}
