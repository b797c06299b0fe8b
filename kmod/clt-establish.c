// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * clt-establish.c - makes a snapshot of another host readable in the present session: asks for it,
 * reads its table, and takes that, or the keys in it where the table is there already.
 *
 * The reads of a table go through the same queue as those of pages, with the session's fate: they
 * are not repeated when it breaks, but asked for anew with the whole.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "clt-establish.h"
#include "clt-read.h"
#include "clt-session.h"
#include "clt-table.h"
#include "compat/compat.h"
#include "counters.h"

#define FAULTS_MAX	3U		/* access errors while reading the table */

/* ---- RDMA READs into the kernel's memory ---- */

struct fetching {
	struct mitosis_peer *peer;
	atomic_t pending;
	int error;
};

static void fetch_done(struct mitosis_read *read, int error)
{
	struct fetching *fetch = read->private;
	struct mitosis_peer *peer = fetch->peer;

	/* The first tells why; those behind it were flushed. */
	if (error)
		cmpxchg(&fetch->error, 0, error);
	/* The last one's end is the end of fetch, and of all reads. */
	if (atomic_dec_and_test(&fetch->pending))
		wake_up_all(&peer->wait);
}

static void fetch_fill(struct mitosis_read *read, void *to, u64 address, u32 rkey, u32 length)
{
	u32 done;

	read->bytes = length;
	read->done = fetch_done;
	read->wr.remote_addr = address;
	read->wr.rkey = rkey;
	for (done = 0; done < length; done += PAGE_SIZE)
		read->pages[read->count++] = vmalloc_to_page(to + done);
}

static void fetch_start(struct fetching *fetch, struct mitosis_read *reads, unsigned int count)
{
	struct mitosis_peer *peer = fetch->peer;
	unsigned long flags;
	unsigned int i;

	atomic_set(&fetch->pending, count);
	spin_lock_irqsave(&peer->lock, flags);
	for (i = 0; i < count && !peer->session->broken; i++) {
		reads[i].private = fetch;
		list_add_tail(&reads[i].node, &peer->ready);
	}
	atomic_sub(count - i, &fetch->pending);
	if (i < count)
		fetch->error = -EAGAIN;
	mitosis_peer_arm(peer);
	spin_unlock_irqrestore(&peer->lock, flags);
	mitosis_reads_pump(peer, UINT_MAX);
}

/*
 * The end is certain: the tick breaks a session that gets on no more, and the drain completes what
 * was posted. -EREMOTEIO: the host does not let us.
 */
static int fetch(struct mitosis_peer *peer, void *to, u64 address, u32 rkey, u32 length)
{
	u32 most = mitosis_session_sge_max(peer) * PAGE_SIZE, done, part;
	struct mitosis_session *session = peer->session;
	struct fetching fetch = { .peer = peer };
	struct mitosis_read *reads;
	unsigned int n = 0;

	if (!session)
		return -EAGAIN;
	reads = kvcalloc(DIV_ROUND_UP(length, most), sizeof(*reads), GFP_KERNEL);
	if (!reads)
		return -ENOMEM;
	for (done = 0; done < length; done += part) {
		part = min(length - done, most);
		fetch_fill(&reads[n++], to + done, address + done, rkey, part);
	}
	fetch_start(&fetch, reads, n);
	wait_event(peer->wait, !atomic_read(&fetch.pending) || READ_ONCE(session->broken));
	if (atomic_read(&fetch.pending)) {
		mitosis_session_reap(peer);
		wait_event(peer->wait, !atomic_read(&fetch.pending));
	}
	kvfree(reads);
	invalidate_kernel_vmap_range(to, length);
	return fetch.error;
}

/* ---- The table ---- */

static int piece_read(struct mitosis_peer *peer, const struct mitosis_message *m,
		      unsigned int piece, struct mitosis_chunk *buffer, struct mitosis_table *table)
{
	const struct mitosis_piece *p = &m->pieces[piece];
	u32 i, count = mitosis_opened_chunks(m, piece);
	int error;

	error = fetch(peer, buffer, le64_to_cpu(p->address), le32_to_cpu(p->rkey),
		      le32_to_cpu(p->length));
	for (i = 0; i < count && !error; i++)
		error = mitosis_table_add(table, &buffer[i]);
	return error;
}

static struct mitosis_table *table_read(struct mitosis_peer *peer, const struct mitosis_message *m)
{
	u32 count = le32_to_cpu(m->chunk_count);
	unsigned int i, pieces = le16_to_cpu(m->piece_count);
	struct mitosis_table *table = mitosis_table_new(count);
	struct mitosis_chunk *buffer;
	int error = -ENOMEM;

	/* Whole pages, for the device; read again for each piece. */
	buffer = vmalloc(PAGE_ALIGN(max(mitosis_opened_chunks(m, 0), 1U) * sizeof(*buffer)));
	if (table && buffer)
		error = 0;
	for (i = 0; i < pieces && !error; i++)
		error = piece_read(peer, m, i, buffer, table);
	if (!error && mitosis_table_pages(table) != le64_to_cpu(m->pages))
		error = -EPROTO;
	vfree(buffer);
	if (!error)
		return table;
	mitosis_table_free(table);
	return ERR_PTR(error);
}

/* ---- The whole ---- */

/* The first time it is ours; later it brings keys. */
static int table_take(struct mitosis_remote *remote, struct mitosis_table *table)
{
	unsigned int sge_max = mitosis_session_sge_max(remote->peer);
	int error = 0;

	/*
	 * The session broke after the answer had come; the next one may go through another device.
	 */
	if (!sge_max) {
		mitosis_table_free(table);
		return -EAGAIN;
	}
	if (!remote->table) {
		remote->read_max = sge_max;
		remote->table = table;
		return 0;
	}
	if (!mitosis_tables_are_same(remote->table, table))
		error = -ESTALE;
	else if (sge_max < remote->read_max)
		error = -ENODEV;	/* reached by another device, which cannot take our reads */
	else
		mitosis_table_renew(remote->table, table);
	mitosis_table_free(table);
	return error;
}

int mitosis_remote_establish(struct mitosis_remote *remote)
{
	struct mitosis_peer *peer = remote->peer;
	struct mitosis_message answer;
	struct mitosis_table *table;
	int error;

	error = mitosis_session_ask(peer, remote->uuid, &answer);
	if (error)
		return error;
	error = mitosis_opened_check(&answer);
	table = error ? ERR_PTR(error) : table_read(peer, &answer);
	error = PTR_ERR_OR_ZERO(table);
	if (error == -EREMOTEIO) {
		/*
		 * The snapshot was released just now, and the next answer will say so; or the host
		 * lies.
		 */
		remote->faults++;
		return remote->faults > FAULTS_MAX ? -EIO : -EAGAIN;
	}
	if (error == -EPROTO) {
		mitosis_count(refused_messages);
		mitosis_session_break(peer, -EPROTO);
	}
	if (error)
		return error;
	remote->faults = 0;
	return table_take(remote, table);
}
