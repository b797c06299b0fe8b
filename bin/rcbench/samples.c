// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* samples.c - a list of blocks, so that one more sample never copies the others. */
#include "samples.h"

#include <stdlib.h>

#define CHUNK_BYTES	(256u << 10)

struct chunk {
	struct chunk *next;
	size_t used;
	_Alignas(uint64_t) unsigned char data[CHUNK_BYTES];
};

void samples_init(struct samples *s, size_t size)
{
	*s = (struct samples){ .size = size };
}

void *samples_add(struct samples *s)
{
	if (!s->last || s->last->used + s->size > CHUNK_BYTES) {
		struct chunk *chunk = calloc(1, sizeof(*chunk));

		if (!chunk)
			return NULL;
		if (s->last)
			s->last->next = chunk;
		else
			s->first = chunk;
		s->last = chunk;
	}
	s->last->used += s->size;
	s->count++;
	return s->last->data + s->last->used - s->size;
}

void samples_each(const struct samples *s, void (*use)(const void *sample, void *data), void *data)
{
	for (const struct chunk *chunk = s->first; chunk; chunk = chunk->next) {
		for (size_t at = 0; at < chunk->used; at += s->size)
			use(chunk->data + at, data);
	}
}

void samples_free(struct samples *s)
{
	while (s->first) {
		struct chunk *next = s->first->next;

		free(s->first);
		s->first = next;
	}
	samples_init(s, s->size);
}
