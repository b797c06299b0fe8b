/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* blobs.h - the two freestanding programs, as bytes: see blob.S. */
#ifndef MITOSIS_BLOBS_H
#define MITOSIS_BLOBS_H

extern const char mitosis_shadow_blob[], mitosis_restorer_blob[], mitosis_restorer_blob_end[];

#endif
