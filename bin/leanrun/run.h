/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* run.h - the parts of mitosis-leanrun. */
#ifndef RUN_H
#define RUN_H

#include "lean.h"
#include "record.h"

/* What is to be run in containers of one template. */
struct job {
	struct lean_spawner spawner;
	const char *name;
	char **command;			/* NULL: that of the image */
	const char *child;		/* reference of a snapshot, whose children are run */
	/* of its host, with commas between; NULL: mitosis-child knows */
	char *addresses;
	struct lean_strings env;	/* given by the user: "NAME=VALUE" */
	const char *directory;		/* NULL: that of the image, or / */
	/* no command, not even that of the image: the container holds a function of ours */
	bool bare;
	bool init;			/* a process 1 of ours above the command */
	int host_proc;			/* the host's /proc, which cannot be seen after entering */

	/* found in the template by job_enter() */
	char path[PATH_MAX];
	struct lean_strings argv, envp;
};

/*
 * Enter the template and find the program there: 0, or an exit status after a message. quiet:
 * children of a snapshot do not warn; report: they tell on descriptor 3 when they run.
 */
int job_enter(struct job *j, bool quiet, bool report);
/* Fill in what every container of the job has in common. */
void job_spawn(const struct job *j, struct lean_spawn *s, const struct lean_leaf *leaf);
/* Say why a container could not be started, and return the exit status for it. */
int job_failed(const struct job *j, const struct lean_spawn *s, long err);

/*
 * command.c: one container as if its command were run here. Does not return when the command ended
 * by a signal.
 */
int run_command(struct job *j);

/* init.c: process 1 of a container */
struct init {
	int stdio[3];
	int terminal;		/* socket for the other end of a new terminal, or -1 */
	volatile bool ended;	/* the command has, and its status is known */
};
void init_main(struct lean_spawn *s);

/* terminal.c */
/* The master's descriptor, or -errno; -EPIPE: the container ended before, and tells why itself. */
int terminal_receive(int socket);
void terminal_send(struct lean_spawn *s, int socket, int master);
/* The user's terminal passes everything on, until terminal_restore(). */
int terminal_raw(void);
void terminal_restore(void);
void terminal_copy_size(int master);

/* slot.c: one container that is measured */
struct slot {
	struct lean_leaf leaf;
	struct lean_spawn spawn;
	pid_t pid;
	int out, report;	/* what it writes, when that is looked at; -1 */
	uint64_t asked_ns, started_ns, made_ns;
	uint64_t steps[4];	/* of made_ns: clone, mounts, confinement, exec */
};
int slot_start(struct job *j, struct slot *s, bool stamp, bool hold);
int slot_release(struct slot *s);
void slot_kill(struct slot *s);

/* measure.c: many containers, a record of each */
struct measure {
	uint64_t count, pool;
	uint64_t *parallel;
	size_t parallel_count;
	bool pause, steps, stamp, json;
	int argc;
	char **argv;
};
extern const struct record_column measure_columns[];
extern const size_t measure_column_count;
int run_measured(struct job *j, const struct measure *m);

/* What a spawner tells of one container, or of one pause of it. */
struct sample {
	uint64_t iter, asked_ns, started_ns, resumed_ns, ended_ns, slot_ns, pause_ns, steps[4];
	uint32_t status;
};

struct shared;
/* One of `parallel` processes that have entered the template. */
struct spawner {
	struct job *job;
	const struct measure *m;
	struct shared *shared;
	int out;
	uint64_t slots;
};
/* All of them begin at once. */
void await_go(struct spawner *sp);
/* The number of the next container; false: there were enough. */
bool next_number(struct spawner *sp, uint64_t *iter);

/*
 * pause.c: the time to freeze and to thaw, by one container of this spawner's. 0 or an exit status
 * after a message.
 */
int pause_all(struct spawner *sp);

#endif
