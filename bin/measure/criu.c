// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* criu.c - the baseline "criu": see criu.h. */
#include "measure/criu.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "tool.h"
#include "units.h"

#define IN_MEMORY "/dev/shm"
#define TEMPLATE "mitosis-criu.XXXXXX"
/* Images of a program without memory of its own, with much to spare. */
#define LEAST_ROOM (8u << 20)

static const char *criu_path(void)
{
	static char path[PATH_MAX];

	return *path || program_path("criu", path, sizeof(path)) ? path : NULL;
}

/* The exit status of criu, run where no signal of the terminal reaches it; it writes to a file. */
static int run_criu(char *const argv[], const char *log)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		setsid();
		dup2(fd, 1);
		dup2(fd, 2);
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0)
		return 125;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 125;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The first line of a log that tells what went wrong. */
static void reason_in(const char *log, char *to, size_t room)
{
	FILE *f = fopen(log, "re");
	char line[512];

	to[0] = '\0';
	while (f && fgets(line, sizeof(line), f)) {
		char *error = strstr(line, "Error");

		if (!error)
			continue;
		error[strcspn(error, "\n")] = '\0';
		snprintf(to, room, "%s", error);
		break;
	}
	if (f)
		fclose(f);
}

const char *criu_unusable(void)
{
	static char why[600];
	char directory[] = "/tmp/" TEMPLATE, log[64], reason[500];
	char *argv[] = { (char *)criu_path(), (char *)"check", NULL };
	int status;

	if (!argv[0])
		return "not installed";
	if (!mkdtemp(directory))
		return "no temporary directory";
	snprintf(log, sizeof(log), "%s/log", directory);
	status = run_criu(argv, log);
	reason_in(log, reason, sizeof(reason));
	unlink(log);
	rmdir(directory);
	if (!status)
		return NULL;
	snprintf(why, sizeof(why), "does not work on this kernel: criu check: %s",
		 reason[0] ? reason : "failed");
	return why;
}

bool measure_has_criu(void)
{
	const char *why = criu_unusable();

	if (why)
		tool_warn("criu", "%s: left out", why);
	return !why;
}

/* ---- places ---- */

static bool is_memory(const char *name)
{
	return !strncmp(name, "pages-", 6);
}

/* Hidden files are none of the images, and stay unless all have to go. */
static void empty_directory(const char *path, uint64_t *bytes, bool all)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		struct stat st;

		if (e->d_name[0] == '.' &&
		    (!all || !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")))
			continue;
		if (bytes && is_memory(e->d_name) && !fstatat(dirfd(d), e->d_name, &st, 0))
			*bytes += (uint64_t)st.st_size;
		unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
}

static void remove_directory(const char *path)
{
	if (!*path)
		return;
	empty_directory(path, NULL, true);
	rmdir(path);
}

/* Waits until nobody has the other end open: this tool, and criu, which waits for its child. */
static __attribute__((noreturn)) void guard(const struct criu_place *p, int until)
{
	char c;

	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	dup2(until, 0);
	close_range(1, ~0U, 0);
	while (read(0, &c, 1) < 0 && errno == EINTR)
		;
	remove_directory(p->images);
	remove_directory(p->copy);
	_exit(0);
}

static int make_directory(char path[PATH_MAX], const char *in, uint64_t bytes)
{
	char have[32], want[32];
	struct statvfs fs;
	uint64_t free_bytes;

	if ((size_t)snprintf(path, PATH_MAX, "%s/" TEMPLATE, in) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		goto fail;
	}
	if (statvfs(in, &fs))
		goto fail;
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (free_bytes < bytes + LEAST_ROOM) {
		tool_error(in, "%s free, the images take %s: name another directory",
			   units_format_size(free_bytes, have),
			   units_format_size(bytes + LEAST_ROOM, want));
		*path = '\0';
		return -1;
	}
	if (mkdtemp(path))
		return 0;
fail:
	tool_error(in, "%s", strerror(errno));
	*path = '\0';
	return -1;
}

int criu_place_make(struct criu_place *p, const char *in, const char *copy_to, uint64_t bytes)
{
	int ends[2];

	*p = (struct criu_place){ .guard = -1 };
	if (pipe2(ends, O_CLOEXEC)) {
		tool_error("pipe", "%s", strerror(errno));
		return -1;
	}
	if (make_directory(p->images, in ? in : IN_MEMORY, bytes) ||
	    (copy_to && make_directory(p->copy, copy_to, bytes))) {
		close(ends[1]);
		goto fail;
	}
	fflush(NULL);
	p->guardian = fork();
	if (!p->guardian) {
		close(ends[1]);
		guard(p, ends[0]);
	}
	p->guard = ends[1];
	/* Each criu inherits it: the directories stay as long as one of them runs. */
	fcntl(p->guard, F_SETFD, 0);
	if (p->guardian > 0) {
		close(ends[0]);
		return 0;
	}
	tool_error("fork", "%s", strerror(errno));
	close(p->guard);
fail:
	close(ends[0]);
	remove_directory(p->images);
	remove_directory(p->copy);
	return -1;
}

void criu_place_remove(struct criu_place *p)
{
	close(p->guard);
	while (waitpid(p->guardian, NULL, 0) < 0 && errno == EINTR)
		;
}

void criu_place_empty(const struct criu_place *p, uint64_t *bytes)
{
	if (bytes)
		*bytes = 0;
	empty_directory(p->images, bytes, false);
}

/* ---- saving ---- */

static void failed(const char *what, const char *directory, const char *log)
{
	char path[PATH_MAX + 32], reason[500];

	snprintf(path, sizeof(path), "%s/%s", directory, log);
	reason_in(path, reason, sizeof(reason));
	tool_error(what, "%s", reason[0] ? reason : "failed");
}

int criu_dump(const struct criu_place *p, pid_t pid, bool leave_running, uint64_t *dump_ns)
{
	char tree[16];
	char *argv[] = {
		(char *)criu_path(), (char *)"dump", (char *)"--tree", tree,
		(char *)"--images-dir", (char *)p->images,
		(char *)"--log-file", (char *)"dump.log",
		leave_running ? (char *)"--leave-running" : NULL, NULL,
	};
	uint64_t start;
	int status;

	snprintf(tree, sizeof(tree), "%d", (int)pid);
	start = clock_now_ns();
	status = run_criu(argv, "/dev/null");
	*dump_ns = clock_now_ns() - start;
	if (status) {
		failed("criu dump", p->images, "dump.log");
		return -1;
	}
	/* It has been killed; its PID is the children's, and free when it has been waited for. */
	while (!leave_running && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

void criu_wait(int report, int until)
{
	char ref[MITOSIS_REF_MAX] = "", c;
	ssize_t n;

	/* CRIU saves sessions as a whole, no terminals, and of open files as many as it must. */
	setsid();
	if (dup2(until, 0) < 0 || dup2(report, 1) < 0 || dup2(open("/dev/null", O_RDWR), 2) < 0 ||
	    close_range(3, ~0U, 0) || write_exactly(1, ref, sizeof(ref)))
		_exit(STATUS_FAILED);
	do {
		n = read(0, &c, 1);
	} while (n < 0 && errno == EINTR);
	/* The tool says nothing to a parent, and one byte to each child. */
	if (n != 1)
		_exit(0);
}

/* ---- restoring ---- */

uint64_t criu_clock_offset(void)
{
	FILE *f = fopen("/proc/self/timens_offsets", "re");
	int64_t seconds = 0, ns = 0;
	char line[128];

	/* A kernel without time namespaces has no such file, and one clock. */
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "monotonic %" SCNd64 " %" SCNd64, &seconds, &ns) == 2)
			break;
	if (f)
		fclose(f);
	return -(uint64_t)(seconds * 1000000000 + ns);
}

static int copy_file(int from_dir, int to_dir, const char *name, uint64_t *bytes)
{
	int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC), to = -1, err = -1;
	static char buffer[1 << 20];
	ssize_t n;

	if (from < 0)
		return -1;
	to = openat(to_dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to < 0)
		goto out;
	while ((n = read(from, buffer, sizeof(buffer))) > 0) {
		if (write_exactly(to, buffer, (size_t)n))
			goto out;
		*bytes += (uint64_t)n;
	}
	/* What another host could read: a remote file system has it all by then. */
	if (!n && !fsync(to))
		err = 0;
out:
	close(from);
	if (to >= 0 && close(to))
		err = -1;
	return err;
}

int criu_copy(const struct criu_place *p, uint64_t *copy_ns, uint64_t *bytes)
{
	uint64_t start;
	int to, err = 0;
	struct dirent *e;
	DIR *d;

	empty_directory(p->copy, NULL, false);
	*bytes = 0;
	start = clock_now_ns();
	d = opendir(p->images);
	to = open(p->copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!d || to < 0)
		err = -1;
	while (!err && (e = readdir(d)))
		if (e->d_name[0] != '.')
			err = copy_file(dirfd(d), to, e->d_name, bytes);
	if (err)
		tool_error(p->copy, "%s", strerror(errno));
	*copy_ns = clock_now_ns() - start;
	if (d)
		closedir(d);
	if (to >= 0)
		close(to);
	return err;
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

static const char *source(const struct criu_place *p)
{
	return *p->copy ? p->copy : p->images;
}

int criu_restore(const struct criu_place *p, const struct parent *parent, struct child *c)
{
	char in[64], out[64];
	char *argv[] = {
		(char *)criu_path(), (char *)"restore", (char *)"--images-dir", (char *)source(p),
		(char *)"--log-file", (char *)"restore.log",
		(char *)"--inherit-fd", in, (char *)"--inherit-fd", out, NULL,
	};
	int go[2], status;

	if (pipe2(go, O_CLOEXEC)) {
		tool_error("pipe", "%s", strerror(errno));
		return -1;
	}
	snprintf(in, sizeof(in), "fd[0]:pipe:[%" PRIu64 "]", inode_of(parent->until));
	snprintf(out, sizeof(out), "fd[1]:pipe:[%" PRIu64 "]", inode_of(parent->report));
	status = write_exactly(go[1], "g", 1);
	if (!status)
		status = child_start_apart(c, argv, go[0]);
	if (status)
		tool_error(argv[0], "%s", strerror(errno));
	close(go[0]);
	close(go[1]);
	return status;
}

void criu_restore_failed(const struct criu_place *p)
{
	failed("criu restore", source(p), "restore.log");
}
