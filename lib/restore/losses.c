// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* losses.c - see losses.h. */
#include "restore/losses.h"
#include "api/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void losses_add(struct losses *l, const char *format, ...)
{
	const char *separator = l->length ? "; " : "";
	char *clause = NULL, *text = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&clause, format, ap);
	va_end(ap);
	if (n >= 0)
		n = asprintf(&text, "%s%s%s", l->text ? l->text : "", separator, clause);
	if (n < 0) {
		l->no_memory = true;
	} else {
		free(l->text);
		l->text = text;
		l->length = (size_t)n;
	}
	free(clause);
}

int losses_tell(const struct losses *l, const char *object, bool strict)
{
	if (l->no_memory)
		return -ENOMEM;
	if (!l->length)
		return 0;
	if (strict) {
		log_error("%s: refused, since the child would not be what its parent is: %s",
			  object, l->text);
		return -ENOTSUP;
	}
	log_warning("%s: the child is not in all what its parent is: %s", object, l->text);
	return 0;
}

void losses_free(struct losses *l)
{
	free(l->text);
	*l = (struct losses){ 0 };
}
