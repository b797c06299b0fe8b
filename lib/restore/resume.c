// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * resume.c - mitosis_resume(): turns a reference into a running child.
 *
 * All decisions are made here, before the fork (start.c), where an error can still be reported and
 * undone.
 */
#include "api/log.h"
#include "net/net.h"
#include "net/own-host.h"
#include "page/areas.h"
#include "page/placer.h"
#include "page/workingset-file.h"
#include "private/resolve.h"
#include "restore/publish.h"
#include "restore/root.h"
#include "restore/resume.h"
#include "restore/trial.h"
#include "state/files/files.h"
#include "state/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WINDOW_DEFAULT	32u
#define WINDOW_MAX	1024u

static int fetch_descriptor(struct resume *r)
{
	struct wire_frame f;
	const char *why;
	int err;

	r->socket_fd = session_open(r->ref, WIRE_FOR_CHILD, r->args->timeout_ms);
	if (r->socket_fd < 0)
		return r->socket_fd;
	err = session_expect(r->socket_fd, r->ref->address, WIRE_DESCRIPTOR, &f);
	if (err)
		return err;
	if (f.length < sizeof(*r->d) || f.length > DESCRIPTOR_MAX || f.pages > DESCRIPTOR_HOT_MAX) {
		log_error("%s: malformed descriptor: impossible length", r->ref->address);
		return -EPROTO;
	}
	r->d = malloc(f.length);
	if (!r->d)
		return -ENOMEM;
	err = session_read(r->socket_fd, r->d, f.length);
	if (err) {
		log_error("%s: connection lost: %s", r->ref->address, strerror(-err));
		return err;
	}
	err = state_check(r->d, f.length, &why);
	if (!err && r->d->hot_pages != f.pages) {
		why = "wrong number of hot pages";
		err = -EPROTO;
	}
	if (err)
		log_error("%s: malformed descriptor: %s", r->ref->address, why);
	r->local_name = f.address;
	r->number = r->args->number ? r->args->number : f.tag;
	return err;
}

/* Is the shadow on this host, and can fill the child itself? */
static int choose_way(struct resume *r)
{
	const enum mitosis_how how = r->args->how;
	const char *why = r->memory.on_demand ? "its shadow is not on this host"
					      : "its pages do not come on demand";
	int err = -ENOTSUP;

	if (how == MITOSIS_HOW_TCP)
		return 0;
	if (r->memory.on_demand && is_on_own_host(r->socket_fd)) {
		r->place_fd = placer_connect(r->local_name, r->ref->uuid, r->args->timeout_ms);
		err = r->place_fd < 0 ? r->place_fd : placer_ready(r->place_fd, &why);
		if (r->place_fd < 0)
			why = "no shadow of this user's is to be had for it on this host";
		if (!err)
			return 0;
		if (r->place_fd >= 0)
			close(r->place_fd);
		r->place_fd = -1;
	}
	if (how == MITOSIS_HOW_AUTO) {
		log_info("%s: pages come by TCP: %s", r->ref->address, why);
		return 0;
	}
	log_error("%s: pages cannot be placed by the parent's shadow: %s", r->ref->address, why);
	return err;
}

/* Which child it is. One that was given a number is to learn it. */
static int choose_number(struct resume *r)
{
	if (r->args->number && !inside_can_tell(r->d)) {
		log_error("%s: a child cannot be told its number: its parent neither has libmitosis, nor was started with MITOSIS_CHILD in its environment",
			  r->ref->address);
		return -ENOENT;
	}
	inside_lose(r->d, r->number, &r->losses);
	return 0;
}

/*
 * The parent's descriptors keep their numbers, and what else is needed goes above; the child's
 * limit is the parent's.
 */
static void raise_limit(struct resume *r)
{
	struct rlimit most = r->files;

	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
}

/* Relative names must not mean other files than they did. */
static int open_directory(struct resume *r)
{
	const char *path = descriptor_string(r->d, r->d->cwd);
	int fd = root_open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	/* Another was put in its place, or it lies outside of the root directory. */
	if (fd >= 0 && host_is_parents(r->d) && !place_is(&r->d->directory, fd)) {
		close(fd);
		fd = -1;
		errno = ESTALE;
	}

	/* Found is not entered: that needs the permission to look something up in it. */
	if (fd >= 0) {
		int inside = openat(fd, ".", O_PATH | O_CLOEXEC);

		close(fd);
		fd = inside;
	}
	if (fd >= 0) {
		r->cwd = file_move_up(fd, r->plan.fd_next);
		close(fd);
		if (r->cwd < 0) {
			log_error("%s: %s: %s", r->ref->address, path, strerror(-r->cwd));
			return r->cwd;
		}
		r->plan.fd_next = r->cwd + 1;
		return 0;
	}
	losses_add(&r->losses, "it is not in the working directory %s (%s)", path,
		   errno == ESTALE ? "another one has this name here" : strerror(errno));
	return 0;
}

static int seccomp_filters(const char *line, void *data)
{
	unsigned int *count = data;

	sscanf(line, "Seccomp_filters: %u", count);
	return 0;
}

/* A process that was confined is not let loose without a word. */
static int check_confinement(struct resume *r)
{
	unsigned int here = 0;
	int err = areas_lines("/proc/self/status", seccomp_filters, &here);

	if (err) {
		log_error("/proc/self/status: %s (%s)", strerror(-err),
			  err == -EMFILE ? "see ulimit -n" : "is /proc mounted?");
		return err;
	}
	if (r->d->seccomp_filters > here)
		losses_add(&r->losses, "seccomp filters do not confine it (%u, here %u)",
			   r->d->seccomp_filters, here);
	return 0;
}

/*
 * Whose rights the child will have, and how it is confined. Before any of the parent's files is
 * looked for.
 */
static int settle(struct resume *r)
{
	int err = check_confinement(r);

	if (err)
		return err;
	r->root = places_root(r->d, &r->losses);
	err = trial_run(r->d, r->ref->address, &r->root, &r->change_credentials, &r->losses);
	root_set(r->root);
	places_compare(r->d, &r->losses);
	return err;
}

static const char *mapped_name(const struct resume *r, const struct descriptor_vma *v)
{
	const struct descriptor_mapped *mapped = descriptor_at(r->d, r->d->mapped);

	return descriptor_string(r->d, mapped[v->mapped].path);
}

/* Nobody but its kernel knows what it was attached to. */
static void tell_sysv(struct resume *r)
{
	const struct descriptor_nameless *n = descriptor_at(r->d, r->d->nameless);
	const struct descriptor_vma *v = descriptor_at(r->d, r->d->vmas);
	uint32_t segments = 0;

	for (uint32_t i = 0; i < r->d->vmas.count; i++)
		segments += v[i].flags & VMA_NAMELESS && n[v[i].mapped].flags & NAMELESS_SYSV;
	if (segments)
		losses_add(&r->losses,
			   "its System V shared memory is memory of its own (shmdt(2) does not know it)");
}

/* What the child can have of the parent's surroundings here. */
static int gather(struct resume *r)
{
	const struct files_wishes wishes = {
		r->args->publish, r->args->inherit_fds, r->plan.nameless, r->plan.urings,
		r->args->net == MITOSIS_NET_NEW ? &r->network : NULL,
	};
	int err = enclose_network(r);

	if (!err)
		err = files_open(r->d, r->ref->address, &wishes, &r->plan.fd_next, &r->opened,
				 &r->losses);
	network_leave(&r->network);

	tell_sysv(r);
	if (r->plan.read_only)
		losses_add(&r->losses, "its mapping of %s cannot be made writable",
			   mapped_name(r, r->plan.read_only));
	timers_lose(r->d, &r->losses);
	threads_lose(r->d, &r->losses);
	if (!err)
		err = open_directory(r);
	if (!err && r->root >= 0) {
		/* Kept where nothing of the child's own goes. */
		int fd = file_move_up(r->root, r->plan.fd_next);

		close(r->root);
		r->root = fd < 0 ? -1 : fd;
		err = fd < 0 ? fd : 0;
		r->plan.fd_next += fd >= 0;
		r->root_kept = true;
	}
	return err;
}

/* The files of working sets, before anything is started. */
static int working_sets(struct resume *r)
{
	r->record.program = workingset_program(r->d);
	r->record.layout = workingset_layout(r->d);
	if (r->args->record)
		return workingset_can_write(r->args->record);
	if (r->args->replay) {
		int err = workingset_read_for(&r->replay, r->args->replay, r->d);

		if (err)
			return err;
		workingset_merge(&r->replay);
	}
	return 0;
}

static int resume(const struct engine *engine, const struct reference *ref,
		  const struct mitosis_resume_args *args)
{
	struct resume r = {
		.ref = ref,
		.args = args,
		.socket_fd = -1,
		.place_fd = -1,
		.memory = { .backing_fd = -1 },
		.cwd = -1,
		.root = -1,
	};
	int err = getrlimit(RLIMIT_NOFILE, &r.files) ? -errno : fetch_descriptor(&r);

	if (!err)
		err = host_check(r.d, ref->address);
	if (!err)
		err = choose_number(&r);
	if (!err)
		err = working_sets(&r);
	if (!err)
		err = engine->memory(&r.memory, ref, r.d, args);
	if (!err)
		err = choose_way(&r);
	if (!err)
		err = settle(&r);
	if (!err)
		raise_limit(&r);
	if (!err)
		err = plan_make(&r.plan, r.d, ref->address, &r.memory);
	if (!err) {
		err = gather(&r);
		if (!err)
			err = arena_build(&r);
		if (!err)
			err = contents_fetch(&r);
		if (!err)
			err = start_child(&r);
		if (r.arena)
			munmap((void *)r.arena, r.arena_length);
		plan_free(&r.plan);
	}
	if (r.socket_fd >= 0)
		close(r.socket_fd);
	if (r.place_fd >= 0)
		close(r.place_fd);
	if (r.memory.backing_fd >= 0)
		close(r.memory.backing_fd);
	root_set(-1);
	if (r.root >= 0 && !r.root_kept)
		close(r.root);
	losses_free(&r.losses);
	workingset_free(&r.replay);
	free(r.opened);
	free(r.d);
	/* Only a failure comes back here. */
	publish_undo();
	if (r.files.rlim_max)
		setrlimit(RLIMIT_NOFILE, &r.files);
	return err;
}

EXPORT int mitosis_resume(const char *text, const struct mitosis_resume_args *args)
{
	struct mitosis_resume_args a = MITOSIS_RESUME_ARGS_INIT;
	struct sockaddr_storage list[RESOLVE_MAX];
	struct inherit inherited[INHERIT_MAX];
	struct publish publish;
	const struct engine *engine;
	struct reference ref;
	int err;

	if (args) {
		if (args->size < offsetof(struct mitosis_resume_args, engine) ||
		    args->size > sizeof(a))
			return -EINVAL;
		memcpy(&a, args, args->size);
	}
	if (!a.window)
		a.window = WINDOW_DEFAULT;
	if (!a.push_percent)
		a.push_percent = 100;
	if (!a.timeout_ms)
		a.timeout_ms = SESSION_TIMEOUT_MS;
	if (a.window > WINDOW_MAX || a.push_percent > 100 || a.mode > MITOSIS_MODE_EAGER ||
	    a.flags & ~(uint32_t)(MITOSIS_RESUME_STRICT | MITOSIS_RESUME_NO_PUSH |
				  MITOSIS_RESUME_DISCARD_STDIN | MITOSIS_RESUME_PRIVATE |
				  MITOSIS_RESUME_POLL))
		return -EINVAL;
	if (a.reserved || a.reserved2 || a.reserved3 || (a.record && a.replay) ||
	    a.tids > MITOSIS_TIDS_NEW || a.clock > MITOSIS_CLOCK_HOST ||
	    a.net > MITOSIS_NET_NEW || a.how > MITOSIS_HOW_TCP)
		return -EINVAL;
	if (a.record) {
		if (a.mode == MITOSIS_MODE_EAGER) {
			log_error("%s: nothing can be recorded when all memory is fetched before the start",
				  a.record);
			return -EINVAL;
		}
		a.window = 1;
		a.flags |= MITOSIS_RESUME_NO_PUSH;
	}
	/* What is open of them now is the caller's; what is opened from here on is not. */
	err = inherit_parse(inherited, a.inherit_fds);
	if (err < 0)
		return err;
	/* Well written? What it fits is known when the snapshot is. */
	err = publish_parse(&publish, a.publish);
	publish_free(&publish);
	if (err)
		return err;
	err = reference_parse(&ref, text);
	if (err) {
		log_error("not a reference: expected mitosis://HOST:PORT/UUID");
		return err;
	}
	if (a.addresses && resolve_list(a.addresses, ref.port, list) < 0) {
		log_error("%s: not a list of addresses: expected ADDRESS[,ADDRESS...], and no names",
			  a.addresses);
		return -EINVAL;
	}
	ref.addresses = a.addresses;
	engine = a.engine ? engine_find(a.engine) : engine_of(&ref);
	if (!engine)
		return -ENOTSUP;
	return resume(engine, &ref, &a);
}
