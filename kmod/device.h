/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* device.h - /dev/mitosis. */
#ifndef MITOSIS_DEVICE_H
#define MITOSIS_DEVICE_H

int mitosis_device_init(void);
void mitosis_device_exit(void);

#endif
