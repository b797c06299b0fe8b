// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mitosis-leanprep - makes, shows and removes the templates that lean containers start from.
 *
 * A template comes into being in this order: its directory, the root file system, the description
 * (from here on there is a template), the keeper of its namespaces with its cgroup and system call
 * filter. What a crash in between leaves is a directory without a description, or a description without
 * a keeper: the former `clean` removes, the latter `create` completes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lean.h"
#include "leanprep/prep.h"
#include "tool.h"

enum { L_NAME, L_ROOTFS, L_STATE, L_CONTAINERS, L_MEMORY, L_CPUS, L_PIDS, L_LIMITS, L_KEY, L_VALUE };
static const struct record_column list_columns[] = {
	[L_NAME]       = { "name", RECORD_STRING, "the template" },
	[L_ROOTFS]     = { "rootfs", RECORD_STRING, "what its root file system was made of" },
	[L_STATE]      = { "state", RECORD_STRING, "ready, stopped (create sets it up again) or incomplete (rm and clean remove it)" },
	[L_CONTAINERS] = { "containers", RECORD_UINT, "that run now" },
	[L_MEMORY]     = { "memory_bytes", RECORD_SIZE, "limit of each container" },
	[L_CPUS]       = { "cpus", RECORD_STRING, "processors that containers may use" },
	[L_PIDS]       = { "pids", RECORD_UINT, "limit of processes and threads of each container" },
	[L_LIMITS]     = { "limits", RECORD_STRING, "those of the limits that are in force on this host" },
	[L_KEY]        = { "key", RECORD_STRING, "inspect: what is told" },
	[L_VALUE]      = { "value", RECORD_STRING, "inspect: it" },
};
#define COLUMNS (sizeof(list_columns) / sizeof(list_columns[0]))

struct options {
	char *rootfs, *memory, *cpus, *pids, *tmp, *user, *caps, *network, *hostname, *cgroup;
	int writable, require_limits, all, json, quiet;
	int argc;
	char **argv;
};

/* Set by a signal: what was begun is undone instead of being left. */
static volatile sig_atomic_t interrupted;

static void on_signal(int signo)
{
	interrupted = signo;
}

static void catch_signals(void)
{
	const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal };

	for (size_t i = 0; i < 3; i++)
		sigaction(signals[i], &action, NULL);
}

/* A template that is locked exclusively; 0, or -1 after a message. */
static int remove_all(const char *name)
{
	char why[WHY_MAX];
	int err = template_destroy(name, why);

	if (err)
		tool_error(name, "%s", why);
	return err;
}

/* Exclusive use of a template, or -1 after a message. */
static int lock_alone(const char *name)
{
	int fd = lean_lock(name, LEAN_EXCLUSIVE);

	if (fd >= 0)
		return fd;
	if (errno == EWOULDBLOCK)
		tool_error(name, "in use: containers of it run, or another mitosis-leanprep is at work on it");
	else
		tool_error(name, "%s", strerror(errno));
	return -1;
}

/* ---- create ---- */

static int parse_user(const char *text, struct lean_template *t)
{
	char *end;
	unsigned long uid = strtoul(text, &end, 10), gid = uid;

	if (end == text || (*end && *end != ':'))
		return -1;
	if (*end) {
		const char *second = end + 1;

		gid = strtoul(second, &end, 10);
		if (end == second || *end)
			return -1;
	}
	if (uid > 4294967294u || gid > 4294967294u)
		return -1;
	t->uid = (uid_t)uid;
	t->gid = (gid_t)gid;
	return 0;
}

/* "0-3,7": whether this host has them is seen when it is set. */
static bool is_cpu_list(const char *text)
{
	for (;;) {
		unsigned long first, last;
		char *end;

		if (*text < '0' || *text > '9')
			return false;
		first = last = strtoul(text, &end, 10);
		if (*end == '-') {
			if (end[1] < '0' || end[1] > '9')
				return false;
			last = strtoul(end + 1, &end, 10);
		}
		if (last < first || (*end && *end != ','))
			return false;
		if (!*end)
			return true;
		text = end + 1;
	}
}

static int parse_settings(const struct options *o, struct lean_template *t)
{
	uint64_t value;
	int status;

	t->rootfs = strdup(o->rootfs);
	t->hostname = strdup(o->hostname ? o->hostname : t->name);
	t->tmp = 64 << 20;
	if (!strcmp(o->rootfs, "host") && !geteuid())
		t->uid = t->gid = 65534;
	status = rootfs_check(o->rootfs);
	if (status)
		return status;
	if ((o->memory && tool_arg_size("--memory", o->memory, &t->memory)) ||
	    (o->tmp && tool_arg_size("--tmp", o->tmp, &t->tmp)) ||
	    (o->pids && tool_arg_uint("--pids", o->pids, 1, 4194304, &t->pids)))
		return STATUS_USAGE;
	if (o->memory && t->memory < 65536)
		return tool_usage_error("--memory", "%s: too little for any program", o->memory);
	if (!t->tmp)
		return tool_usage_error("--tmp", "%s: a file system without room", o->tmp);
	if (o->cpus) {
		if (!is_cpu_list(o->cpus))
			return tool_usage_error("--cpus", "%s: expected a list such as 0-3,7", o->cpus);
		t->cpus = strdup(o->cpus);
	}
	if (o->user) {
		if (parse_user(o->user, t))
			return tool_usage_error("--user", "%s: expected UID or UID:GID, numbers", o->user);
		if (geteuid() && (t->uid || t->gid))
			return tool_usage_error("--user", "%s: without root, containers have one user only, 0", o->user);
	}
	if (o->caps && *o->caps && caps_parse(o->caps, &t->caps))
		return tool_usage_error("--caps", "%s: only chown, dac_override, fowner, fsetid, kill, net_bind_service, "
					"setgid and setuid may be kept", o->caps);
	if (t->caps && t->uid)
		return tool_usage_error("--caps", "goes with --user 0: another user has no capabilities");
	if (o->network && strcmp(o->network, "host") && strcmp(o->network, "none"))
		return tool_usage_error("--network", "%s: neither host nor none", o->network);
	t->no_network = o->network && !strcmp(o->network, "none");
	if (strlen(t->hostname) > 64 || strchr(t->hostname, '\n'))
		return tool_usage_error("--hostname", "longer than 64 bytes");
	if (o->cgroup) {
		if (*o->cgroup != '/')
			return tool_usage_error("--cgroup", "%s: the directory must begin with /", o->cgroup);
		if (!group_is_one(o->cgroup))
			return tool_usage_error("--cgroup", "%s: %s", o->cgroup,
						errno == ENOTTY ? "not a directory of cgroup v2" : strerror(errno));
		t->cgroup = strdup(o->cgroup);
	}
	t->writable = o->writable;
	t->require_limits = o->require_limits;
	value = strcspn(o->rootfs, "\n");
	if (o->rootfs[value])
		return tool_usage_error("--rootfs", "a line break in it");
	return 0;
}

/* The running half of a template that is there: 0 when it runs already or runs now. */
static int set_up(const struct lean_template *t)
{
	struct lean_view v;
	struct keeper k;
	char path[PATH_MAX], why[WHY_MAX];
	struct stat st;
	int status;

	if (!view_read(t->name, &v))
		return 0;
	if (template_stop(t->name, t, why)) {
		tool_error(t->name, "%s", why);
		return STATUS_FAILED;
	}
	if (mkdir(lean_run_path(path, t->name, NULL), 0755)) {
		tool_error(path, "%s", strerror(errno));
		return STATUS_FAILED;
	}
	if (profile_write(t->name) || keeper_start(t, &k))
		return STATUS_FAILED;
	v = (struct lean_view){ .pid = k.pid, .started = process_started(k.pid) };
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)k.pid);
	status = stat(path, &st);
	v.mount_ns = st.st_ino;
	if (!status && geteuid()) {
		snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)k.pid);
		status = stat(path, &st);
		v.user_ns = st.st_ino;
	}
	if (status) {
		tool_error(path, "%s", strerror(errno));
		status = STATUS_FAILED;
	} else {
		status = delegate(t, k.pid, &v);
	}
	if (!status && view_write(t->name, &v)) {
		tool_error(lean_run_path(path, t->name, "view"), "%s", strerror(errno));
		status = STATUS_FAILED;
	}
	if (!status && !interrupted)
		return keeper_release(&k) ? STATUS_FAILED : 0;
	keeper_kill(v.pid, v.started);
	if (v.cgroup[0])
		group_remove(v.cgroup);
	close(k.go);
	close(k.ready);
	return status == STATUS_SKIP ? STATUS_SKIP : STATUS_FAILED;
}

/* The line of a key in settings, without its end; NULL: there is none. */
static const char *setting(const char *settings, const char *line)
{
	size_t key = strcspn(line, "=") + 1;

	while (*settings && strncmp(settings, line, key)) {
		settings += strcspn(settings, "\n");
		settings += *settings == '\n';
	}
	return *settings ? settings : NULL;
}

/* The first line that the other one lacks, or has with another value; its line there in *other. */
static const char *first_difference(const char *settings, const char *others, const char **other)
{
	while (*settings) {
		size_t n = strcspn(settings, "\n");

		*other = setting(others, settings);
		if (!*other || strcspn(*other, "\n") != n || strncmp(*other, settings, n))
			return settings;
		settings += n + (settings[n] == '\n');
	}
	return NULL;
}

static int refuse_other(const char *name, const char *old, const char *new)
{
	const char *there = NULL, *wanted = first_difference(new, old, &there);

	if (!wanted)
		there = first_difference(old, new, &wanted);
	if (there && wanted)
		tool_error(name, "exists with other settings (%.*s, not %.*s): remove it first, or take another name",
			   (int)strcspn(there, "\n"), there, (int)strcspn(wanted, "\n"), wanted);
	else
		tool_error(name, "exists with%s %.*s: remove it first, or take another name", there ? "" : "out",
			   (int)strcspn(there ? there : wanted, "\n"), there ? there : wanted);
	return STATUS_FAILED;
}

/* It is there already: the same one is set up if need be, another one is refused. */
static int create_again(const struct lean_template *new, const struct options *o)
{
	struct lean_template *t = template_read(new->name);
	int status = 0;

	if (!t)
		return STATUS_FAILED;
	if (o->rootfs) {
		char *wanted = template_settings(new), *there = template_settings(t);

		if (strcmp(wanted, there))
			status = refuse_other(new->name, there, wanted);
		free(wanted);
		free(there);
	}
	if (!status)
		status = set_up(t);
	template_free(t);
	return status;
}

static int create_locked(struct lean_template *t, const struct options *o)
{
	char path[PATH_MAX];
	int status;

	if (template_exists(t->name))
		return create_again(t, o);
	/* What an earlier attempt left. */
	if (remove_all(t->name))
		return STATUS_FAILED;
	if (mkdir(lean_state_path(path, t->name, NULL), 0755)) {
		tool_error(path, "%s", strerror(errno));
		return STATUS_FAILED;
	}
	status = rootfs_make(t) || interrupted || template_write(t) ? STATUS_FAILED : set_up(t);
	if (status || interrupted)
		remove_all(t->name);
	return status;
}

static int create(const char *name, const struct options *o)
{
	struct lean_template t = { 0 };
	int status = 0, lock;

	snprintf(t.name, sizeof(t.name), "%s", name);
	if (o->rootfs)
		status = parse_settings(o, &t);
	else if (o->memory || o->cpus || o->pids || o->tmp || o->user || o->caps || o->network || o->hostname || o->cgroup ||
		 o->writable || o->require_limits)
		status = tool_usage_error("--rootfs", template_exists(name) ?
					  "missing: %s exists, other options go with --rootfs (to change them, remove it first)" :
					  "missing: what is the root file system of %s made of?", name);
	else if (!template_exists(name))
		status = tool_usage_error("--rootfs", "missing: there is no template %s yet", name);
	if (!status) {
		catch_signals();
		lock = lean_lock(name, LEAN_EXCLUSIVE);
		if (lock < 0 && errno == EWOULDBLOCK && template_exists(name)) {
			/* Containers run: it is set up, and need only be the same. */
			lock = lean_use(name);
			status = lock < 0 ? STATUS_FAILED : create_again(&t, o);
		} else if (lock < 0) {
			status = lock_alone(name) < 0 ? STATUS_FAILED : STATUS_FAILED;
		} else {
			status = create_locked(&t, o);
		}
		lean_unlock(name, lock, status && !template_exists(name));
	}
	if (interrupted)
		status = 128 + interrupted;
	free(t.rootfs);
	free(t.root);
	free(t.cpus);
	free(t.cgroup);
	free(t.hostname);
	free(t.directory);
	strings_free(&t.env);
	strings_free(&t.args);
	return status;
}

/* ---- rm, clean ---- */

static int remove_one(const char *name)
{
	char path[PATH_MAX];
	int lock, err;

	/* An incomplete one, too: list shows it. */
	if (!lean_name_is_good(name) || access(lean_state_path(path, name, NULL), F_OK)) {
		tool_error(name, "no such template (mitosis-leanprep list shows them)");
		return STATUS_FAILED;
	}
	lock = lock_alone(name);
	if (lock < 0)
		return STATUS_FAILED;
	err = remove_all(name);
	lean_unlock(name, lock, !err);
	return err ? STATUS_FAILED : 0;
}

static bool quiet;

static void tell_removed(enum leftover what, const char *name, const char *why)
{
	if (why)
		tool_error(name, "%s", why);
	else if (!quiet)
		fprintf(stderr, "%s: %s: %s\n", tool_name, name, what == LEFT_TEMPLATE ? "removed" : "leftovers removed");
}

static int clean(const struct options *o)
{
	const struct lean_clean c = { .all = o->all, .tell = tell_removed };

	quiet = o->quiet;
	return lean_clean(&c);
}

/* ---- list, inspect ---- */

/* Leaves with processes; -1: not known, there is no cgroup. */
static int count_containers(const struct lean_view *v)
{
	struct dirent **entries;
	int n, count = 0;

	if (!v->cgroup[0])
		return -1;
	n = scandir(v->cgroup, &entries, NULL, NULL);
	for (int i = 0; i < n; i++) {
		char path[PATH_MAX + 256];

		snprintf(path, sizeof(path), "%s/%s", v->cgroup, entries[i]->d_name);
		if (entries[i]->d_name[0] == 'c' && entries[i]->d_type == DT_DIR && strncmp(entries[i]->d_name, "cgroup.", 7)) {
			int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			count += fd >= 0 && group_populated(fd) == 1;
			if (fd >= 0)
				close(fd);
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return count;
}

static char *format_limits(unsigned int limits)
{
	char *text = NULL;

	if (asprintf(&text, "%s%s%s", limits & LEAN_MEMORY ? "memory," : "", limits & LEAN_PIDS ? "pids," : "",
		     limits & LEAN_CPUS ? "cpus," : "") < 0)
		return NULL;
	if (*text)
		text[strlen(text) - 1] = '\0';
	else
		strcpy(text, "");
	return text;
}

static struct record_stream *out;

static int list_one(const char *name, void *data)
{
	struct lean_template *t = template_exists(name) ? template_read(name) : NULL;
	struct lean_view v;
	int running, count;
	char *limits;

	if (!lean_name_is_good(name))
		return 0;
	running = !view_read(name, &v);
	record_begin(out);
	record_string(out, L_NAME, name);
	record_string(out, L_STATE, !t ? "incomplete" : running ? "ready" : "stopped");
	if (t) {
		record_string(out, L_ROOTFS, t->rootfs);
		if (t->memory)
			record_uint(out, L_MEMORY, t->memory);
		record_string(out, L_CPUS, t->cpus);
		if (t->pids)
			record_uint(out, L_PIDS, t->pids);
	}
	count = running ? count_containers(&v) : 0;
	if (count >= 0)
		record_uint(out, L_CONTAINERS, (uint64_t)count);
	if (running) {
		limits = format_limits(v.limits);
		record_string(out, L_LIMITS, limits && *limits ? limits : "none");
		free(limits);
	}
	record_end(out);
	template_free(t);
	return 0;
}

static int list(const struct options *o)
{
	/* Without the two columns of inspect, which are the last. */
	int status = STATUS_FAILED;

	if (!record_open(&out, stdout, o->json ? RECORD_JSON : RECORD_AUTO, list_columns, L_KEY, NULL, o->argc, o->argv)) {
		record_header(out);
		status = entries_each(lean_state(), list_one, NULL);
	}
	return record_close(out) ? STATUS_FAILED : status;
}

static void tell(const char *key, const char *value)
{
	record_begin(out);
	record_string(out, 0, key);
	record_string(out, 1, value);
	record_end(out);
}

static void tell_number(const char *key, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	tell(key, text);
}

static int inspect(const char *name, const struct options *o)
{
	struct lean_template *t;
	struct lean_view v;
	char *text, *at, *line, path[PATH_MAX];
	int running, status = STATUS_FAILED;

	t = template_read(name);
	if (!t)
		return STATUS_FAILED;
	running = !view_read(name, &v);
	text = read_text(lean_state_path(path, name, "template"));
	if (text && !record_open(&out, stdout, o->json ? RECORD_JSON : RECORD_AUTO, list_columns + L_KEY, 2, NULL, o->argc,
				 o->argv)) {
		tell("name", name);
		tell("state", running ? "ready" : "stopped");
		at = text;
		while ((line = strsep(&at, "\n")) != NULL) {
			char *value = strchr(line, '=');

			if (!value || *line == '#')
				continue;
			*value++ = '\0';
			tell(line, value);
		}
		if (running) {
			char *limits = format_limits(v.limits);
			int count = count_containers(&v);

			tell_number("keeper_pid", (uint64_t)v.pid);
			tell("limits", limits && *limits ? limits : "none");
			tell("group", v.cgroup[0] ? v.cgroup : "none");
			if (count >= 0)
				tell_number("containers", (uint64_t)count);
			free(limits);
		}
		status = 0;
	}
	free(text);
	template_free(t);
	return record_close(out) ? STATUS_FAILED : status;
}

/* ---- mount-dev ---- */

/* In a copy of the template's namespace its /dev can be written to; the file system is the same. */
static int add_node(const struct lean_view *v, const struct lean_device *device)
{
	char path[64];
	int fd, status;
	pid_t pid;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)v->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	pid = fd < 0 ? -1 : fork();
	if (!pid) {
		if (setns(fd, CLONE_NEWNS) || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount(NULL, "/dev", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NOEXEC, NULL)) {
			tool_error("/dev", "%s", strerror(errno));
			_exit(STATUS_FAILED);
		}
		_exit(device_add("/dev", device) ? STATUS_FAILED : 0);
	}
	if (fd >= 0)
		close(fd);
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		tool_error(path, "%s", strerror(errno));
		return -1;
	}
	return status ? -1 : 0;
}

static int mount_device(const char *name, const char *path)
{
	struct lean_template *t;
	struct lean_view v;
	struct stat st;
	char why[WHY_MAX] = "";
	int status = STATUS_FAILED, lock;
	bool there = false;

	if (strncmp(path, "/dev/", 5) || strstr(path, "/../") || strchr(path, '\n'))
		return tool_usage_error(NULL, "%s: expected a device below /dev", path);
	if (stat(path, &st) || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))) {
		tool_error(path, "%s", S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? "not a device" : strerror(errno));
		return STATUS_FAILED;
	}
	if (!S_ISCHR(st.st_mode)) {
		tool_error(path, "a block device: whoever writes to it writes past every file system");
		return STATUS_FAILED;
	}
	/* Root's containers get the node at once; a user namespace makes none, so its view is built anew. */
	lock = geteuid() ? lock_alone(name) : lean_use(name);
	if (lock < 0)
		return STATUS_FAILED;
	t = template_read(name);
	for (size_t i = 0; t && i < t->devices.count; i++)
		there |= !strcmp(t->devices.at[i], path);
	if (t) {
		if (!there)
			strings_add(&t->devices, path);
		status = there || !template_write(t) ? 0 : STATUS_FAILED;
	}
	if (!status && !there && !view_read(name, &v)) {
		const struct lean_device device = { path + strlen("/dev/"), st.st_rdev };

		if (!geteuid())
			status = add_node(&v, &device) ? STATUS_FAILED : 0;
		else
			status = template_stop(name, t, why) ? STATUS_FAILED : set_up(t);
		if (*why)
			tool_error(name, "%s", why);
	}
	template_free(t);
	lean_unlock(name, lock, false);
	return status;
}

/* ---- pause, unpause ---- */

static int freeze_leaf(const char *what, const char *group, const char *leaf, bool freeze, bool must)
{
	char path[PATH_MAX];
	int fd, populated, err = 0;

	snprintf(path, sizeof(path), "%s/%s", group, leaf);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	populated = fd < 0 ? 0 : group_populated(fd);
	if (populated == 1)
		err = leaf_freeze(fd, freeze);
	if (fd >= 0)
		close(fd);
	if (err)
		tool_error(what, "container %s: %s", leaf + 1, strerror(-err));
	else if (populated != 1 && must)
		tool_error(what, "no such container runs");
	return err || (populated != 1 && must) ? -1 : populated == 1;
}

/* NAME or NAME/N */
static int freeze(const char *what, bool freezing)
{
	char name[LEAN_NAME_MAX + 16], leaf[32], *slash;
	struct dirent **entries;
	struct lean_view v;
	int n, touched = 0, status = 0;

	snprintf(name, sizeof(name), "%s", what);
	slash = strchr(name, '/');
	if (slash)
		*slash++ = '\0';
	if (!lean_name_is_good(name) || !template_exists(name)) {
		tool_error(name, "no such template (mitosis-leanprep list shows them)");
		return STATUS_FAILED;
	}
	if (view_read(name, &v)) {
		tool_error(name, "not set up, so nothing of it runs");
		return STATUS_FAILED;
	}
	if (!v.cgroup[0]) {
		tool_error(name, "it has no cgroup here, so its containers cannot be paused");
		return STATUS_SKIP;
	}
	if (slash) {
		if (!*slash || slash[strspn(slash, "0123456789")])
			return tool_usage_error(NULL, "%s: expected NAME or NAME/NUMBER", what);
		snprintf(leaf, sizeof(leaf), "c%s", slash);
		return freeze_leaf(what, v.cgroup, leaf, freezing, true) < 0 ? STATUS_FAILED : 0;
	}
	n = scandir(v.cgroup, &entries, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		const char *entry = entries[i]->d_name;

		if (entry[0] == 'c' && entry[1] >= '0' && entry[1] <= '9') {
			int got = freeze_leaf(what, v.cgroup, entry, freezing, false);

			if (got < 0)
				status = STATUS_FAILED;
			else
				touched += got;
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	if (!status && !touched)
		tool_warn(what, "no container runs");
	return status;
}

static int dispatch(const struct options *o, const char *verb, const char *name, const char *device, bool more)
{
	static const struct {
		const char *verb;
		int arguments;
	} verbs[] = {
		{ "create", 1 }, { "list", 0 }, { "inspect", 1 }, { "rm", -1 }, { "clean", 0 }, { "mount-dev", 2 },
		{ "pause", 1 }, { "unpause", 1 },
	};
	int wanted = -2, given = (name != NULL) + (device != NULL) + more;

	for (size_t i = 0; verb && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(verb, verbs[i].verb))
			wanted = verbs[i].arguments;
	if (wanted == -2)
		return tool_usage_error(NULL, "%s: expected create, list, inspect, rm, clean, mount-dev, pause or unpause",
					verb ? verb : "no command");
	if (wanted >= 0 ? given != wanted : !given)
		return tool_usage_error(NULL, "%s: expected %s", verb,
					wanted == 2 ? "a template and a device" : wanted ? "the name of a template" : "no argument");
	if (o->all && strcmp(verb, "clean"))
		return tool_usage_error("--all", "goes with clean");
	if (name && strcmp(verb, "pause") && strcmp(verb, "unpause") && !lean_name_is_good(name))
		return tool_usage_error(NULL, "%s: not a name: up to %d letters, digits, - and _, a letter or digit first", name,
					LEAN_NAME_MAX);
	if (lean_places())
		return STATUS_FAILED;
	if (!strcmp(verb, "create"))
		return create(name, o);
	if (!strcmp(verb, "list"))
		return list(o);
	if (!strcmp(verb, "inspect"))
		return inspect(name, o);
	if (!strcmp(verb, "clean"))
		return clean(o);
	if (!strcmp(verb, "mount-dev"))
		return mount_device(name, device);
	if (!strcmp(verb, "pause") || !strcmp(verb, "unpause"))
		return freeze(name, *verb == 'p');
	return -1;
}

int main(int argc, char **argv)
{
	static const struct tool_info info = {
		.synopsis = "[OPTION...] COMMAND [NAME] [DEVICE]",
		.summary = "Make, show and remove templates of lean containers, which mitosis-leanrun starts.\n"
			   "Commands:\n"
			   "  create NAME --rootfs KIND     make a template, or set it up again after a start of the host\n"
			   "  list, inspect NAME            show all templates, or all of one\n"
			   "  rm NAME...                    remove templates that are not in use\n"
			   "  clean                         remove what a crash left; with --all every template too\n"
			   "  mount-dev NAME DEVICE         give its containers a device, such as /dev/mitosis\n"
			   "  pause, unpause NAME[/NUMBER]  freeze and thaw its containers, or one of them",
		.columns = list_columns, .ncolumns = COLUMNS,
		.examples = "  mitosis-leanprep create hello --rootfs closure:/usr/bin/python3,/bin/sh --memory 256M --cpus 0-1 --pids 100\n"
			    "  mitosis-leanprep create app --rootfs oci:./layout:latest\n"
			    "  mitosis-leanprep mount-dev hello /dev/mitosis\n",
		.exit_status = "  0; 1 failed; 2 wrong usage; 77 a limit is required that this host cannot enforce\n",
	};
	struct options o = { .argc = argc, .argv = argv };
	struct poptOption options[] = {
		{ "rootfs", 'r', POPT_ARG_STRING, &o.rootfs, 0,
		  "create: closure:PROGRAM[,...], tar:FILE, oci:DIRECTORY[:TAG], docker-archive:FILE[:TAG], dir:DIRECTORY, minbase[:SUITE] or host", "KIND" },
		{ "memory", 'm', POPT_ARG_STRING, &o.memory, 0, "create: memory of each container (default: no limit)", "SIZE" },
		{ "cpus", 'c', POPT_ARG_STRING, &o.cpus, 0, "create: processors that containers run on, such as 0-1 (default: all)", "LIST" },
		{ "pids", 'p', POPT_ARG_STRING, &o.pids, 0, "create: processes and threads of each container (default: no limit)", "N" },
		{ "require-limits", '\0', POPT_ARG_NONE, &o.require_limits, 0, "create: refuse if a limit cannot be enforced here", NULL },
		{ "tmp", '\0', POPT_ARG_STRING, &o.tmp, 0, "create: what a container may write to files, in memory (default 64M)", "SIZE" },
		{ "writable", 'w', POPT_ARG_NONE, &o.writable, 0, "create: the whole root can be written to, not /tmp only; gone with the container", NULL },
		{ "user", 'u', POPT_ARG_STRING, &o.user, 0, "create: whom containers run as (default 0; with host 65534)", "UID[:GID]" },
		{ "caps", '\0', POPT_ARG_STRING, &o.caps, 0, "create: capabilities that are kept (default: none)", "LIST" },
		{ "network", '\0', POPT_ARG_STRING, &o.network, 0, "create: host, the host's own network (default), or none", "WHICH" },
		{ "hostname", '\0', POPT_ARG_STRING, &o.hostname, 0, "create: host name in containers (default: the template's name)", "NAME" },
		{ "cgroup", '\0', POPT_ARG_STRING, &o.cgroup, 0, "create: a cgroup directory that was delegated (default: found)", "DIRECTORY" },
		{ "all", 'a', POPT_ARG_NONE, &o.all, 0, "clean: templates too, if they are not in use", NULL },
		{ "quiet", 'q', POPT_ARG_NONE, &o.quiet, 0, "clean: do not say what was removed", NULL },
		{ "json", 'j', POPT_ARG_NONE, &o.json, 0, "list, inspect: write JSON Lines", NULL },
		TOOL_HEADER_OPTION,
		TOOL_COMMON_OPTIONS,
		POPT_TABLEEND
	};
	const char *verb, *name, *device;
	int opt, status = STATUS_USAGE;
	poptContext con;

	tool_init("mitosis-leanprep");
	con = tool_context(argc, argv, options, 0, &info);
	opt = tool_next(con);
	if (opt == TOOL_END) {
		verb = poptGetArg(con);
		if (verb && !strcmp(verb, "rm") && poptPeekArg(con)) {
			status = lean_places() ? STATUS_FAILED : 0;
			while (!status && (name = poptGetArg(con)) != NULL)
				status = remove_one(name);
		} else {
			name = verb ? poptGetArg(con) : NULL;
			device = name ? poptGetArg(con) : NULL;
			status = dispatch(&o, verb, name, device, device && poptPeekArg(con));
		}
	}
	poptFreeContext(con);
	return status;
}
