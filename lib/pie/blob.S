/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* blob.S - the two freestanding programs, as bytes in the library's own text. */
	.text
	.balign	16
	.globl	mitosis_shadow_blob, mitosis_restorer_blob, mitosis_restorer_blob_end
	.hidden	mitosis_shadow_blob, mitosis_restorer_blob, mitosis_restorer_blob_end
mitosis_shadow_blob:
	.incbin	"lib/pie/shadow.bin"
	.balign	16
mitosis_restorer_blob:
	.incbin	"lib/pie/restorer.bin"
mitosis_restorer_blob_end:
	.section .note.GNU-stack, "", @progbits
