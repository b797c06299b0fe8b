/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * lean.h - lean containers: what mitosis-leanprep makes and mitosis-leanrun starts.
 *
 * A template is made once. It consists of
 *	STATE/NAME/template	its description: lines "key=value" (description.c)
 *	STATE/NAME/rootfs	its root file system, unless that is somebody else's directory
 *	RUN/NAME/view		the process that keeps its mount namespace, and its cgroup (view.c)
 *	RUN/NAME/seccomp	the compiled system call filter
 *	RUN/NAME.lock		held shared by whoever runs containers, exclusively by who
 *				changes it
 * STATE and RUN are /var/lib and /run/mitosis-exp/lean for root (places.c).
 *
 * A container starts from the template's mount namespace, which holds half a dozen mounts however
 * many the host has. A spawner enters that namespace once (enter.c) and then starts any number of
 * containers with one clone3(2) each (spawn.c), each in a leaf of the template's cgroup (cgroup.c).
 *
 * Functions that return int return 0, or -1 after a message, unless they say otherwise.
 */
#ifndef LEAN_H
#define LEAN_H

#include <limits.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define LEAN_NAME_MAX	63
#define LEAN_CHILD	"/.mitosis/child"	/* mitosis-child inside every template */

/* ---- places.c: where templates live, and who uses them ---- */

/* The directories of this user's templates; both exist when the call succeeded. */
int lean_places(void);
/* The same for who only looks: what is not there is not made. */
int lean_places_there(void);
const char *lean_state(void);
const char *lean_run(void);
/* STATE/NAME/FILE and RUN/NAME/FILE; FILE NULL: the directory. buf is returned. */
char *lean_state_path(char buf[PATH_MAX], const char *name, const char *file);
char *lean_run_path(char buf[PATH_MAX], const char *name, const char *file);
bool lean_name_is_good(const char *name);

enum lean_lock { LEAN_SHARED, LEAN_EXCLUSIVE };
/*
 * A descriptor that holds the lock of a template; -1 without a message, errno EWOULDBLOCK: the
 * others hold it. An exclusive lock makes the lock file, a shared one needs it (ENOENT).
 */
int lean_lock(const char *name, enum lean_lock kind);
/* Unlock; gone: the template is no more, and neither is its lock. */
void lean_unlock(const char *name, int fd, bool gone);
/* A template that another process is making or changing is waited for: as above, with a message. */
int lean_use(const char *name);

/* ---- files.c ---- */

int write_text(const char *path, const char *text,
	       mode_t mode);				/* whole or not at all; 0 or -errno */
char *read_text(const char *path);			/* NULL with errno; the caller frees it */
int make_directories(const char *path, mode_t mode);	/* like mkdir -p; 0 or -errno */
int remove_tree(const char *path);			/* crosses no mount; 0 or -errno */
int copy_file(const char *from, const char *to);	/* with its mode; 0 or -errno */

/* ---- description.c ---- */

struct lean_strings {
	char **at;		/* ends in NULL, once there is one */
	size_t count;
};
void strings_add(struct lean_strings *s, const char *text);
void strings_free(struct lean_strings *s);

struct lean_template {
	char name[LEAN_NAME_MAX + 1];
	char *rootfs;		/* as the user said it: "closure:/bin/sh" */
	char *root;		/* the tree that is mounted */
	bool layered;		/* not ours: read through an overlay, with the skeleton on top */
	uint64_t memory, pids;	/* 0: no limit */
	char *cpus;		/* NULL: all */
	uint64_t tmp;		/* size of /tmp */
	uid_t uid;
	gid_t gid;
	uint64_t caps;		/* bit per capability that containers keep */
	bool writable, no_network, require_limits;
	char *cgroup;		/* a delegated directory that the user named */
	char *hostname, *directory;
	struct lean_strings env, args, devices;
};

/* NULL after a message. what: for the message when there is none ("no such template"). */
struct lean_template *template_read(const char *name);
int template_write(const struct lean_template *t);
/* The text of the settings that a user gives: two templates with equal ones are the same. */
char *template_settings(const struct lean_template *t);
void template_free(struct lean_template *t);
bool template_exists(const char *name);

/* "chown,setuid" to bits and back; 0 or -EINVAL for what no container may have. */
int caps_parse(const char *text, uint64_t *caps);
char *caps_format(uint64_t caps);
extern const char *const lean_caps[];	/* the names that may be given; ends in NULL */

/* ---- view.c: the running half of a template ---- */

enum { LEAN_MEMORY = 1u << 0, LEAN_PIDS = 1u << 1, LEAN_CPUS = 1u << 2 };

struct lean_view {
	pid_t pid;			/* the keeper */
	/* its start time, to tell it from a later process of the same pid */
	uint64_t started;
	uint64_t mount_ns, user_ns;	/* inodes; user_ns 0: that of the host */
	char cgroup[PATH_MAX];		/* directory; empty: none */
	unsigned int limits;		/* LEAN_*: in force */
};

/*
 * 0; -ENOENT: not set up; -ESRCH: its keeper is gone, for example since this host was started anew.
 */
int view_read(const char *name, struct lean_view *v);
int view_write(const char *name, const struct lean_view *v);	/* 0 or -errno */
uint64_t process_started(pid_t pid);	/* 0: no such process */
void keeper_kill(pid_t pid, uint64_t started);	/* returns when it is gone */

/* ---- cgroup.c ---- */

/* Where cgroup v2 is mounted, and the caller's own group below it. 0 or -errno. */
int cgroup_root(char path[PATH_MAX]);
int cgroup_own(char path[PATH_MAX]);

/* Where groups are made when systemd has none to give; t: NULL if no template says. 0 or -errno. */
int group_base(const struct lean_template *t, char path[PATH_MAX]);

/* One container's place, held by a lock while it is used. */
struct lean_leaf {
	int fd;			/* the directory; -1: no cgroup */
	unsigned int number;
	uint64_t oom_kills;	/* when it was taken */
};

/* group: a descriptor of the template's cgroup, -1: there is none, and the leaf is empty. */
int leaf_take(int group, const struct lean_template *t, unsigned int limits,
	      struct lean_leaf *leaf);
void leaf_give_back(struct lean_leaf *leaf);
/* Was a process of this leaf killed for want of memory since it was taken? */
bool leaf_ran_out(const struct lean_leaf *leaf);
/* Freeze or thaw and wait until it is so. 0 or -errno; what cannot be frozen goes on. */
int leaf_freeze(int leaf_fd, bool freeze);
int group_populated(int dir_fd);	/* 1, 0 or -errno */
/* Kill what is in a group, and remove it and all below it. 0 or -errno. */
int group_remove(const char *path);

/* ---- devices.c ---- */

struct lean_device {
	const char *name;
	dev_t number;
};
/*
 * Fill DIRECTORY, on which a file system of its own is mounted, with the nodes of /dev. bound: they
 * are bound from this process's /dev, since a user namespace may make none.
 */
int devices_make(const char *directory, bool bound, const struct lean_device *more, size_t count);
int device_add(const char *directory, const struct lean_device *device);

/* ---- filter.c ---- */

/* The compiled profile of a template; NULL after a message. */
int filter_read(const char *name, struct sock_fprog *program);
/*
 * Install it for this process and all that it starts. secret: whoever passes it as the sixth
 * argument may still mount and clone.
 */
int filter_install(const struct sock_fprog *program, uint64_t secret);

/* ---- spawn.c ---- */

/*
 * A directory of the host's that is mounted into the template's root, when containers may write to
 * theirs.
 */
struct lean_part {
	char upper[32], work[32], target[32], options[128];
};

/* What is the same for every container of a spawner. */
struct lean_inside {
	const struct lean_template *t;
	bool user_ns;			/* the template belongs to an unprivileged user */
	uint64_t secret;		/* see filter_install() */
	char tmp_options[64];
	struct lean_strings masked_files, masked_directories;
	struct lean_part parts[16];
	size_t part_count;
};

enum lean_step { LEAN_CLONED, LEAN_MOUNTED, LEAN_CONFINED, LEAN_STEPS };

struct lean_spawn {
	const struct lean_inside *inside;
	int cgroup;			/* descriptor of its leaf, or -1 */
	int stdio[3];
	int extra;			/* becomes descriptor 3; -1: none */
	/* A program, */
	const char *path, *directory;
	char *const *argv, *const *envp;
	bool hold;			/* stops when the program is loaded; the caller traces it */
	/* or a function, which then runs in a copy of the caller. */
	void (*main)(struct lean_spawn *s);
	void *data;
	bool terminals;			/* mount /dev/pts */

	int spawner;			/* its pidfd; set by lean_spawn() */

	/* filled in by the container */
	const char *volatile failed;	/* what could not be done, with the reason in: */
	volatile int error;
	volatile int status;		/* main's own use */
	volatile uint64_t at[LEAN_STEPS];
};

/*
 * Start a container: the pid of its first process, or -errno. With a program it returns when that
 * has been loaded; s->failed is set, and the container has ended, if it could not be. With a
 * function *s must be in shared memory.
 */
pid_t lean_spawn(struct lean_spawn *s);
/* For main: become the program. Only returns on failure, with s->failed set. */
void lean_exec(struct lean_spawn *s);

/* ---- enter.c ---- */

/* A process that starts containers of a template. */
struct lean_spawner {
	struct lean_template *t;
	struct lean_view view;
	struct lean_inside inside;
	int lock, group;
	struct sock_fprog filter;
};

/*
 * Enter the template's namespaces for good and give up all that no container shall have. Devices
 * that only this spawner's containers get: extra. The template must be locked.
 */
int spawner_enter(struct lean_spawner *s, const struct lean_device *extra, size_t count);
/*
 * Open what is reached by path, while the host's files can be seen: the template, its lock and
 * cgroup.
 */
int spawner_open(struct lean_spawner *s, const char *name);

#endif
