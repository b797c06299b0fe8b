/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * kind.h - the kinds of open files (DESCRIPTOR_FILE_KINDS in format/descriptor.h), a file each.
 *
 *   NAME_is	in the shadow: may it be of this kind? The first that can read it, too, has it.
 *   NAME_read	in the shadow: put what it has beside a position and flags into f->payload
 *		(file_set_payload()). fdinfo: the lines that only its kind has, of the instant
 *		(capture/fdinfo.h); NULL: they are not known. The shadow shares what is open with
 *		the parent, who goes on: what it asks the kernel itself has to be what does not
 *		change. Of a socket fdinfo is a struct capture_socket.
 *		False: it is not of this kind, or cannot be read
 *   NAME_check	on the child's host, of a descriptor that came over the wire: is all well that this
 *		kind reads?
 *   NAME_open	on the child's host: a descriptor for it; -ENOENT: it cannot be had here; another
 *		-errno ends the attempt. The caller keeps it open until the child has its own.
 *   NAME_place	in the child to be, when all descriptors have their numbers: what needs these. 0 or
 *		-errno
 *
 * FILE_KIND_COMPLETE(NAME) is the NAME_place of a kind that has nothing to do then, and
 * FILE_KIND_WITHOUT_PAYLOAD(NAME) also the NAME_read and NAME_check of one that has no payload.
 */
#ifndef MITOSIS_KIND_H
#define MITOSIS_KIND_H

#include <stdbool.h>
#include <sys/stat.h>

#include "state/state.h"

#ifdef IN_SHADOW
#define KIND(number, name) \
	bool name##_is(const struct descriptor_file *f, const char *path); \
	bool name##_read(struct snapshot *s, struct descriptor_file *f, uint32_t fd, \
			 const char *fdinfo);
DESCRIPTOR_FILE_KINDS(KIND)
#undef KIND

#define FILE_KIND_COMPLETE(name)
#define FILE_KIND_WITHOUT_PAYLOAD(name) \
	bool name##_read(struct snapshot *s, struct descriptor_file *f, uint32_t fd, \
			 const char *fdinfo) \
	{ \
		return true; \
	}

/* False: there is no room for it. */
bool file_set_payload(struct snapshot *s, struct descriptor_file *f, const void *data,
		      uint32_t bytes);
/* uring.c: all rings, while the parent stands still; it did not after all: none. */
void urings_note(struct snapshot *s);
void urings_forget(struct snapshot *s);
/* Mark what other processes have too: elsewhere.c. */
void files_find_elsewhere(struct snapshot *s);
#endif

#ifdef IN_LIBRARY
#include "restore/losses.h"
#include "restore/network.h"

struct publish;

/* What is opened for one child. */
struct opening {
	const struct descriptor *d;
	const char *object;
	bool same_host;			/* this is the parent's */
	int *fd_next;
	int *opened;			/* for each file; -1: not yet */
	const int *nameless;		/* for each file without a name; -1: it cannot be had */
	const int *urings;		/* for each file that is a ring; -1: it cannot be had */
	const char *why;		/* set by an opener that says -ENOENT, if it knows more */
	char why_text[NAMELESS_WHY_MAX];
	int tombstone;			/* for those that cannot be had; -1: there is none yet */
	struct losses *losses;
	bool other_root;		/* the child's root directory is not ours */
	const struct publish *publish;
	const struct network *network;	/* where sockets are made; NULL: the caller's */
	int resetter;			/* connection.c: who resets connections; -1: nobody yet */
	uint32_t connections;		/* that have been; as far as there is room their numbers: */
	char connection_numbers[64];
	bool told;			/* of the error that ends the attempt */
};

static inline const struct descriptor_file *opening_file(const struct opening *o, uint32_t file)
{
	return (const struct descriptor_file *)descriptor_at(o->d, o->d->files) + file;
}

#define KIND(number, name) \
	bool name##_check(const struct descriptor *d, const struct descriptor_file *f); \
	int name##_open(struct opening *o, uint32_t file); \
	int name##_place(const struct descriptor *d, const struct descriptor_file *f, int fd);
DESCRIPTOR_FILE_KINDS(KIND)
#undef KIND

#define FILE_KIND_COMPLETE(name) \
	int name##_place(const struct descriptor *d, const struct descriptor_file *f, int fd) \
	{ \
		return 0; \
	}
#define FILE_KIND_WITHOUT_PAYLOAD(name) \
	FILE_KIND_COMPLETE(name) \
	bool name##_check(const struct descriptor *d, const struct descriptor_file *f) \
	{ \
		return !f->payload_bytes; \
	}

/* Its payload, if that has at least so many bytes; else NULL. */
const void *file_payload(const struct descriptor *d, const struct descriptor_file *f,
			 uint32_t bytes);
/* The flags of a new one that can be set later (O_NONBLOCK): fd, or -errno when it is closed. */
int file_set_flags(int fd, const struct descriptor_file *f);
/* What is different about a file that can be had otherwise. */
void opening_lost(struct opening *o, uint32_t file, const char *what);
/* One more connection whose other side has gone: they are named together. */
void opening_count_connection(struct opening *o, uint32_t file);
/* Tell why there can be no child: -err, which ends the attempt. */
int opening_refuse(struct opening *o, uint32_t file, int err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Has it a number above those of the standard streams? */
bool opening_has_number(const struct opening *o, uint32_t file);
#define NUMBERS_MAX 64
/* The numbers in [from, to) that point to a file, "5, 7", or "" if there are none. */
const char *file_numbers(const struct descriptor *d, uint32_t file, uint32_t from, uint32_t to,
			 char text[NUMBERS_MAX]);
/* tell.c: what is named of a file, and of all. */
void opening_tell_standard(const struct opening *o, uint32_t file);
void opening_tell_locks(const struct opening *o, uint32_t file);
void opening_tell_connections(const struct opening *o);
/* What the caller has for some (NULL: nothing), as if it were open already. 0 or -errno, logged. */
int opening_inherit(struct opening *o, const char *text);
/* Moves a descriptor up to *fd_next, which moves on; or -errno, and it is closed. */
int file_keep(int fd, int *fd_next);
/* An opener's other result, which it does not own any more: 0 or -errno. */
int opening_keep(struct opening *o, uint32_t file, int fd);
/* uring-make.c: why a child cannot have it; NULL: nothing is known to be in the way. */
const char *uring_why(const struct descriptor *d, const struct descriptor_file *f);
/* A ring of io_uring as the parent's was: a descriptor, or -errno and why. */
int uring_make(const struct descriptor *d, const struct descriptor_file *f, char *why,
	       size_t size);
/* Open its path as it was opened there, or -ENOENT; not what creates, truncates or claims. */
int file_reopen(const struct descriptor *d, const struct descriptor_file *f);
/* By device and inode on the parent's host; elsewhere these mean nothing. */
bool file_has_identity(const struct descriptor_file *f, const struct stat *st);
#endif

#if !defined(IN_SHADOW) && !defined(IN_LIBRARY)
#define FILE_KIND_COMPLETE(name)
#define FILE_KIND_WITHOUT_PAYLOAD(name)
#endif

#endif
