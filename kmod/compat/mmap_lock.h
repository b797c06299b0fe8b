/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* mmap_lock.h - does the current thread hold the mmap lock for writing? No kernel offers to say. */
#ifndef MITOSIS_COMPAT_MMAP_LOCK_H
#define MITOSIS_COMPAT_MMAP_LOCK_H

#include <linux/mm_types.h>
#include <linux/rwsem.h>
#include <linux/sched.h>

#ifdef CONFIG_PREEMPT_RT
/* A writer holds the inner mutex all the time, a reader at most while it gets the lock. */
static inline bool mitosis_mmap_write_held(const struct mm_struct *mm)
{
	const struct task_struct *owner = READ_ONCE(mm->mmap_lock.rwbase.rtmutex.owner);

	return ((unsigned long)owner & ~1UL) == (unsigned long)current;
}
#else
/* Bit 0 of the count: held for writing. The owner is a task and three bits. */
static inline bool mitosis_mmap_write_held(const struct mm_struct *mm)
{
	return (atomic_long_read(&mm->mmap_lock.count) & 1) &&
	       (atomic_long_read(&mm->mmap_lock.owner) & ~7UL) == (unsigned long)current;
}
#endif

#endif
