/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* srv-connection.h - connections that peers made to this host. */
#ifndef MITOSIS_SRV_CONNECTION_H
#define MITOSIS_SRV_CONNECTION_H

#include <linux/types.h>

int mitosis_served_init(void);			/* listens */
void mitosis_served_exit(void);			/* stops, and closes all */
/* Send RELEASED to every peer that opened it; does not wait for them. */
void mitosis_served_announce_release(const u8 uuid[16]);

#endif
