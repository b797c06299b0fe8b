// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * lookup-getent.c - host names in a static program: getent(1) asks the system's resolver.
 *
 * glibc's resolver loads shared objects at run time, which would undo what linking statically is
 * for: starting in a fraction of a millisecond.
 */
#include "api/log.h"
#include "net/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int parse_address(const char *text, uint16_t port, struct sockaddr_storage *to)
{
	struct sockaddr_in *in = (void *)to;
	struct sockaddr_in6 *in6 = (void *)to;

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		return 1;
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		return 1;
	}
	return 0;
}

int lookup_host(const char *host, uint16_t port, struct sockaddr_storage *to, int max)
{
	char *argv[] = { (char *)"getent", (char *)"ahosts", (char *)host, NULL };
	posix_spawn_file_actions_t actions;
	char line[512];
	int pipes[2], n = 0, status, err;
	FILE *in;
	pid_t pid;

	if (*host == '-')
		return -EINVAL;
	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
	err = posix_spawnp(&pid, "getent", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[1]);
	if (err) {
		close(pipes[0]);
		log_error("getent: %s (it looks up host names; or give the address)", strerror(err));
		return -err;
	}
	in = fdopen(pipes[0], "r");
	while (in && fgets(line, sizeof(line), in)) {
		char *space = strpbrk(line, " \t\n");

		if (space)
			*space = '\0';
		if (n < max && (!space || strstr(space + 1, "STREAM")))
			n += parse_address(line, port, &to[n]);
	}
	if (in)
		fclose(in);
	waitpid(pid, &status, 0);
	if (!n)
		log_error("%s: host name not known", host);
	return n ? n : -EHOSTUNREACH;
}
