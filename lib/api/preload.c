// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * preload.c - makes an unmodified program a parent: prepares it from a signal handler.
 *
 * The state that was interrupted, vector registers included, is in the signal frame on the stack,
 * so a child returns from the handler and resumes exactly there. Everything that allocates is done
 * when the object is loaded; the handler only makes system calls.
 */
#include "private/preload.h"
#include "mitosis.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct mitosis_prepare_args args = MITOSIS_PREPARE_ARGS_INIT;
static char listen_at[300], engine[16], label[MITOSIS_LABEL_MAX], file[PATH_MAX];

/* 0 or an errno */
static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno != EINTR)
			return errno;
		if (n > 0) {
			text += n;
			left -= (size_t)n;
		}
	}
	return 0;
}

/* One line, and so one write(2): others may write there, too. */
static void complain(const char *object, const char *reason, const char *more)
{
	static char text[PATH_MAX + 256];	/* the program may have a small stack */

	strcpy(text, "mitosis-parent: ");
	strcat(text, object);
	strcat(text, ": ");
	strcat(text, reason);
	strcat(text, more);
	strcat(text, "\n");
	write_all(2, text);
}

static const char *describe(int err)
{
	const char *text = strerrordesc_np(err);	/* strerror() may allocate */

	return text ? text : "unknown error";
}

/*
 * Served at all addresses, a snapshot is named by this host's name. Only the resolver knows that, which may
 * not run in a signal handler; but all addresses are those of the loopback, too.
 */
static int release(const char *ref)
{
	const char *host = strstr(ref, "://") + 3, *port = strrchr(ref, ':');
	char local[MITOSIS_REF_MAX];
	int err;

	if (*host == '[' || host + strspn(host, "0123456789.") == port)
		return mitosis_release(ref);
	for (int six = 0; six < 2; six++) {
		memcpy(local, ref, (size_t)(host - ref));
		strcpy(stpcpy(local + (host - ref), six ? "[::1]" : "127.0.0.1"), port);
		err = mitosis_release(local);
		if (!err)
			break;
	}
	return err;
}

/* 0 or an errno */
static int hand_over(char ref[MITOSIS_REF_MAX + 1])
{
	size_t length = strlen(ref);
	int fd = file[0] ? open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : 1, err;

	if (fd < 0)
		return errno;
	strcpy(ref + length, "\n");
	err = write_all(fd, ref);
	ref[length] = '\0';
	if (file[0] && close(fd) && !err)
		err = errno;
	return err;
}

/*
 * A snapshot whose reference is lost can neither be used nor ended by anybody: it goes. The program, to
 * which nothing happened, goes on.
 */
static void on_signal(int signo)
{
	char ref[MITOSIS_REF_MAX + 1];
	int saved = errno, err = mitosis_prepare(&args, ref);

	if (!err) {
		err = hand_over(ref);
		if (err)
			complain(file[0] ? file : "standard output", describe(err),
				 release(ref) ? "; the snapshot cannot be released either" : "; the snapshot is released");
	} else if (err < 0) {
		complain("prepare", err == -EBUSY ? "the program has more than one thread" : describe(-err), "");
	}
	errno = saved;
}

static void take(const char *name, char *to, size_t room)
{
	const char *value = getenv(name);

	if (value)
		strncpy(to, value, room - 1);
}

/* In the program's own children: they shall not be parents by accident. */
static void leave(void)
{
	char *list = getenv("LD_PRELOAD"), *colon = list ? strchr(list, ':') : NULL;

	if (colon)
		setenv("LD_PRELOAD", colon + 1, 1);
	else
		unsetenv("LD_PRELOAD");
	unsetenv(PRELOAD_SIGNAL);
	unsetenv(PRELOAD_PID);
	unsetenv(PRELOAD_LISTEN);
	unsetenv(PRELOAD_ENGINE);
	unsetenv(PRELOAD_LABEL);
	unsetenv(PRELOAD_REFERENCE);
	unsetenv(PRELOAD_LIFETIME);
}

__attribute__((constructor)) static void begin(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	char text[32] = "";

	/*
	 * The command may be a wrapper that executes the real program: the process id stays through
	 * exec, so it tells the command from the processes it starts.
	 */
	take(PRELOAD_PID, text, sizeof(text));
	if (!text[0])
		return;
	if (atoi(text) != getpid()) {
		leave();
		return;
	}
	text[0] = '\0';
	take(PRELOAD_SIGNAL, text, sizeof(text));
	sigfillset(&action.sa_mask);
	sigaction(atoi(text), &action, NULL);
	take(PRELOAD_LISTEN, listen_at, sizeof(listen_at));
	take(PRELOAD_ENGINE, engine, sizeof(engine));
	take(PRELOAD_LABEL, label, sizeof(label));
	take(PRELOAD_REFERENCE, file, sizeof(file));
	text[0] = '\0';
	take(PRELOAD_LIFETIME, text, sizeof(text));
	args.lifetime_s = strtoull(text, NULL, 10);
	args.listen = listen_at[0] ? listen_at : NULL;
	args.engine = engine[0] ? engine : NULL;
	args.label = label[0] ? label : NULL;
	if (mitosis_init())
		complain("prepare", "cannot be made ready", "");
}
