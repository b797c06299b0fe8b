// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * argument.c - what user space hands in with an ioctl and gets back: sizes that may grow,
 * addresses.
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "argument.h"

int mitosis_argument_get(void *to, size_t known, const void __user *from)
{
	u32 size;

	if (get_user(size, (const u32 __user *)from))
		return -EFAULT;
	if (size < known)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(to, known, from, size);
}

int mitosis_argument_put(void __user *to, const void *from, size_t known)
{
	return copy_to_user(to, from, known) ? -EFAULT : 0;
}

void mitosis_endpoint_to_user(struct mitosis_ioc_endpoint *to, const struct sockaddr_storage *from)
{
	BUILD_BUG_ON(sizeof(struct sockaddr_in6) > sizeof(to->sockaddr));
	memset(to, 0, sizeof(*to));
	to->length = from->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
						 : sizeof(struct sockaddr_in);
	memcpy(to->sockaddr, from, to->length);
}

int mitosis_endpoint_from_user(struct sockaddr_storage *to, const struct mitosis_ioc_endpoint *from)
{
	memset(to, 0, sizeof(*to));
	if (from->length > sizeof(from->sockaddr))
		return -EINVAL;
	memcpy(to, from->sockaddr, from->length);
	if (to->ss_family == AF_INET && from->length >= sizeof(struct sockaddr_in) &&
	    ((struct sockaddr_in *)to)->sin_port)
		return 0;
	if (to->ss_family == AF_INET6 && from->length == sizeof(struct sockaddr_in6) &&
	    ((struct sockaddr_in6 *)to)->sin6_port)
		return 0;
	return -EINVAL;
}
