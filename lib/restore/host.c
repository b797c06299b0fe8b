// SPDX-License-Identifier: LGPL-2.1-or-later
/* host.c - refuses a snapshot that cannot run correctly on this machine, with the exact reason. */
#include "api/log.h"
#include "restore/host.h"
#include "sys.h"
#include "vdso.h"

#include <elf.h>
#include <errno.h>
#include <sys/auxv.h>
#include <unistd.h>

int host_check(const struct descriptor *d, const char *object)
{
	const Elf64_Ehdr *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct mitosis_cpu here;
	uint64_t features = 0;
	const char *missing;

	if (d->page_size != (uint32_t)sysconf(_SC_PAGESIZE)) {
		log_error("%s: the parent's pages are %u bytes, this host's %ld", object, d->page_size,
			  sysconf(_SC_PAGESIZE));
		return -ENOTSUP;
	}
	if (d->user_end != USER_END) {
		log_error("%s: the parent's address space ends at 0x%llx, this host's at 0x%lx", object,
			  (unsigned long long)d->user_end, USER_END);
		return -ENOTSUP;
	}
	cpu_identify(&here);
	missing = cpu_missing(&d->cpu, &here);
	if (missing) {
		log_error("%s: this processor lacks %s, which the parent's has", object, missing);
		return -ENOTSUP;
	}
	if (d->cpu.xcr0 && cpu_xsave_layout(d->cpu.xcr0) != d->cpu.xsave_layout) {
		log_error("%s: this processor saves its registers in another layout than the parent's", object);
		return -ENOTSUP;
	}
	if (!sys(SYS_arch_prctl, SHADOW_STACK_STATUS, &features) && features & SHADOW_STACK_ON) {
		log_error("%s: this process has a shadow stack (CET), which its memory cannot be exchanged under", object);
		return -ENOTSUP;
	}
	if (!d->vdso_image)
		return 0;
	if (!vdso) {
		log_error("%s: the parent uses a vDSO, this kernel has none", object);
		return -ENOTSUP;
	}
	if (vdso_length(vdso) != d->vdso_image_length ||
	    descriptor_hash(vdso, d->vdso_image_length) != d->vdso_hash) {
		log_error("%s: this kernel's vDSO differs from the parent's: both need the same kernel build",
			  object);
		return -ENOTSUP;
	}
	return 0;
}
