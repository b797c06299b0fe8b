/* SPDX-License-Identifier: GPL-2.0-only */
/* device.h - /dev/mitosis. */
#ifndef MITOSIS_DEVICE_H
#define MITOSIS_DEVICE_H

int mitosis_device_init(void);
void mitosis_device_exit(void);

#endif
