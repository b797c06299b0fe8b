/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* argument.h - structures of mitosis_ioctl.h, from user space and back. */
#ifndef MITOSIS_ARGUMENT_H
#define MITOSIS_ARGUMENT_H

#include <linux/socket.h>
#include <linux/types.h>
#include "mitosis_ioctl.h"

/*
 * The caller's structure into ours, as copy_struct_from_user() has it: -EINVAL if it is smaller
 * than what version 1 has (known), -E2BIG if it is larger than a page, or has something set that we
 * do not know.
 */
int mitosis_argument_get(void *to, size_t known, const void __user *from);
/* Ours, which it was copied into, back. What lies behind it in the caller's stays as it is. */
int mitosis_argument_put(void __user *to, const void *from, size_t known);

void mitosis_endpoint_to_user(struct mitosis_ioc_endpoint *to, const struct sockaddr_storage *from);
/* An address and a port. -EINVAL. */
int mitosis_endpoint_from_user(struct sockaddr_storage *to,
			       const struct mitosis_ioc_endpoint *from);

#endif
