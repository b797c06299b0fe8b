// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * at-resume.c - mitosis_at_resume(): what a program does anew in each child, such as drawing random
 * numbers; and how a child learns which one it is.
 *
 * A program that has prepared itself comes back from mitosis_prepare() in a child. One that was
 * prepared from outside does not: there the restorer sends a signal to the first thread, whose
 * handler is here for that once. The kernel sees to the stack, and the thread goes on where it was.
 *
 * No lock: a snapshot may be taken, by a signal or by another thread, in the middle of a
 * registration, and its children would wait for ever. A place is taken first and filled then, the
 * function last: one without a function is no registration yet.
 */
#include "api/child.h"
#include "api/log.h"
#include "context.h"
#include "format/entry.h"
#include "mitosis.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "sys.h"

static struct {
	_Atomic(void (*)(void *data)) fn;
	void *data;
} registered[MITOSIS_AT_RESUME_MAX];

static void enter(int signo, siginfo_t *info, void *context);

__attribute__((used)) struct child_entry mitosis_child_entry = {
	.self = (uint64_t)&mitosis_child_entry,
	.enter = (uint64_t)enter,
	.leave = (uint64_t)arch_end_handler,
};

/* Who prepares the process from outside finds it by this. */
__asm__("	.pushsection .note.mitosis, \"a\", %note\n"
	"	.balign	4\n"
	"	.long	8, 8, 1\n"	/* bytes of name and of description; ENTRY_NOTE_TYPE */
	"	.asciz	\"mitosis\"\n"	/* ENTRY_NOTE_NAME */
	"	.quad	mitosis_child_entry - .\n"
	"	.popsection\n");

EXPORT int mitosis_at_resume(void (*fn)(void *data), void *data)
{
	uint32_t place = __atomic_load_n(&mitosis_child_entry.functions, __ATOMIC_ACQUIRE);

	if (!fn)
		return -EINVAL;
	do {
		if (place == MITOSIS_AT_RESUME_MAX)
			return -ENOMEM;
	} while (!__atomic_compare_exchange_n(&mitosis_child_entry.functions, &place, place + 1,
					      true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	registered[place].data = data;
	atomic_store(&registered[place].fn, fn);
	return 0;
}

EXPORT unsigned int mitosis_child_number(void)
{
	return mitosis_child_entry.number;
}

/* ---- in a child ---- */

/*
 * MITOSIS_CHILD=N, without what takes memory or locks: the C library may be in the middle of that.
 * What is there is replaced, else there is a new list.
 */
static void set_variable(void)
{
	static char variable[sizeof(ENTRY_VARIABLE "4294967295")] = ENTRY_VARIABLE;
	char *at = variable + sizeof(ENTRY_VARIABLE) - 1, **list;
	size_t count = 0;

	for (uint32_t rest = mitosis_child_entry.number; rest; rest /= 10)
		at++;
	*at = '\0';
	for (uint32_t rest = mitosis_child_entry.number; rest; rest /= 10)
		*--at = (char)('0' + rest % 10);
	for (; environ && environ[count]; count++) {
		if (strncmp(environ[count], ENTRY_VARIABLE, sizeof(ENTRY_VARIABLE) - 1))
			continue;
		environ[count] = variable;
		return;
	}
	list = mmap(NULL, (count + 2) * sizeof(*list), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (list == MAP_FAILED) {
		log_warning("MITOSIS_CHILD is not in the environment: %s", strerror(errno));
		return;
	}
	memcpy(list, environ, count * sizeof(*list));
	list[count] = variable;
	environ = list;
}

void child_begin(void)
{
	/* One that is registered by one of them is for later snapshots. */
	uint32_t count = __atomic_load_n(&mitosis_child_entry.functions, __ATOMIC_ACQUIRE);

	/* 0: its snapshot is of a version that does not count them. */
	if (mitosis_child_entry.number)
		set_variable();
	for (uint32_t i = 0; i < count; i++) {
		void (*fn)(void *data) = atomic_load(&registered[i].fn);

		if (fn)
			fn(registered[i].data);
	}
}

static void enter(int signo, siginfo_t *info, void *context)
{
	int error = errno;

	if (info->si_code != SI_QUEUE || info->si_value.sival_ptr != &mitosis_child_entry) {
		/* It is for the program, which gets it once its own action is there again. */
		sys(SYS_rt_tgsigqueueinfo, sys(SYS_getpid), sys(SYS_gettid), signo, info);
		return;
	}
	sys(SYS_rt_sigaction, signo, &mitosis_child_entry.action, 0, 8);
	memcpy(&((ucontext_t *)context)->uc_sigmask, &mitosis_child_entry.mask, 8);
	child_begin();
	errno = error;
}
