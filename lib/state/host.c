// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * host.c - what a process takes for granted of the machine: page size, processor, vDSO, and which
 * host it is.
 */
#include "state/state.h"

#ifdef IN_SHADOW

#include "shadow/read.h"

#include <sys/mman.h>

#include "vdso.h"

static bool has_keys(const struct snapshot *s)
{
	bool execute_only = false;
	/*
	 * The lowest free one is given: 1, or 2 where the kernel itself needs 1 for memory to
	 * execute only.
	 */
	long key = sys(SYS_pkey_alloc, 0, 0);

	for (uint32_t i = 0; i < s->n.vmas; i++)
		execute_only |= s->vmas[i].prot == PROT_EXEC;
	if (key > 0)
		sys(SYS_pkey_free, key);
	return key > (execute_only ? 2 : 1);
}

const char *host_read(struct snapshot *s)
{
	struct descriptor *d = &s->header;
	const Elf64_Ehdr *vdso = (const void *)d->vdso_image;

	d->arch = ARCH_TAG;
	d->page_size = PAGE_BYTES;
	d->user_end = USER_END;
	cpu_identify(&d->cpu);
	d->permissions = arch_permissions();
	if (arch_unsupported())
		return "it has a shadow stack (CET)";
	if (has_keys(s))
		return "it uses memory protection keys";
	if (vdso && vdso_length(vdso) == d->vdso_image_length)
		d->vdso_hash = descriptor_hash(vdso, vdso_bytes(vdso));
	/* Not known: then every host is another one. */
	if (read_whole(BOOT_ID, d->boot, sizeof(d->boot)) != sizeof(d->boot))
		memset(d->boot, 0, sizeof(d->boot));
	return NULL;
}

#endif
#ifdef IN_LIBRARY

#include "api/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "vdso.h"

const char *host_well_formed(const struct descriptor *d)
{
	if (d->rdma_address_length > sizeof(d->rdma_address))
		return "its RDMA address is malformed";
	if (d->vdso_length &&
	    (d->vdso_start % PAGE_BYTES || !descriptor_is_user(d->vdso_start) ||
	     d->vdso_length > (1u << 20) || d->vdso_image_length > d->vdso_length))
		return "its vDSO is malformed";
	if (d->child_state && !descriptor_is_user(d->child_state))
		return "an address is out of range";
	return NULL;
}

bool host_is_parents(const struct descriptor *d)
{
	static const char unknown[sizeof(d->boot)];
	char here[sizeof(d->boot)];
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, here, sizeof(here));

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)sizeof(here) && memcmp(d->boot, unknown, sizeof(here)) &&
	       !memcmp(d->boot, here, sizeof(here));
}

static int check_vdso(const struct descriptor *d, const char *object)
{
	const Elf64_Ehdr *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);

	if (!d->vdso_image)
		return 0;
	if (!vdso) {
		log_error("%s: the parent uses a vDSO, this kernel has none", object);
		return -ENOTSUP;
	}
	if (vdso_length(vdso) != d->vdso_image_length ||
	    descriptor_hash(vdso, vdso_bytes(vdso)) != d->vdso_hash) {
		log_error("%s: this kernel's vDSO differs from the parent's: both need the same kernel build",
			  object);
		return -ENOTSUP;
	}
	return 0;
}

int host_check(const struct descriptor *d, const char *object)
{
	struct mitosis_cpu here;
	const char *missing;

	if (d->page_size != (uint32_t)sysconf(_SC_PAGESIZE)) {
		log_error("%s: the parent's pages are %u bytes, this host's %ld", object,
			  d->page_size, sysconf(_SC_PAGESIZE));
		return -ENOTSUP;
	}
	if (d->user_end != USER_END) {
		log_error("%s: the parent's address space ends at 0x%llx, this host's at 0x%lx",
			  object, (unsigned long long)d->user_end, USER_END);
		return -ENOTSUP;
	}
	cpu_identify(&here);
	missing = cpu_missing(&d->cpu, &here);
	if (missing) {
		log_error("%s: this processor lacks %s, which the parent's has", object, missing);
		return -ENOTSUP;
	}
	if (!cpu_same_layout(&d->cpu)) {
		log_error("%s: this processor saves its registers in another layout than the parent's",
			  object);
		return -ENOTSUP;
	}
	missing = arch_unsupported();
	if (missing) {
		log_error("%s: this process has %s, which its memory cannot be exchanged under",
			  object, missing);
		return -ENOTSUP;
	}
	return check_vdso(d, object);
}

#endif
#ifdef IN_RESTORER

#include "pie/freestanding.h"

#include "vdso.h"

void host_restore(const struct restorer_args *a)
{
	const struct descriptor *d = a->descriptor;
	long ret = 0;

	if (d->vdso_length)
		ret = vdso_map(d->vdso_start);
	if (ret < 0)
		restore_fail(a, RESTORE_VDSO, ret, d->vdso_start);
	ret = arch_request_permissions(d->permissions);
	if (ret < 0)
		restore_fail(a, RESTORE_STATE, ret, 0);
}

#endif
