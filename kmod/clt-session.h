/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* clt-session.h - the connections to a host. All by its keeper, but for the first. */
#ifndef MITOSIS_CLT_SESSION_H
#define MITOSIS_CLT_SESSION_H

#include "clt-peer.h"

#define MITOSIS_PAUSE_MIN_MS	10U		/* between two attempts */

/* Any context, without the lock: mitosis_peer_break(), and the end of what comes into failed. */
void mitosis_session_break(struct mitosis_peer *peer, int error);
/* End a session that is broken. */
void mitosis_session_reap(struct mitosis_peer *peer);
/* There is none: make one, with a snapshot's UUID. 0 or why not. */
int mitosis_session_make(struct mitosis_peer *peer, const u8 uuid[16]);
/* Jiffies to the next attempt to make one. */
unsigned long mitosis_session_pause(const struct mitosis_peer *peer);
/* Send OPEN and wait for OPENED. -EAGAIN: the session broke. */
int mitosis_session_ask(struct mitosis_peer *peer, const u8 uuid[16],
			struct mitosis_message *answer);
/* Pages that one read can have; 0: there is no session. */
unsigned int mitosis_session_sge_max(struct mitosis_peer *peer);

void mitosis_session_init(void);
void mitosis_session_exit(void);

#endif
