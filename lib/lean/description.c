// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * description.c - the description of a template: a text file of lines "key=value".
 *
 * Keys that may occur several times (env, arg, device) keep their order. The file is written last
 * when a template is made: without it there is no template, only leftovers.
 */
#include "lean.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

static const struct {
	const char *name;
	int bit;
} capabilities[] = {
	{ "chown", CAP_CHOWN },	  { "dac_override", CAP_DAC_OVERRIDE },
	{ "fowner", CAP_FOWNER }, { "fsetid", CAP_FSETID },
	{ "kill", CAP_KILL },	  { "net_bind_service", CAP_NET_BIND_SERVICE },
	{ "setgid", CAP_SETGID }, { "setuid", CAP_SETUID },
};
const char *const lean_caps[] = { "chown",  "dac_override", "fowner",
				  "fsetid", "kill",	    "net_bind_service",
				  "setgid", "setuid",	    NULL };

int caps_parse(const char *text, uint64_t *caps)
{
	char *copy = strdup(text), *at = copy, *word;
	uint64_t got = 0;
	int err = 0;

	while ((word = strsep(&at, ",")) != NULL) {
		size_t i = 0;

		while (i < sizeof(capabilities) / sizeof(capabilities[0]) &&
		       strcasecmp(word, capabilities[i].name) &&
		       (strncasecmp(word, "cap_", 4) || strcasecmp(word + 4, capabilities[i].name)))
			i++;
		if (i == sizeof(capabilities) / sizeof(capabilities[0])) {
			err = -EINVAL;
			break;
		}
		got |= 1ULL << capabilities[i].bit;
	}
	free(copy);
	if (!err)
		*caps = got;
	return err;
}

char *caps_format(uint64_t caps)
{
	char *text = NULL;
	size_t length;
	FILE *f = open_memstream(&text, &length);

	for (size_t i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++)
		if (caps & 1ULL << capabilities[i].bit)
			fprintf(f, "%s%s", ftell(f) ? "," : "", capabilities[i].name);
	fclose(f);
	return text;
}

void strings_add(struct lean_strings *s, const char *text)
{
	char **more = realloc(s->at, (s->count + 2) * sizeof(*more));
	char *copy = strdup(text);

	if (!more || !copy) {
		tool_error(NULL, "%s", strerror(ENOMEM));
		exit(STATUS_CANNOT_RUN);
	}
	s->at = more;
	s->at[s->count++] = copy;
	s->at[s->count] = NULL;
}

void strings_free(struct lean_strings *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->at[i]);
	free(s->at);
	*s = (struct lean_strings){ 0 };
}

static void print_list(FILE *f, const char *key, const struct lean_strings *list)
{
	for (size_t i = 0; i < list->count; i++)
		fprintf(f, "%s=%s\n", key, list->at[i]);
}

static void print_text(FILE *f, const char *key, const char *value)
{
	if (value)
		fprintf(f, "%s=%s\n", key, value);
}

static void print_settings(FILE *f, const struct lean_template *t)
{
	char *caps = caps_format(t->caps);

	fprintf(f, "rootfs=%s\n", t->rootfs);
	if (t->memory)
		fprintf(f, "memory=%llu\n", (unsigned long long)t->memory);
	print_text(f, "cpus", t->cpus);
	if (t->pids)
		fprintf(f, "pids=%llu\n", (unsigned long long)t->pids);
	fprintf(f,
		"tmp=%llu\nuser=%u:%u\ncaps=%s\nwritable=%d\nnetwork=%s\nrequire_limits=%d\nhostname=%s\n",
		(unsigned long long)t->tmp, t->uid, t->gid, caps, t->writable,
		t->no_network ? "none" : "host", t->require_limits, t->hostname);
	print_text(f, "cgroup", t->cgroup);
	free(caps);
}

char *template_settings(const struct lean_template *t)
{
	char *text = NULL;
	size_t length;
	FILE *f = open_memstream(&text, &length);

	print_settings(f, t);
	fclose(f);
	return text;
}

int template_write(const struct lean_template *t)
{
	char *text = NULL, path[PATH_MAX];
	size_t length;
	FILE *f = open_memstream(&text, &length);
	int err;

	fprintf(f, "# mitosis-exp lean template 1\n");
	print_settings(f, t);
	fprintf(f, "root=%s\nlayered=%d\n", t->root, t->layered);
	print_text(f, "directory", t->directory);
	print_list(f, "env", &t->env);
	print_list(f, "arg", &t->args);
	print_list(f, "device", &t->devices);
	fclose(f);
	err = write_text(lean_state_path(path, t->name, "template"), text, 0644);
	free(text);
	if (err)
		tool_error(path, "%s", strerror(-err));
	return err ? -1 : 0;
}

static void replace(char **to, const char *value)
{
	free(*to);
	*to = strdup(value);
}

static int take(struct lean_template *t, const char *key, const char *value)
{
	unsigned int uid, gid;

	if (!strcmp(key, "rootfs"))
		replace(&t->rootfs, value);
	else if (!strcmp(key, "root"))
		replace(&t->root, value);
	else if (!strcmp(key, "layered"))
		t->layered = *value == '1';
	else if (!strcmp(key, "memory"))
		t->memory = strtoull(value, NULL, 10);
	else if (!strcmp(key, "pids"))
		t->pids = strtoull(value, NULL, 10);
	else if (!strcmp(key, "cpus"))
		replace(&t->cpus, value);
	else if (!strcmp(key, "tmp"))
		t->tmp = strtoull(value, NULL, 10);
	else if (!strcmp(key, "user") && sscanf(value, "%u:%u", &uid, &gid) == 2)
		t->uid = uid, t->gid = gid;
	else if (!strcmp(key, "caps"))
		return *value ? caps_parse(value, &t->caps) : 0;
	else if (!strcmp(key, "writable"))
		t->writable = *value == '1';
	else if (!strcmp(key, "network"))
		t->no_network = !strcmp(value, "none");
	else if (!strcmp(key, "require_limits"))
		t->require_limits = *value == '1';
	else if (!strcmp(key, "cgroup"))
		replace(&t->cgroup, value);
	else if (!strcmp(key, "hostname"))
		replace(&t->hostname, value);
	else if (!strcmp(key, "directory"))
		replace(&t->directory, value);
	else if (!strcmp(key, "env"))
		strings_add(&t->env, value);
	else if (!strcmp(key, "arg"))
		strings_add(&t->args, value);
	else if (!strcmp(key, "device"))
		strings_add(&t->devices, value);
	else
		return -EINVAL;
	return 0;
}

struct lean_template *template_read(const char *name)
{
	struct lean_template *t = calloc(1, sizeof(*t));
	char path[PATH_MAX], *text, *at, *line;

	text = read_text(lean_state_path(path, name, "template"));
	if (!text || !t) {
		if (errno == ENOENT || errno == ENOTDIR)
			tool_error(name, "no such template (mitosis-leanprep list shows them)");
		else
			tool_error(path, "%s", strerror(errno));
		free(text);
		free(t);
		return NULL;
	}
	snprintf(t->name, sizeof(t->name), "%s", name);
	at = text;
	while ((line = strsep(&at, "\n")) != NULL) {
		char *value = strchr(line, '=');

		if (!*line || *line == '#')
			continue;
		if (value)
			*value++ = '\0';
		if (value && !take(t, line, value))
			continue;
		tool_error(path, "%s: not understood (made by another version?)", line);
		break;
	}
	free(text);
	if (!line && t->rootfs && t->root && t->hostname)
		return t;
	if (!line)
		tool_error(path, "incomplete");
	template_free(t);
	return NULL;
}

void template_free(struct lean_template *t)
{
	if (!t)
		return;
	free(t->rootfs);
	free(t->root);
	free(t->cpus);
	free(t->cgroup);
	free(t->hostname);
	free(t->directory);
	strings_free(&t->env);
	strings_free(&t->args);
	strings_free(&t->devices);
	free(t);
}

bool template_exists(const char *name)
{
	char path[PATH_MAX];

	return !access(lean_state_path(path, name, "template"), F_OK);
}
