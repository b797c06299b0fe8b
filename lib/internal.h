/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* internal.h - what the library's files share; nothing of it is exported. */
#ifndef MITOSIS_INTERNAL_H
#define MITOSIS_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "format/descriptor.h"
#include "mitosis.h"
#include "shadow/shadow.h"
#include "format/wire.h"

#define EXPORT __attribute__((visibility("default")))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* log.c */
void log_text(enum mitosis_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...)   log_text(MITOSIS_LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_text(MITOSIS_LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_text(MITOSIS_LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_text(MITOSIS_LOG_DEBUG, __VA_ARGS__)

/* reference.c: mitosis://HOST:PORT/UUID, or mitosis+rdma:// where the kernel module serves the pages */
struct reference {
	char host[256];			/* without the brackets of IPv6 */
	uint16_t port;
	uint8_t uuid[16];
	bool rdma;
	char address[272];		/* HOST:PORT: safe to show, the UUID is not */
};
int reference_parse(struct reference *ref, const char *text);
/* Async-signal-safe. 0 or -ENAMETOOLONG. */
int reference_format(char text[MITOSIS_REF_MAX], const char *address, const uint8_t uuid[16], bool rdma);

/* lookup.c, or lookup-getent.c in static programs: addresses of a host name; count or -errno. */
int lookup_host(const char *host, uint16_t port, struct sockaddr_storage *to, int max);

/* address.c: an address and a port; and "ADDRESS", "ADDRESS:PORT", "[IPV6]", "[IPV6]:PORT" or "IPV6". 0 or -EINVAL. */
int address_numeric(const char *host, uint16_t port, struct sockaddr_storage *to, socklen_t *length);
int address_listen(const char *where, struct sockaddr_storage *to, socklen_t *length);

/* transport.h: how the bytes travel */
struct transport {
	const char *name;
	/* Returns a listening descriptor; address becomes HOST:PORT as peers shall use it. */
	int (*listen)(const char *where, char address[256]);
	int (*connect)(const struct reference *ref, unsigned int timeout_ms);
};
extern const struct transport transport_tcp;

/* session.c: the client's side of the protocol, blocking, with a limit on silence */
int session_open(const struct reference *ref, enum wire_purpose purpose, unsigned int timeout_ms);
int session_hello(int fd, enum wire_purpose purpose, const uint8_t uuid[16]);
int session_read(int fd, void *to, uint64_t bytes);
/* A frame of the type, or the reason in an error frame, which is logged for object. */
int session_expect(int fd, const char *object, enum wire_type type, struct wire_frame *frame);
#define SESSION_TIMEOUT_MS 5000u

/*
 * client.c: the snapshots of this host by the names of their sockets (registry.h). registry_each() calls
 * fn for each that may be asked, until it returns not 0, which is then returned. registry_ask() fills in
 * who listens there as soon as a connection is made, whether or not it answers; info NULL: that is all.
 */
struct ucred;
int registry_each(int (*fn)(const char *name, void *data), void *data);
int registry_ask(const char *name, struct ucred *who, struct mitosis_info *info);

/* files.c */
bool file_is_same(const struct descriptor_file *file, int fd);

/* host.c: can this snapshot run here? 0, or -ENOTSUP with the exact reason logged */
int host_check(const struct descriptor *d, const char *object);

/* uffd.c: a userfaultfd with the events a pager needs, or -errno */
int uffd_open(void);

/* How a child's memory arrives, as its engine decides. */
struct child_memory {
	bool eager;		/* what is missing is read from the connection before the child runs */
	bool populate;		/* and the pages behind remote_fd too */
	int remote_fd;		/* the file behind anonymous memory; -1: none */
};

/* plan.c: what has to be mapped where, and which pages are missing afterwards */
struct map_step;
struct plan {
	struct map_step *steps;
	struct descriptor_extent *missing;	/* ascending */
	uint32_t step_count, missing_count;
	uint64_t missing_pages;
	struct descriptor_extent *remote;	/* ascending: what the file behind remote_fd holds */
	uint32_t remote_count;
	int fd_base, fd_next;		/* descriptors of mapped files: [fd_base, fd_next) */
	int exe_fd;
};
int plan_make(struct plan *plan, const struct descriptor *d, const char *object, const struct child_memory *memory);
void plan_free(struct plan *plan);

struct workingset;
/* pager.c: serve a child's memory and supervise it; does not return */
struct pager_options {
	const char *object;		/* for messages */
	uint32_t window, push_percent, timeout_ms;
	bool push, drain_stdin;
	uint64_t hot_pages;
	const char *record_path;	/* NULL: nothing is recorded */
	struct workingset *record;	/* filled by the pager, written when the child ends */
	const struct workingset *replay;	/* NULL, or what is fetched first, merged */
	int remote_fd;			/* engine kernel: the file behind the memory; else -1 */
	const struct descriptor_extent *remote;	/* what it holds */
	uint32_t remote_count;
	int notify_fd;			/* told when the child runs; 0: nobody */
};
void pager_run(int child_pid, int control_fd, int socket_fd, int uffd,
	       const struct descriptor_extent *missing, uint32_t missing_count, const struct map_step *steps,
	       uint32_t step_count, const struct pager_options *options) __attribute__((noreturn));

/* An engine takes snapshots and turns processes into children of them. */
struct engine {
	const char *name;
	/* Returns the shadow's pid or -errno; job is complete but for what only the engine knows. */
	int (*prepare)(struct shadow_args *job);
	/* Decide how the memory of a child of this snapshot arrives. 0 or -errno, logged. */
	int (*memory)(struct child_memory *m, const struct reference *ref, const struct descriptor *d,
		      const struct mitosis_resume_args *args);
	bool rdma;			/* references to its snapshots say so */
};
extern const struct engine engine_user, engine_kernel;
/* engine-user.c: the shadow's pid or -errno. */
int shadow_start(struct shadow_args *job);
const struct engine *engine_find(const char *name);

/* child.c */
extern struct child_state child_state;
/* Before a copy of this process is made: nothing may be missing in it. */
int child_make_whole(void);
/* The same, and for engine kernel too, whose children may be copied while pages are missing. */
int child_depend_on_nobody(void);

/*
 * areas.c: call fn for each line of a file of /proc/self, without its newline, until it returns not 0,
 * which is then returned; or -errno. Async-signal-safe; one caller at a time.
 */
int areas_lines(const char *path, int (*fn)(const char *line, void *data), void *data);
/* Parse "START-END" in hexadecimal; what follows, or NULL when the line does not begin so. */
const char *areas_range(const char *line, uint64_t *start, uint64_t *end);

/* detach.c: fetch what this process still shows of the snapshot behind remote_fd, as pages of its own. */
int detach(int remote_fd);

extern const char mitosis_shadow_blob[], mitosis_restorer_blob[], mitosis_restorer_blob_end[];

#endif
