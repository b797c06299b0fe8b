// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * image.c - root file systems that other tools unpack: tar, umoci and skopeo for images,
 * mmdebstrap.
 *
 * They are looked for when they are needed. An image's configuration gives the environment, the
 * directory and the command of containers for which none are given.
 */
#include "prep.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "progress.h"
#include "tool.h"

/*
 * Run it with its output in a file without a name. The exit status, -1 with errno if it did not
 * run.
 */
static int run(char *const argv[], bool errors_too, FILE **output)
{
	pid_t us = getpid(), pid;
	int status, failed[2], err = 0;

	*output = tmpfile();
	if (!*output || pipe2(failed, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		/* It ends with us: nobody else would tidy up after it. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != us)
			_exit(127);
		dup2(null, 0);
		dup2(fileno(*output), 1);
		dup2(errors_too ? fileno(*output) : null, 2);
		execvp(argv[0], argv);
		err = errno;
		if (write(failed[1], &err, sizeof(err)) < 0)
			_exit(126);
		_exit(127);
	}
	close(failed[1]);
	if (pid < 0 || read(failed[0], &err, sizeof(err)) == sizeof(err)) {
		if (pid < 0)
			err = errno;
		else
			waitpid(pid, NULL, 0);
		close(failed[0]);
		errno = err;
		return -1;
	}
	close(failed[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int run_tool(char *const argv[], const char *remedy)
{
	FILE *output = NULL;
	int status = run(argv, true, &output);

	if (status < 0) {
		tool_error(argv[0], "%s%s%s%s", strerror(errno), errno == ENOENT ? " (" : "",
			   errno == ENOENT ? remedy : "", errno == ENOENT ? ")" : "");
	} else if (status) {
		char *line = NULL;
		size_t room = 0;

		rewind(output);
		flockfile(stderr);
		progress_clear();
		while (getline(&line, &room, output) > 0)
			fprintf(stderr, "%s: %s", argv[0], line);
		funlockfile(stderr);
		free(line);
		tool_error(argv[0], "failed with status %d", status);
	}
	if (output)
		fclose(output);
	return status ? -1 : 0;
}

char *tool_output(char *const argv[])
{
	FILE *output = NULL;
	int status = run(argv, false, &output);
	char *text = NULL;
	size_t room = 0;

	errno = 0;
	if (status > 128) {
		tool_error(argv[0], "ended by signal %d", status - 128);
		errno = EINTR;
	}
	if (!status && output) {
		rewind(output);
		if (getdelim(&text, &room, '\0', output) < 0) {
			free(text);
			text = strdup("");
		}
	}
	if (output) {
		int err = errno;

		fclose(output);
		errno = err;
	}
	return text;
}

int image_tar(const char *file, const char *tree)
{
	char *const argv[] = {
		(char *)"tar", (char *)"--extract", (char *)"--file", (char *)file,
		(char *)"--directory", (char *)tree,
		(char *)"--numeric-owner", (char *)"--preserve-permissions",
		geteuid() ? (char *)"--no-same-owner" : NULL, NULL
	};

	return run_tool(argv, "package tar");
}

/* "a=b" strings of a JSON array. */
static void take_strings(struct lean_strings *to, const json_t *array)
{
	size_t i;
	json_t *value;

	json_array_foreach(array, i, value)
		if (json_string_value(value) && !strchr(json_string_value(value), '\n'))
			strings_add(to, json_string_value(value));
}

/* What umoci made of the image's configuration: a runtime specification. */
static int take_config(struct lean_template *t, const char *path)
{
	json_error_t problem;
	json_t *config = json_load_file(path, 0, &problem), *process;
	const char *directory;

	if (!config) {
		tool_error(path, "line %d: %s", problem.line, problem.text);
		return -1;
	}
	process = json_object_get(config, "process");
	strings_free(&t->env);
	strings_free(&t->args);
	take_strings(&t->env, json_object_get(process, "env"));
	take_strings(&t->args, json_object_get(process, "args"));
	directory = json_string_value(json_object_get(process, "cwd"));
	if (directory && *directory == '/' && !strchr(directory, '\n')) {
		free(t->directory);
		t->directory = strdup(directory);
	}
	json_decref(config);
	return 0;
}

/* Unpack beside the tree, then put it in its place. */
static int unpack(struct lean_template *t, const char *image, const char *tree)
{
	char bundle[PATH_MAX], path[PATH_MAX + 32];
	char *const argv[] = {
		(char *)"umoci", (char *)"unpack", (char *)"--image", (char *)image,
		geteuid() ? (char *)"--rootless" : bundle, geteuid() ? bundle : NULL, NULL
	};

	lean_state_path(bundle, t->name, "bundle");
	if (run_tool(argv, "package umoci"))
		return -1;
	snprintf(path, sizeof(path), "%s/config.json", bundle);
	if (take_config(t, path))
		return -1;
	snprintf(path, sizeof(path), "%s/rootfs", bundle);
	if (rmdir(tree) || rename(path, tree)) {
		tool_error(path, "%s", strerror(errno));
		return -1;
	}
	return remove_tree(bundle) ? -1 : 0;
}

/* "FILE:TAG" where the part behind the last colon has no slash; the default tag otherwise. */
static void split_tag(const char *reference, char path[PATH_MAX], char tag[256])
{
	const char *colon = strrchr(reference, ':');

	snprintf(path, PATH_MAX, "%s", reference);
	snprintf(tag, 256, "latest");
	if (colon && colon[1] && !strchr(colon, '/')) {
		path[colon - reference] = '\0';
		snprintf(tag, 256, "%s", colon + 1);
	}
}

int image_oci(struct lean_template *t, const char *reference, const char *tree)
{
	char path[PATH_MAX], tag[256], image[PATH_MAX + 256];
	struct stat st;

	split_tag(reference, path, tag);
	if (stat(path, &st) || !S_ISDIR(st.st_mode)) {
		tool_error(path, "no OCI image layout there");
		return -1;
	}
	snprintf(image, sizeof(image), "%s:%s", path, tag);
	return unpack(t, image, tree);
}

int image_docker_archive(struct lean_template *t, const char *reference, const char *tree)
{
	char layout[PATH_MAX], from[PATH_MAX + 32], to[PATH_MAX + 32];
	char *const argv[] = {
		(char *)"skopeo", (char *)"copy", (char *)"--insecure-policy", (char *)"--quiet",
		from, to, NULL
	};
	int err;

	snprintf(from, sizeof(from), "docker-archive:%s", reference);
	lean_state_path(layout, t->name, "layout");
	snprintf(to, sizeof(to), "oci:%s:image", layout);
	if (run_tool(argv, "package skopeo"))
		return -1;
	err = unpack(t, to + strlen("oci:"), tree);
	return remove_tree(layout) || err ? -1 : 0;
}

/* This host's own release, if it is one of Debian: its mirror has that at least. */
static void own_suite(char suite[64])
{
	FILE *in = fopen("/etc/os-release", "re");
	char line[256], name[64] = "";
	bool debian = false;

	while (in && fgets(line, sizeof(line), in)) {
		debian |= !strcmp(line, "ID=debian\n");
		sscanf(line, "VERSION_CODENAME=%63[a-z]", name);
	}
	if (in)
		fclose(in);
	strcpy(suite, debian && *name ? name : "stable");
}

int image_minbase(const char *suite, const char *tree)
{
	char own[64];
	char *const argv[] = {
		(char *)"mmdebstrap", (char *)"--variant=minbase", (char *)"--quiet",
		(char *)(suite ? suite : own), (char *)tree, NULL
	};

	own_suite(own);
	return run_tool(argv, "package mmdebstrap");
}
