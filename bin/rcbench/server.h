/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* server.h - the server of mitosis-rcbench: accepts, answers, takes, bounded and for any peer. */
#ifndef RCBENCH_SERVER_H
#define RCBENCH_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "record.h"

struct server_options {
	struct sockaddr_storage listen;
	unsigned int threads, max_connections;
	uint64_t timeout_ns;
	bool once;
	struct record_stream *out;
};

extern const struct record_column server_columns[];
extern const size_t server_column_count;

/* Until a signal, or with .once until the first run has ended. 0, or -1 after a message. */
int serve(const struct server_options *options);

#endif
