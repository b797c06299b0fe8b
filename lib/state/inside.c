// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * inside.c - what a child finds in its memory that its parent has not: which child it is, and the
 * functions of mitosis_at_resume(), which run in it before the program does.
 *
 * The library that a program has sees to both. In one that has none there is a place for the number
 * if the program was started with MITOSIS_CHILD in its environment: the digits are replaced where
 * they lie.
 */
#include "format/entry.h"
#include "state/state.h"

#ifdef IN_SHADOW

#include "shadow/read.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>

static const struct descriptor_vma *area_of(const struct snapshot *s, uint64_t start, uint64_t end)
{
	for (uint32_t i = 0; i < s->n.vmas; i++)
		if (s->vmas[i].start <= start && end <= s->vmas[i].end)
			return &s->vmas[i];
	return NULL;
}

/* ---- the library ---- */

/* Memory that may lie behind the end of a mapped file, where a touch would be SIGBUS. */
static bool look(long memory, uint64_t at, void *to, uint64_t bytes)
{
	return sys(SYS_pread64, memory, to, bytes, at) == (long)bytes;
}

/* Is it one, at this address, as far as can be told? */
static bool is_entry(const struct snapshot *s, long memory, uint64_t at, struct child_entry *entry)
{
	const struct descriptor_vma *v = area_of(s, at, at + sizeof(*entry)), *code;

	if (at % 8 || !v || v->flags & VMA_SHARED || !(v->prot & PROT_WRITE) ||
	    !look(memory, at, entry, sizeof(*entry)) || entry->self != at)
		return false;
	code = area_of(s, entry->enter, entry->enter + 1);
	return code && code->prot & PROT_EXEC && area_of(s, entry->leave, entry->leave + 1) == code;
}

/* In the notes of one segment, which lie in a page; base: of the addresses in it. */
static uint64_t find_in_notes(const char *page, const Elf64_Phdr *p, uint64_t base)
{
	const uint64_t end = p->p_offset + p->p_filesz;
	uint64_t at = p->p_offset;

	while (at + sizeof(Elf64_Nhdr) <= end) {
		const Elf64_Nhdr *note = (const void *)(page + at);
		uint64_t name = at + sizeof(*note),
			 desc = name + ((note->n_namesz + 3ULL) & ~3ULL);
		uint64_t distance;

		at = desc + ((note->n_descsz + 3ULL) & ~3ULL);
		if (at > end)
			break;
		if (note->n_type != ENTRY_NOTE_TYPE || note->n_namesz != sizeof(ENTRY_NOTE_NAME) ||
		    note->n_descsz != sizeof(distance) ||
		    memcmp(page + name, ENTRY_NOTE_NAME, sizeof(ENTRY_NOTE_NAME)))
			continue;
		memcpy(&distance, page + desc, sizeof(distance));
		return base + p->p_vaddr + (desc - p->p_offset) + distance;
	}
	return 0;
}

/* The address in the note of what is mapped with this first page; 0: it has none. */
static uint64_t find_in_file(const char *page, uint64_t start)
{
	const Elf64_Ehdr *header = (const void *)page;
	const Elf64_Phdr *p = (const void *)(page + header->e_phoff);
	uint64_t base = start, found = 0;

	if (memcmp(header->e_ident, ELFMAG, SELFMAG) ||
	    header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_phentsize != sizeof(*p) ||
	    header->e_phoff % 8 || header->e_phoff > PAGE_BYTES ||
	    header->e_phoff + header->e_phnum * sizeof(*p) > PAGE_BYTES)
		return 0;
	for (unsigned int i = 0; i < header->e_phnum; i++)
		if (p[i].p_type == PT_LOAD && !p[i].p_offset)
			base = start - p[i].p_vaddr;
	for (unsigned int i = 0; i < header->e_phnum && !found; i++)
		if (p[i].p_type == PT_NOTE && !(p[i].p_offset % 4) && p[i].p_offset < PAGE_BYTES &&
		    p[i].p_filesz <= PAGE_BYTES - p[i].p_offset)
			found = find_in_notes(page, &p[i], base);
	return found;
}

static void find_entry(struct snapshot *s, long memory, struct child_entry *entry)
{
	for (uint32_t i = 0; i < s->n.vmas && !s->header.entry; i++) {
		const struct descriptor_vma *v = &s->vmas[i];
		uint64_t at;

		if (!(v->flags & VMA_FILE) || v->offset || !(v->prot & PROT_READ) ||
		    !look(memory, v->start, s->scratch2, PAGE_BYTES))
			continue;
		at = find_in_file(s->scratch2, v->start);
		if (at && is_entry(s, memory, at, entry))
			s->header.entry = at;
	}
}

/* ---- the variable ---- */

static void find_variable(struct snapshot *s)
{
	const uint64_t start = s->header.mm.env_start, end = s->header.mm.env_end;
	const struct descriptor_vma *v = area_of(s, start, end);
	const char *at = (const char *)start, *last = (const char *)end;
	uint32_t bytes;

	if (!v || v->flags & (VMA_SHARED | VMA_FILE | VMA_VDSO) ||
	    (v->prot & (PROT_READ | PROT_WRITE)) != (PROT_READ | PROT_WRITE))
		return;
	while (at < last) {
		const char *text = at, *value;

		while (at < last && *at)
			at++;
		/* One that has no end is none. */
		if (at == last)
			return;
		at++;
		if (!text_begins(text, ENTRY_VARIABLE))
			continue;
		value = text + sizeof(ENTRY_VARIABLE) - 1;
		bytes = (uint32_t)text_length(value);
		/* In a child the rest of the room that its parent had is empty variables. */
		while (bytes < ENTRY_NUMBER_BYTES && value + bytes + 1 < last && !value[bytes + 1])
			bytes++;
		s->header.variable = (uint64_t)value;
		s->header.variable_bytes = bytes;
		return;
	}
}

void inside_read(struct snapshot *s)
{
	long memory = sys(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDONLY | O_CLOEXEC);
	struct child_entry entry = { 0 };

	/* Of a program that has told by itself where it is, it is known. */
	s->header.entry = s->args.entry;
	if (s->header.entry)
		entry = *(const struct child_entry *)s->header.entry;
	else if (memory >= 0)
		find_entry(s, memory, &entry);
	if (memory >= 0)
		sys(SYS_close, memory);
	if (entry.functions)
		s->header.process_flags |= PROCESS_SEES_TO_CHILDREN;
	find_variable(s);
}

#endif
#ifdef IN_LIBRARY

#include "restore/losses.h"

#include <stdio.h>
#include <sys/mman.h>

static bool is_private(const struct descriptor *d, uint64_t start, uint64_t bytes)
{
	const struct descriptor_vma *v = descriptor_at(d, d->vmas);

	for (uint32_t i = 0; i < d->vmas.count; i++)
		if (v[i].start <= start && start < v[i].end)
			return bytes <= v[i].end - start && v[i].prot & PROT_WRITE &&
			       !(v[i].flags & (VMA_SHARED | VMA_VDSO));
	return false;
}

const char *inside_check(const struct descriptor *d)
{
	if ((d->entry && (d->entry % 8 ||
			  !is_private(d, d->entry, sizeof(struct child_entry)))) ||
	    (d->variable && !is_private(d, d->variable, d->variable_bytes + 1ULL)) ||
	    (!d->variable && d->variable_bytes))
		return "where its number goes is malformed";
	return NULL;
}

bool inside_can_tell(const struct descriptor *d)
{
	return d->entry || d->variable;
}

void inside_lose(struct descriptor *d, uint32_t number, struct losses *losses)
{
	char digits[12];

	if (!d->variable || (uint32_t)snprintf(digits, sizeof(digits), "%u", number) <=
				    d->variable_bytes)
		return;
	/* A library needs no room. */
	if (!d->entry)
		losses_add(losses, "its MITOSIS_CHILD is not %u, for which it has no room", number);
	d->variable = 0;
	d->variable_bytes = 0;
}

#endif
#ifdef IN_RESTORER

#include "pie/freestanding.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#define HANDLER_RETURNS	0x04000000u	/* SA_RESTORER: .restorer says where to */

/* Only in a child of a program that does not come back from mitosis_prepare(): its first thread. */
bool inside_enters(const struct restorer_args *a, const struct descriptor_thread *t)
{
	const struct descriptor *d = a->descriptor;
	const struct descriptor_thread *threads = descriptor_at(d, d->threads);

	return d->entry && !d->child_state && t == &threads[threads[0].flags & THREAD_GONE ? 1 : 0];
}

static void write_variable(const struct restorer_args *a)
{
	char *at = (char *)a->descriptor->variable, digits[24],
	     *end = text_append_number(digits, a->number);

	memset(at, 0, a->descriptor->variable_bytes);
	memcpy(at, digits, (uint64_t)(end - digits));
}

void inside_tell(const struct restorer_args *a)
{
	const struct descriptor *d = a->descriptor;
	const struct descriptor_thread *threads = descriptor_at(d, d->threads),
				       *first = &threads[threads[0].flags & THREAD_GONE ? 1 : 0];
	struct child_entry *entry = (void *)d->entry;
	struct descriptor_action action;
	long ret;

	if (d->variable && a->number)
		write_variable(a);
	if (!entry)
		return;
	entry->number = a->number;
	if (!inside_enters(a, first))
		return;
	entry->action = d->actions[ENTRY_SIGNAL - 1];
	entry->mask = first->signal_mask;
	action = (struct descriptor_action){
		.handler = entry->enter,
		.flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | HANDLER_RETURNS,
		.restorer = entry->leave,
		.mask = ~0ULL,
	};
	ret = sys(SYS_rt_sigaction, ENTRY_SIGNAL, &action, 0, 8);
	if (ret < 0)
		restore_fail(a, RESTORE_SIGNAL, ret, ENTRY_SIGNAL);
}

/* By the thread that it is for, which has all signals blocked. */
void inside_raise(const struct restorer_args *a, const struct descriptor_thread *t)
{
	union {
		siginfo_t info;
		uint8_t bytes[128];
	} u = { 0 };
	const uint64_t all = ~0ULL;
	uint64_t limit[2];
	long ret;

	if (!inside_enters(a, t))
		return;
	u.info.si_signo = ENTRY_SIGNAL;
	u.info.si_code = SI_QUEUE;
	u.info.si_value.sival_ptr = (void *)a->descriptor->entry;
	sys(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
	ret = sys(SYS_rt_tgsigqueueinfo, sys(SYS_getpid), sys(SYS_gettid), ENTRY_SIGNAL, &u.info);
	/* The limit of pending signals has been set; this one is not the program's. */
	if (ret == -EAGAIN && !sys(SYS_prlimit64, 0, RLIMIT_SIGPENDING, 0, limit)) {
		const uint64_t most[2] = { limit[1], limit[1] };

		sys(SYS_prlimit64, 0, RLIMIT_SIGPENDING, most, 0);
		ret = sys(SYS_rt_tgsigqueueinfo, sys(SYS_getpid), sys(SYS_gettid), ENTRY_SIGNAL,
			  &u.info);
		sys(SYS_prlimit64, 0, RLIMIT_SIGPENDING, limit, 0);
	}
	if (ret < 0)
		restore_fail(a, RESTORE_SIGNAL, ret, ENTRY_SIGNAL);
}

#endif
