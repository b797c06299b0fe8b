// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* publish.c - see publish.h. */
#include "restore/publish.h"
#include "api/log.h"
#include "private/address.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct end {
	struct sockaddr_storage address;	/* of a path or name struct sockaddr_un */
	socklen_t length;
	bool any;			/* a port alone */
};

struct publish_rule {
	char *text;
	struct end from, to;
	bool used;
};

unsigned int publish_port(const struct sockaddr_storage *a)
{
	return ntohs(a->ss_family == AF_INET ? ((const struct sockaddr_in *)a)->sin_port :
					       ((const struct sockaddr_in6 *)a)->sin6_port);
}

static bool is_path(const struct end *end)
{
	return end->address.ss_family == AF_UNIX;
}

static bool parse_path(struct end *end, const char *text)
{
	struct sockaddr_un *a = (void *)&end->address;
	size_t bytes = strlen(text);

	if (bytes < 2 || bytes > sizeof(a->sun_path) - (text[0] == '/'))
		return false;
	a->sun_family = AF_UNIX;
	memcpy(a->sun_path, text, bytes);
	if (text[0] == '@')
		a->sun_path[0] = '\0';
	end->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes);
	return true;
}

static bool parse_end(struct end *end, const char *text)
{
	struct sockaddr_in *a = (void *)&end->address;
	char *rest;

	*end = (struct end){ 0 };
	if (text[0] == '/' || text[0] == '@')
		return parse_path(end, text);
	if (text[0] >= '0' && text[0] <= '9') {
		unsigned long port = strtoul(text, &rest, 10);

		end->any = !*rest;
		a->sin_family = AF_INET;
		a->sin_port = htons((uint16_t)port);
		if (end->any)
			return port > 0 && port < 65536;
	}
	return !address_listen(text, &end->address, &end->length) && publish_port(&end->address);
}

static int parse_rule(struct publish_rule *r, const char *text)
{
	char *copy = strdup(text), *to = copy ? strchr(copy, '=') : NULL;
	bool well = false;

	r->text = strdup(text);
	if (to) {
		*to++ = '\0';
		well = parse_end(&r->from, copy) && parse_end(&r->to, to) &&
		       is_path(&r->from) == is_path(&r->to);
	}
	free(copy);
	if (!copy || !r->text)
		return -ENOMEM;
	if (well)
		return 0;
	log_error("--publish %s: expected [ADDRESS:]OLD=[ADDRESS:]NEW with two ports, "
		  "or two paths or @NAMES of unix sockets", text);
	return -EINVAL;
}

/* The next piece before a comma, which is cut off; NULL: there is none. */
static char *next_piece(char **rest)
{
	char *piece = *rest;

	if (!piece)
		return NULL;
	*rest = strchr(piece, ',');
	if (*rest)
		*(*rest)++ = '\0';
	return piece;
}

int publish_parse(struct publish *p, const char *text)
{
	char *copy, *rest;
	int err = 0;

	*p = (struct publish){ 0 };
	if (!text)
		return 0;
	copy = rest = strdup(text);
	p->rules = calloc(strlen(text) + 1, sizeof(*p->rules));
	if (!copy || !p->rules)
		err = -ENOMEM;
	/* Even empty ones, which are none, have a comma each. */
	while (rest && !err) {
		err = parse_rule(&p->rules[p->count], next_piece(&rest));
		p->count++;
	}
	free(copy);
	if (err)
		publish_free(p);
	return err;
}

void publish_free(struct publish *p)
{
	for (unsigned int i = 0; i < p->count; i++)
		free(p->rules[i].text);
	free(p->rules);
	*p = (struct publish){ 0 };
}

static bool is_same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return !memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
		       &((const struct sockaddr_in6 *)b)->sin6_addr, 16);
}

/* An address of IPv4 is one of IPv6, too. */
static void map(const struct sockaddr_storage *from, struct sockaddr_storage *to)
{
	const struct sockaddr_in *in = (const void *)from;
	struct sockaddr_in6 *in6 = (void *)to;

	memset(&in6->sin6_addr, 0, 10);
	memset(in6->sin6_addr.s6_addr + 10, 0xff, 2);
	memcpy(in6->sin6_addr.s6_addr + 12, &in->sin_addr, 4);
	in6->sin6_scope_id = 0;
}

static void set_port(struct sockaddr_storage *a, unsigned int port)
{
	if (a->ss_family == AF_INET)
		((struct sockaddr_in *)a)->sin_port = htons((uint16_t)port);
	else
		((struct sockaddr_in6 *)a)->sin6_port = htons((uint16_t)port);
}

bool publish_translate(const struct publish *p, struct sockaddr_storage *a)
{
	for (unsigned int i = 0; i < p->count; i++) {
		struct publish_rule *r = &p->rules[i];

		if (is_path(&r->from) || publish_port(&r->from.address) != publish_port(a) ||
		    (!r->from.any && !is_same_address(&r->from.address, a)) ||
		    (!r->to.any && a->ss_family == AF_INET && r->to.address.ss_family == AF_INET6))
			continue;
		if (!r->to.any && a->ss_family == r->to.address.ss_family)
			*a = r->to.address;
		else if (!r->to.any)
			map(&r->to.address, a);
		set_port(a, publish_port(&r->to.address));
		r->used = true;
		return true;
	}
	return false;
}

/* A path may be followed by a zero, and mostly is. */
static size_t name_bytes(const struct sockaddr_un *a, socklen_t length)
{
	size_t bytes = length - offsetof(struct sockaddr_un, sun_path);

	return a->sun_path[0] ? strnlen(a->sun_path, bytes) : bytes;
}

bool publish_translate_path(const struct publish *p, struct sockaddr_un *a, socklen_t *length)
{
	for (unsigned int i = 0; i < p->count; i++) {
		struct publish_rule *r = &p->rules[i];
		const struct sockaddr_un *from = (const void *)&r->from.address;
		size_t bytes = name_bytes(a, *length);

		if (!is_path(&r->from) || name_bytes(from, r->from.length) != bytes ||
		    memcmp(from->sun_path, a->sun_path, bytes))
			continue;
		memcpy(a, &r->to.address, sizeof(*a));
		*length = r->to.length;
		r->used = true;
		return true;
	}
	return false;
}

const char *publish_useless(const struct publish *p)
{
	for (unsigned int i = 0; i < p->count; i++)
		if (!p->rules[i].used)
			return p->rules[i].text;
	return NULL;
}

/* ---- files of sockets ---- */

static char **bound;
static size_t bound_count;

void publish_bound(const char *path)
{
	char **more = realloc(bound, (bound_count + 1) * sizeof(*bound));

	if (!more)
		return;
	bound = more;
	bound[bound_count] = strdup(path);
	bound_count += bound[bound_count] != NULL;
}

void publish_undo(void)
{
	for (size_t i = 0; i < bound_count; i++) {
		unlink(bound[i]);
		free(bound[i]);
	}
	free(bound);
	bound = NULL;
	bound_count = 0;
}

/* ---- descriptors of the caller's ---- */

static bool parse_number(const char *text, int end, long most, long *number)
{
	char *rest;

	*number = strtol(text, &rest, 10);
	return *text >= '0' && *text <= '9' && *rest == end && *number <= most;
}

int inherit_parse(struct inherit list[INHERIT_MAX], const char *text)
{
	char *copy = text ? strdup(text) : NULL, *rest = copy;
	int count = 0;

	if (text && !copy)
		return -ENOMEM;
	for (char *piece = next_piece(&rest); piece && count >= 0; piece = next_piece(&rest)) {
		const char *to = strchr(piece, '=');
		long number, fd;

		if (!to || !parse_number(piece, '=', 1 << 24, &number) ||
		    !parse_number(to + 1, '\0', 1 << 24, &fd)) {
			log_error("--inherit-fd %s: expected N=M, two descriptors", piece);
			count = -EINVAL;
		} else if (number < 3) {
			log_error("--inherit-fd %s: descriptors 0 to 2 are the caller's "
				  "in any case", piece);
			count = -EINVAL;
		} else if (fcntl((int)fd, F_GETFD) < 0) {
			log_error("--inherit-fd %s: descriptor %ld is not open", piece, fd);
			count = -EINVAL;
		} else if (count == INHERIT_MAX) {
			log_error("--inherit-fd: more than %d", INHERIT_MAX);
			count = -EINVAL;
		} else {
			list[count++] = (struct inherit){ (unsigned int)number, (int)fd };
		}
	}
	free(copy);
	return count;
}
