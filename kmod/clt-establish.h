/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* clt-establish.h - makes a snapshot of another host readable. */
#ifndef MITOSIS_CLT_ESTABLISH_H
#define MITOSIS_CLT_ESTABLISH_H

#include "clt-peer.h"

/*
 * By the peer's keeper, in a session. 0: its reads may be posted in this session. -EAGAIN: not this
 * time. Else: never, as the keeper decides.
 */
int mitosis_remote_establish(struct mitosis_remote *remote);

#endif
