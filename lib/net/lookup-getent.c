// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * lookup-getent.c - host names in a static program: getent(1) asks the system's resolver.
 *
 * glibc's resolver loads shared objects at run time, which would undo what linking statically is
 * for: starting in a fraction of a millisecond.
 */
#include "api/log.h"
#include "net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/*
 * One record of getent's answer per line, its address first; those of ahosts tell the type of
 * socket.
 */
static int read_addresses(FILE *in, uint16_t port, struct sockaddr_storage *to, int max)
{
	char line[512];
	int n = 0;

	while (fgets(line, sizeof(line), in)) {
		char *space = strpbrk(line, " \t\n");
		const char *address = line;
		bool other;
		socklen_t length;

		other = space && (strstr(space, "DGRAM") || strstr(space, "RAW"));
		if (space)
			*space = '\0';
		/* IPv4 as IPv6, on a host that has addresses of the latter alone. */
		if (!strncmp(line, "::ffff:", 7) && strchr(line, '.'))
			address += 7;
		if (n < max && !other && !address_numeric(address, port, &to[n], &length))
			n++;
	}
	return n;
}

static int ask(const char *database, const char *host, uint16_t port, struct sockaddr_storage *to,
	       int max)
{
	char *argv[] = { (char *)"getent", (char *)database, (char *)host, NULL };
	posix_spawn_file_actions_t actions;
	int pipes[2], n = 0, status, err;
	FILE *in;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
	err = posix_spawnp(&pid, "getent", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[1]);
	if (err) {
		close(pipes[0]);
		log_error("getent: %s (it looks up host names; or give the address)",
			  strerror(err));
		return -err;
	}
	in = fdopen(pipes[0], "r");
	if (in) {
		n = read_addresses(in, port, to, max);
		fclose(in);
	} else {
		close(pipes[0]);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return n;
}

int lookup_host(const char *host, uint16_t port, struct sockaddr_storage *to, int max,
		const char **why)
{
	int n;

	*why = NULL;
	if (*host == '-') {
		*why = "not a host name";
		return -EINVAL;
	}
	/*
	 * ahosts leaves out families that this host has no address of but the loopback one; hosts
	 * does not.
	 */
	n = ask("ahosts", host, port, to, max);
	if (!n)
		n = ask("hosts", host, port, to, max);
	if (!n)
		*why = "host name not known";
	return n ? n : -EHOSTUNREACH;
}
