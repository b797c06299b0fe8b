// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* failures.c - what the connection manager says, as one of the outcomes that are counted. */
#include "failures.h"

#include <errno.h>
#include <string.h>

#include "protocol.h"

const char *const outcome_names[OUTCOMES] = {
	[OUTCOME_OK] = "ok", [OUTCOME_REFUSED] = "refused", [OUTCOME_REJECTED] = "rejected",
	[OUTCOME_BUSY] = "busy", [OUTCOME_UNREACHABLE] = "unreachable",
	[OUTCOME_TIMEOUT] = "timeout", [OUTCOME_STALE] = "stale",
	[OUTCOME_DISCONNECTED] = "disconnected", [OUTCOME_DEVICE] = "device",
	[OUTCOME_RESOURCES] = "resources", [OUTCOME_MISMATCH] = "mismatch",
	[OUTCOME_ERROR] = "error",
};

/* Reasons of the InfiniBand specification, table "REJ message rejection reason". */
enum { REJECT_NO_RESOURCES = 3, REJECT_INVALID_SERVICE_ID = 8, REJECT_STALE = 10,
       REJECT_CONSUMER = 28 };

enum outcome outcome_of_errno(int err)
{
	switch (err) {
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EADDRNOTAVAIL:
	case ENOENT:
		return OUTCOME_UNREACHABLE;
	case ETIMEDOUT:
		return OUTCOME_TIMEOUT;
	case ENODEV:
	case EIO:
		return OUTCOME_DEVICE;
	case ENOMEM:
	case EAGAIN:
	case EMFILE:
	case ENFILE:
	case ENOSPC:
		return OUTCOME_RESOURCES;
	case ECONNREFUSED:
		return OUTCOME_REFUSED;
	case ECONNRESET:
	case ENOTCONN:
		return OUTCOME_DISCONNECTED;
	case EPROTO:
		return OUTCOME_REJECTED;
	case EBUSY:
		return OUTCOME_BUSY;
	case ESTALE:
		return OUTCOME_STALE;
	case EBADMSG:
		return OUTCOME_MISMATCH;
	default:
		return OUTCOME_ERROR;
	}
}

static uint16_t refusal_in(const struct rdma_conn_param *param)
{
	const struct rcbench_refusal *refusal = param->private_data;

	if (!refusal || param->private_data_len < sizeof(*refusal) ||
	    le32toh(refusal->magic) != RCBENCH_MAGIC ||
	    le16toh(refusal->version) != RCBENCH_VERSION)
		return 0;
	return le16toh(refusal->reason);
}

static void welcome_in(const struct rdma_conn_param *param, struct cm_event *event)
{
	const struct rcbench_welcome *welcome = param->private_data;

	if (!welcome || param->private_data_len < sizeof(*welcome) ||
	    le32toh(welcome->magic) != RCBENCH_MAGIC ||
	    le16toh(welcome->version) != RCBENCH_VERSION)
		return;
	event->address = le64toh(welcome->address);
	event->rkey = le32toh(welcome->rkey);
	event->bytes = le32toh(welcome->bytes);
}

/* Acknowledged at once: an id can be destroyed only when none of its events is held. */
int cm_event_next(struct rdma_event_channel *channel, struct cm_event *to)
{
	struct rdma_cm_event *event;

	if (rdma_get_cm_event(channel, &event))
		return -1;
	*to = (struct cm_event){ .type = event->event, .status = event->status, .id = event->id,
				 .context = event->id->context };
	if (event->event == RDMA_CM_EVENT_REJECTED)
		to->refusal = refusal_in(&event->param.conn);
	else if (event->event == RDMA_CM_EVENT_ESTABLISHED)
		welcome_in(&event->param.conn, to);
	rdma_ack_cm_event(event);
	return 0;
}

enum outcome outcome_of_event(const struct cm_event *event)
{
	switch (event->type) {
	case RDMA_CM_EVENT_ADDR_ERROR:
	case RDMA_CM_EVENT_ROUTE_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
		return OUTCOME_UNREACHABLE;
	case RDMA_CM_EVENT_CONNECT_ERROR:
		return event->status < 0 ? outcome_of_errno(-event->status) : OUTCOME_ERROR;
	case RDMA_CM_EVENT_REJECTED:
		if (event->refusal == RCBENCH_REFUSED_BUSY || event->status == REJECT_NO_RESOURCES)
			return OUTCOME_BUSY;
		if (event->status == REJECT_STALE)
			return OUTCOME_STALE;
		return event->status == REJECT_INVALID_SERVICE_ID ? OUTCOME_REFUSED
								  : OUTCOME_REJECTED;
	case RDMA_CM_EVENT_DISCONNECTED:
		return OUTCOME_DISCONNECTED;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		return OUTCOME_DEVICE;
	default:
		return OUTCOME_OK;
	}
}

const char *cm_event_text(const struct cm_event *event)
{
	if (event->type != RDMA_CM_EVENT_REJECTED)
		return event->status < 0 ? strerror(-event->status) : rdma_event_str(event->type);
	switch (event->refusal) {
	case RCBENCH_REFUSED_PROTOCOL:
		return "rejected: the server is of another version";
	case RCBENCH_REFUSED_RUN:
		return "rejected: the server knows nothing of this run";
	case RCBENCH_REFUSED_BUSY:
		return "rejected: the server has as many connections as it may have";
	case RCBENCH_REFUSED_RESOURCES:
		return "rejected: the server's device has no more to give";
	}
	if (event->status == REJECT_INVALID_SERVICE_ID)
		return "connection refused: is mitosis-rcbench --server running there?";
	return event->status == REJECT_CONSUMER ? "rejected: another program listens there"
						: "rejected";
}
