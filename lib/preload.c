// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * preload.c - makes an unmodified program a parent: prepares it from a signal handler.
 *
 * The state that was interrupted, vector registers included, is in the signal frame on the stack,
 * so a child returns from the handler and resumes exactly there. Everything that allocates is done
 * when the object is loaded; the handler only makes system calls.
 */
#include "preload.h"
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

static void write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			text += n;
			left -= (size_t)n;
		}
	}
}

static void on_signal(int signo)
{
	char ref[MITOSIS_REF_MAX + 1], digits[16];
	int saved = errno, err = mitosis_prepare(&args, ref), fd = 1, i = sizeof(digits);

	if (!err) {
		if (file[0])
			fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		strcat(ref, "\n");
		write_all(fd, ref);
		if (file[0] && fd >= 0)
			close(fd);
	} else if (err < 0) {
		digits[--i] = '\0';
		digits[--i] = '\n';
		for (int n = -err; n; n /= 10)
			digits[--i] = (char)('0' + n % 10);
		write_all(2, err == -EBUSY ? "mitosis-parent: prepare: the program has more than one thread\n" :
			     "mitosis-parent: prepare: failed with errno ");
		if (err != -EBUSY)
			write_all(2, digits + i);
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
		write_all(2, "mitosis-parent: cannot initialize\n");
}
