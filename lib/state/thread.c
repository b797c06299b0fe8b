// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * thread.c - what the kernel keeps of a thread: its registers, and what it has told the kernel
 * about itself.
 *
 * All of it was noted before the parent went on (capture/). In the child all that rt_sigreturn(2)
 * loads waits in a frame until the very end: it takes general registers, extended state, signal
 * mask and alternate stack from there at once.
 */
#include "state/state.h"

#ifdef IN_SHADOW

#include "shadow/read.h"

const char *threads_read(struct snapshot *s)
{
	const struct capture *c = &s->args.capture;

	if (c->thread_count > ARRAY_SIZE(s->threads))
		return "it has too many threads";
	for (uint32_t i = 0; i < c->thread_count; i++) {
		struct descriptor_thread *t = &s->threads[i];

		*t = c->threads[i].state;
		if (!add_payload(s, c->threads[i].extended, t->extended_bytes, &t->extended))
			return "its threads have too much state";
	}
	s->n.threads = c->thread_count;
	s->header.process_flags |= c->process_flags;
	return NULL;
}

#endif
#ifdef IN_LIBRARY

#include "restore/losses.h"

const char *threads_check(const struct descriptor *d)
{
	const struct descriptor_thread *threads = descriptor_at(d, d->threads);

	if (!d->threads.count)
		return "it has no thread";
	for (uint32_t i = 0; i < d->threads.count; i++) {
		const struct descriptor_thread *t = &threads[i];

		if (t->flags & ~(uint32_t)(THREAD_GONE | THREAD_SCHEDULED_APART) || t->reserved ||
		    (!i && t->flags & THREAD_SCHEDULED_APART) ||
		    (t->flags & THREAD_GONE && (i || d->threads.count == 1 || t->extended_bytes)))
			return "a thread is malformed";
		if (t->flags & THREAD_GONE)
			continue;
		if (!descriptor_is_user(arch_tls(&t->registers)) ||
		    !descriptor_is_user(arch_stack(&t->registers)) ||
		    !descriptor_is_user(arch_next(&t->registers)) ||
		    (t->tid_address && !descriptor_is_user(t->tid_address)) ||
		    (t->rseq && !descriptor_is_user(t->rseq)))
			return "an address is out of range";
		if (t->extended_bytes < FRAME_LEGACY || t->extended_bytes > FRAME_EXTENDED_MAX ||
		    (t->extended_bytes > FRAME_LEGACY &&
		     t->extended_bytes < FRAME_LEGACY + FRAME_HEADER) ||
		    t->extended % 8 || t->extended_bytes % 8 ||
		    !descriptor_has_payload(d, t->extended, t->extended_bytes))
			return "the state of a thread is malformed";
	}
	return NULL;
}

uint64_t threads_frame_bytes(const struct descriptor *d)
{
	const struct descriptor_thread *threads = descriptor_at(d, d->threads);
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < d->threads.count; i++)
		bytes += arch_frame_bytes(threads[i].extended_bytes);
	return bytes;
}

void threads_lose(const struct descriptor *d, struct losses *losses)
{
	const struct descriptor_thread *t = descriptor_at(d, d->threads);
	uint32_t apart = 0;

	for (uint32_t i = 0; i < d->threads.count; i++)
		apart += t[i].flags & THREAD_SCHEDULED_APART ? 1 : 0;
	if (apart)
		losses_add(losses,
			   "%u of its threads %s scheduled as the first one (nice value, policy, processors)",
			   apart, apart == 1 ? "is" : "are");
}

#endif
#ifdef IN_RESTORER

#include "format/entry.h"
#include "pie/freestanding.h"

#include <signal.h>
#include <sys/prctl.h>

static struct frame_altstack altstack_of(const struct descriptor_thread *t)
{
	/* SS_ONSTACK is a state, not a setting. */
	return (struct frame_altstack){
		.base = t->altstack_base, .length = t->altstack_length,
		.flags = (int32_t)(t->altstack_flags & ~(uint32_t)SS_ONSTACK),
	};
}

/* What needs no memory of the parent's to be there. */
void thread_restore(const struct restorer_args *a, const struct descriptor_thread *t)
{
	struct frame_altstack stack = altstack_of(t);
	long ret = 0;

	if (t->altstack_length)
		ret = sys(SYS_sigaltstack, &stack, 0);
	if (ret < 0)
		restore_fail(a, RESTORE_SIGNAL, ret, t->altstack_base);
	ret = sys(SYS_prctl, PR_SET_NAME, t->name);
	if (!ret)
		ret = arch_tls_write(&t->registers);
	if (ret < 0)
		restore_fail(a, RESTORE_STATE, ret, 0);
}

/* What the kernel, or the thread, finds in its memory: pages may be fetched by touching them. */
void thread_introduce(const struct restorer_args *a, const struct descriptor_thread *t)
{
	long tid = sys(SYS_set_tid_address, t->tid_address), ret;

	/* Some C libraries keep the number there, others a lock. */
	if (t->tid_address && *(volatile int32_t *)t->tid_address == (int32_t)t->tid)
		*(volatile int32_t *)t->tid_address = (int32_t)tid;
	if (t->robust_list)
		sys(SYS_set_robust_list, t->robust_list, t->robust_list_length);
	if (t->rseq) {
		volatile uint32_t *area = (volatile uint32_t *)t->rseq;

		/* cpu_id_start, cpu_id = RSEQ_CPU_ID_UNINITIALIZED, rseq_cs */
		area[0] = 0;
		area[1] = ~0U;
		area[2] = 0;
		area[3] = 0;
		ret = sys(SYS_rseq, t->rseq, t->rseq_length, 0, t->rseq_signature);
		if (ret < 0)
			restore_fail(a, RESTORE_RSEQ, ret, t->rseq);
	}
}

uint64_t thread_frame(const struct restorer_args *a, const struct descriptor_thread *t, void *at)
{
	struct frame_altstack stack = altstack_of(t);
	uint64_t mask = t->signal_mask;

	if (!t->altstack_length)
		stack.flags = SS_DISABLE;
	/* Nothing comes before that; the handler has the mask. */
	if (inside_enters(a, t))
		mask = ~(1ULL << (ENTRY_SIGNAL - 1));
	return arch_frame_write(at, &t->registers, descriptor_payload(a->descriptor, t->extended),
				t->extended_bytes, mask, &stack);
}

#endif
