// SPDX-License-Identifier: GPL-2.0-or-later
/* criu.c - the baseline "criu": see criu.h. */
#include "criu.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "tool.h"
#include "wss.h"

/* Shared with the subject through a file, since CRIU knows how to dump a file mapping. */
struct shared {
	_Atomic uint64_t ready;
	_Atomic uint64_t longest_gap_ns;
};

struct criu_subject {
	pid_t pid;
	char directory[64];
	struct shared *shared;
};

/* Runs criu; its output goes to a file in the directory, or nowhere. Returns the exit status. */
static int run_criu(char *const argv[], const char *log)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		int fd = open(log ? log : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(fd, 1);
		dup2(fd, 2);
		execvp(argv[0], argv);
		_exit(errno == ENOENT ? 127 : 126);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 125;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The first line of a log that tells what went wrong. */
static void reason_in(const char *log, char *to, size_t room)
{
	FILE *f = fopen(log, "r");
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
	char directory[] = "/tmp/mitosis-prepare.XXXXXX", log[64], reason[500];
	char *const argv[] = { (char *)"criu", (char *)"check", NULL };
	int status;

	if (!mkdtemp(directory))
		return "no temporary directory";
	snprintf(log, sizeof(log), "%s/log", directory);
	status = run_criu(argv, log);
	reason_in(log, reason, sizeof(reason));
	unlink(log);
	rmdir(directory);
	if (!status)
		return NULL;
	if (status == 127)
		return "not installed";
	snprintf(why, sizeof(why), "does not work on this kernel: criu check: %s",
		 reason[0] ? reason : "failed");
	return why;
}

/* Watch the clock: the longest step is how long this process stood still. */
static __attribute__((noreturn)) void subject(struct shared *shared, uint64_t bytes, bool huge, pid_t parent)
{
	struct wss w;
	uint64_t last;
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close_range(3, ~0U, 0);
	if (bytes && wss_make(&w, bytes, huge))
		_exit(1);
	atomic_store(&shared->ready, 1);
	last = clock_now_ns();
	while (getppid() == parent) {
		uint64_t now = clock_now_ns();

		if (now - last > atomic_load(&shared->longest_gap_ns))
			atomic_store(&shared->longest_gap_ns, now - last);
		last = now;
	}
	_exit(0);
}

struct criu_subject *criu_subject_start(uint64_t wss, bool huge)
{
	struct criu_subject *s = calloc(1, sizeof(*s));
	pid_t parent = getpid();
	char file[96];
	int fd;

	if (!s)
		return NULL;
	strcpy(s->directory, "/tmp/mitosis-prepare.XXXXXX");
	if (!mkdtemp(s->directory)) {
		tool_error("/tmp", "%s", strerror(errno));
		free(s);
		return NULL;
	}
	snprintf(file, sizeof(file), "%s/shared", s->directory);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*s->shared))) {
		tool_error(file, "%s", strerror(errno));
		goto fail;
	}
	s->shared = mmap(NULL, sizeof(*s->shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (s->shared == MAP_FAILED)
		goto fail;
	fflush(NULL);
	s->pid = fork();
	if (!s->pid) {
		setsid();
		subject(s->shared, wss, huge, parent);
	}
	while (s->pid > 0 && !atomic_load(&s->shared->ready)) {
		if (waitpid(s->pid, NULL, WNOHANG)) {
			tool_error("working set", "could not be made");
			s->pid = 0;
			goto fail;
		}
		sched_yield();
	}
	return s;
fail:
	criu_subject_end(s);
	return NULL;
}

static void empty_directory(const char *path, uint64_t *bytes)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		struct stat st;

		if (e->d_name[0] == '.' || !strcmp(e->d_name, "shared"))
			continue;
		if (bytes && !strncmp(e->d_name, "pages-", 6) && !fstatat(dirfd(d), e->d_name, &st, 0))
			*bytes += (uint64_t)st.st_size;
		unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
}

void criu_subject_end(struct criu_subject *s)
{
	char file[96];

	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	if (s->shared && s->shared != MAP_FAILED)
		munmap(s->shared, sizeof(*s->shared));
	empty_directory(s->directory, NULL);
	snprintf(file, sizeof(file), "%s/shared", s->directory);
	unlink(file);
	rmdir(s->directory);
	free(s);
}

int criu_dump(struct criu_subject *s, uint64_t *frozen_ns, uint64_t *dump_ns, uint64_t *bytes)
{
	char pid[16], log[96], reason[500];
	char *const argv[] = {
		(char *)"criu", (char *)"dump", (char *)"--tree", pid, (char *)"--images-dir", s->directory,
		(char *)"--leave-running", (char *)"--log-file", (char *)"dump.log", NULL,
	};
	uint64_t start;
	int status;

	snprintf(pid, sizeof(pid), "%d", s->pid);
	snprintf(log, sizeof(log), "%s/dump.log", s->directory);
	atomic_store(&s->shared->longest_gap_ns, 0);
	start = clock_now_ns();
	status = run_criu(argv, NULL);
	*dump_ns = clock_now_ns() - start;
	*frozen_ns = atomic_load(&s->shared->longest_gap_ns);
	*bytes = 0;
	if (status) {
		reason_in(log, reason, sizeof(reason));
		tool_error("criu dump", "%s", reason[0] ? reason : "failed");
	}
	empty_directory(s->directory, bytes);
	return status ? -1 : 0;
}
