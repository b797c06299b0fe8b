/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* clt-keeper.h - begins and ends all that has to do with snapshots of other hosts. */
#ifndef MITOSIS_CLT_KEEPER_H
#define MITOSIS_CLT_KEEPER_H

int mitosis_keeper_init(void);
void mitosis_keeper_exit(void);

#endif
