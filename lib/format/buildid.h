/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* buildid.h - the GNU build id of an ELF file, from its first page. Freestanding. */
#ifndef MITOSIS_BUILDID_H
#define MITOSIS_BUILDID_H

#include <elf.h>
#include <stdint.h>
#include <string.h>

/* Copies at most max bytes to id; returns the length, 0 if the n bytes of page show none. */
static inline uint8_t build_id(const char *page, uint64_t n, uint8_t *id, uint8_t max)
{
	const Elf64_Ehdr *ehdr = (const void *)page;
	const Elf64_Phdr *phdr;

	if (n < sizeof(*ehdr) || memcmp(ehdr->e_ident, ELFMAG, SELFMAG) ||
	    ehdr->e_ident[EI_CLASS] != ELFCLASS64 || ehdr->e_phentsize != sizeof(*phdr) ||
	    ehdr->e_phoff % 8 || ehdr->e_phoff > n ||
	    ehdr->e_phoff + ehdr->e_phnum * sizeof(*phdr) > n)
		return 0;
	phdr = (const void *)(page + ehdr->e_phoff);
	for (unsigned int i = 0; i < ehdr->e_phnum; i++) {
		uint64_t at = phdr[i].p_offset, end;

		if (phdr[i].p_type != PT_NOTE || at % 4 || at > n || phdr[i].p_filesz > n - at)
			continue;
		end = at + phdr[i].p_filesz;
		while (at + sizeof(Elf64_Nhdr) <= end) {
			const Elf64_Nhdr *note = (const void *)(page + at);
			uint64_t name = at + sizeof(*note),
				 desc = name + ((note->n_namesz + 3ULL) & ~3ULL);

			at = desc + ((note->n_descsz + 3ULL) & ~3ULL);
			if (at > end)
				break;
			if (note->n_type != NT_GNU_BUILD_ID || note->n_namesz != 4 ||
			    memcmp(page + name, "GNU", 4) || !note->n_descsz ||
			    note->n_descsz > max)
				continue;
			memcpy(id, page + desc, note->n_descsz);
			return (uint8_t)note->n_descsz;
		}
	}
	return 0;
}

#endif
