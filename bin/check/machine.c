// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* machine.c - probes of mitosis-check: cgroups, RDMA, the kernel module, KVM, criu. */
#include "item.h"
#include "../../kmod/mitosis_ioctl.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "children.h"
#include "packages.h"
#include "run.h"

/* The controllers that a container's limits are made of, less those in the list. */
static const char *missing_controllers(const char *list, char *to, size_t room)
{
	static const char *const wanted[] = { "cpu", "memory", "pids" };
	char copy[256], *at = copy, *word;
	unsigned int found = 0;

	snprintf(copy, sizeof(copy), "%s", list);
	while ((word = strsep(&at, " ")))
		for (int i = 0; i < 3; i++)
			found |= !strcmp(word, wanted[i]) ? 1u << i : 0;
	*to = '\0';
	for (int i = 0; i < 3; i++)
		if (!(found & 1u << i))
			snprintf(to + strlen(to), room - strlen(to), "%s%s", *to ? ", " : "",
				 wanted[i]);
	return to;
}

void probe_cgroup(struct item *item)
{
	char line[1024], path[512], at[200] = "", type[64], controllers[200], missing[32];
	FILE *mounts = fopen("/proc/self/mounts", "re");
	bool v1 = false;

	while (mounts && fgets(line, sizeof(line), mounts)) {
		if (sscanf(line, "%*s %511s %63s", path, type) != 2)
			continue;
		if (!strcmp(type, "cgroup2") && !*at)
			snprintf(at, sizeof(at), "%.199s", path);
		v1 = v1 || !strcmp(type, "cgroup");
	}
	if (mounts)
		fclose(mounts);
	if (!*at) {
		item_set(item, STATE_NO, "%s", v1 ? "only version 1 is mounted" : "not mounted");
		item_remedy(item, "%smount -t cgroup2 none /sys/fs/cgroup", item_sudo());
		if (v1)
			item_remedy(
				item,
				"add systemd.unified_cgroup_hierarchy=1 to the kernel's command line");
		return;
	}
	snprintf(path, sizeof(path), "%s/cgroup.controllers", at);
	read_line(path, controllers, sizeof(controllers));
	if (*missing_controllers(controllers, missing, sizeof(missing))) {
		item_set(item, STATE_LIMITED,
			 "%sversion 2 at %s without %s: groups, but not these limits",
			 v1 ? "hybrid: " : "", at, missing);
		item_remedy(item,
			    v1 ? "add systemd.unified_cgroup_hierarchy=1 to the kernel's command line"
			       : "a kernel, or a container, with these controllers");
		return;
	}
	if (!access(at, W_OK)) {
		item_set(item, STATE_OK, "version 2 at %s: %s", at, controllers);
		return;
	}
	item_set(item, STATE_LIMITED, "version 2 at %s: %s; its root is not yours to write", at,
		 controllers);
	item_remedy(item, "systemd-run --user --scope -p Delegate=yes COMMAND");
}

enum presence { ABSENT, AVAILABLE, LOADED };

/*
 * Is this the path of that module's file? The file's name may have hyphens instead of underscores.
 */
static bool is_file_of(const char *path, const char *module)
{
	const char *name = strrchr(path, '/');

	for (name = name ? name + 1 : path; *module; name++, module++)
		if (*name != *module && !(*name == '-' && *module == '_'))
			return false;
	return !strncmp(name, ".ko", 3);
}

/* Is a module on disk for the kernel that runs, or built into it? */
static enum presence look_up_module(const char *name)
{
	static const char *const lists[] = { "modules.builtin", "modules.dep" };
	enum presence found = ABSENT;
	char path[512], *line = NULL;
	struct utsname host;
	size_t room = 0;

	uname(&host);
	for (int i = 0; i < 2 && !found; i++) {
		FILE *f;

		snprintf(path, sizeof(path), "/lib/modules/%s/%s", host.release, lists[i]);
		f = fopen(path, "re");
		while (f && !found && getline(&line, &room, f) > 0) {
			/* What stands before the colon; the rest is what that module needs. */
			line[strcspn(line, ":\n")] = '\0';
			if (is_file_of(line, name))
				found = i ? AVAILABLE : LOADED;
		}
		if (f)
			fclose(f);
	}
	free(line);
	return found;
}

static enum presence find_module(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return access(path, F_OK) ? look_up_module(name) : LOADED;
}

bool module_is_available(const char *name)
{
	return find_module(name) != ABSENT;
}

/* "a (ACTIVE), b (DOWN)": the names of a directory, with what a file of theirs says. */
static int list_rdma(char *to, size_t room)
{
	DIR *dir = opendir("/sys/class/infiniband");
	const struct dirent *entry;
	int active = -1;

	*to = '\0';
	while (dir && (entry = readdir(dir))) {
		char path[PATH_MAX], state[32], *word;
		size_t used = strlen(to);

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/class/infiniband/%s/ports/1/state",
			 entry->d_name);
		read_line(path, state, sizeof(state));
		word = strchr(state, ':') ? strchr(state, ':') + 2 : state;
		active = (active > 0 ? active : 0) + !strcmp(word, "ACTIVE");
		snprintf(to + used, room - used, "%s%s (%s)", used ? ", " : "", entry->d_name,
			 word);
	}
	if (dir)
		closedir(dir);
	return active;
}

void probe_rdma(struct item *item)
{
	char list[200];
	int active = list_rdma(list, sizeof(list)), cm, err;

	if (active < 0) {
		item_set(item, STATE_NO, "no device in /sys/class/infiniband");
		if (module_is_available("rdma_rxe"))
			item_remedy(item,
				    "%smodprobe rdma_rxe && %srdma link add rxe0 type rxe netdev NETDEV",
				    item_sudo(), item_sudo());
		else
			item_remedy(item, "see rdma-rxe");
		return;
	}
	cm = open("/dev/infiniband/rdma_cm", O_RDWR | O_CLOEXEC);
	err = errno;
	if (!active) {
		item_set(item, STATE_LIMITED, "%s: no port is active", list);
		item_remedy(item, "%sip link set NETDEV up", item_sudo());
	} else if (cm < 0) {
		item_set(item, STATE_LIMITED, "%s; /dev/infiniband/rdma_cm: %s", list,
			 strerror(err));
		if (err == ENOENT && module_is_available("rdma_ucm"))
			item_remedy(item, "%smodprobe rdma_ucm", item_sudo());
		else if (err == ENOENT)
			item_remedy(item, "a kernel with the module rdma_ucm");
	} else {
		item_set(item, STATE_OK, "%s", list);
	}
	if (cm >= 0)
		close(cm);
}

/* A kernel of the distribution has what the running one lacks. */
static void boot_another(struct item *item, const char *with)
{
	static const char kernel[] = "linux-image-amd64";
	char command[256];

	if (*package_remedy(kernel, command, sizeof(command)))
		item_remedy(item, "%s, and boot it; or use the lab: mitosis-check lab", command);
	else
		item_remedy(item,
			    "boot a kernel of a distribution%s; or use the lab: mitosis-check lab",
			    with);
}

void probe_rdma_rxe(struct item *item)
{
	struct utsname host;

	uname(&host);
	switch (find_module("rdma_rxe")) {
	case LOADED:
		item_set(item, STATE_OK, "loaded");
		break;
	case AVAILABLE:
		item_set(item, STATE_OK, "module available for Linux %s", host.release);
		break;
	default:
		item_set(item, STATE_NO, "no module rdma_rxe for Linux %s", host.release);
		boot_another(item, "");
	}
}

/* Where the module's peers find it. */
static void describe_module(struct item *item, const struct mitosis_ioc_info *io)
{
	const struct sockaddr *sa = (const struct sockaddr *)io->endpoint.sockaddr;
	char host[INET6_ADDRSTRLEN] = "?";

	if (sa->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)sa)->sin_addr, host, sizeof(host));
	else if (sa->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)sa)->sin6_addr, host,
			  sizeof(host));
	item_set(item, STATE_OK, "mitosis %.31s serves snapshots at %s (RDMA device %.63s)",
		 io->version, host, io->device);
}

/* Does a kernel's configuration say that it has no RDMA? No configuration, no answer. */
static bool configured_without_rdma(const char *release)
{
	static const char *const files[] = { "/boot/config-%s", "/lib/modules/%s/config",
					     "/lib/modules/%s/build/.config" };
	bool without = false;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && !without; i++) {
		char path[512], *line = NULL;
		size_t room = 0;
		FILE *f;

		snprintf(path, sizeof(path), files[i], release);
		f = fopen(path, "re");
		while (f && !without && getline(&line, &room, f) > 0)
			without = !strcmp(line, "# CONFIG_INFINIBAND is not set\n");
		free(line);
		if (f)
			fclose(f);
	}
	return without;
}

/* Why there is no module for this kernel: DKMS builds it where its source and the headers are. */
static void explain_absence(struct item *item)
{
	char path[512], package[128], command[256], left[128];
	const char *names[2];
	struct utsname host;
	bool headers, dkms;
	glob_t source;
	size_t n = 0;

	uname(&host);
	if (configured_without_rdma(host.release)) {
		item_set(item, STATE_NO, "Linux %s is configured without RDMA", host.release);
		boot_another(item, " with CONFIG_INFINIBAND");
		return;
	}
	snprintf(path, sizeof(path), "/lib/modules/%s/build/Makefile", host.release);
	headers = !access(path, F_OK);
	dkms = !glob("/usr/src/mitosis-*/dkms.conf", 0, NULL, &source);
	globfree(&source);
	item_set(item, STATE_NO, "no module mitosis for Linux %s%s", host.release,
		 headers ? "" : ", whose headers are not installed");
	snprintf(package, sizeof(package), "linux-headers-%s", host.release);
	if (headers && dkms) {
		item_remedy(item, "%sdkms autoinstall -k %s; if that fails see mitosis-dkms(8)",
			    item_sudo(), host.release);
		return;
	}
	/* No headers, and none to be had: no module can be built for this kernel. */
	if (!headers && !package_is_offered(package)) {
		boot_another(item, "");
		return;
	}
	if (!headers)
		names[n++] = package;
	if (!dkms)
		names[n++] = "mitosis-dkms";
	package_command(names, n, command, sizeof(command), left, sizeof(left));
	item_remedy(item, "%s%s%s", command, *command && *left ? "; then " : "",
		    *left ? "mitosis-dkms, which is among this project's own packages: see mitosis-dkms(8)"
			  : "");
}

void probe_module(struct item *item)
{
	struct mitosis_ioc_info io = { .size = sizeof(io) };
	int fd = open(MITOSIS_DEVICE_PATH, O_RDWR | O_CLOEXEC), err = errno;

	if (fd >= 0) {
		err = ioctl(fd, MITOSIS_IOC_INFO, &io) ? errno : 0;
		close(fd);
		if (err) {
			item_set(item, STATE_NO, MITOSIS_DEVICE_PATH ": %s", strerror(err));
			if (look_up_module("mitosis"))
				item_remedy(item,
					    "a module of this version: %srmmod mitosis && %smodprobe mitosis",
					    item_sudo(), item_sudo());
			else
				item_remedy(item, "a module of this version: see mitosis-dkms(8)");
		} else if (io.error) {
			item_set(item, STATE_LIMITED, "mitosis %.31s: no RDMA device: %s",
				 io.version, strerror(-io.error));
			item_remedy(item, "see rdma");
		} else {
			describe_module(item, &io);
		}
		return;
	}
	item_set(item, STATE_NO, MITOSIS_DEVICE_PATH ": %s", strerror(err));
	if (err == EACCES || err == EPERM) {
		item_remedy(item,
			    "run as root, or as a member of the group that the device belongs to");
		return;
	}
	if (find_module("mitosis") == ABSENT)
		explain_absence(item);
	else
		item_remedy(item, "%smodprobe mitosis", item_sudo());
}

static bool cpu_has(const char *flag)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[8192], wanted[16];
	bool found = false;

	snprintf(wanted, sizeof(wanted), " %s ", flag);
	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = ' ';
		found = !strncmp(line, "flags", 5) && strstr(line, wanted);
	}
	if (f)
		fclose(f);
	return found;
}

/* Without it /dev/kvm may still be there: a KVM that runs only kernels that were made for it. */
static bool cpu_virtualizes(void)
{
	return cpu_has("vmx") || cpu_has("svm");
}

void probe_kvm(struct item *item)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), err = errno, version, vm;
	const char *vendor = cpu_has("svm") ? "kvm_amd" : "kvm_intel";

	if (fd < 0) {
		item_set(item, STATE_NO, "/dev/kvm: %s: the lab's machines are emulated",
			 strerror(err));
		if (err == EACCES)
			item_remedy(item, "sudo usermod -aG kvm \"$USER\", then log in again");
		else if (!cpu_virtualizes())
			item_remedy(
				item,
				"none on this processor (in a virtual machine: allow nested virtualization)");
		else if (module_is_available(vendor))
			item_remedy(item, "%smodprobe %s", item_sudo(), vendor);
		else
			item_remedy(item, "a kernel with KVM");
		return;
	}
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	vm = ioctl(fd, KVM_CREATE_VM, 0);
	if (vm < 0) {
		item_set(item, STATE_NO, "/dev/kvm: no virtual machine can be made: %s",
			 strerror(errno));
	} else if (!cpu_virtualizes()) {
		item_set(item, STATE_NO,
			 "/dev/kvm, but the processor shows neither vmx nor svm: the lab's machines are "
			 "emulated");
		close(vm);
	} else {
		item_set(item, STATE_OK, "/dev/kvm, interface version %d", version);
		close(vm);
	}
	close(fd);
}

/* The last line of a text that ends in newlines, shortened. */
static const char *last_line(char *text)
{
	size_t n = strlen(text);
	char *line;

	while (n && text[n - 1] == '\n')
		text[--n] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	if (strlen(line) > 120)
		line[120] = '\0';
	return line;
}

void probe_criu(struct item *item)
{
	char path[PATH_MAX], check[] = "check", command[256], *said;
	char *argv[] = { path, check, NULL };
	const char *last;
	int status;

	if (!program_path("criu", path, sizeof(path))) {
		item_set(item, STATE_NO,
			 "not installed (a baseline of measurements, nothing else needs it)");
		item_remedy(item, "%s", package_remedy("criu", command, sizeof(command)));
		return;
	}
	said = run_program(argv, true, &status);
	last = said ? last_line(said) : "";
	if (!status) {
		item_set(item, STATE_OK, "%s check: %s", path, last);
	} else {
		item_set(item, STATE_LIMITED, "%s check: %s", path,
			 *last ? last : "did not answer");
		item_remedy(item, geteuid() ? "run as root" : "a newer criu, or a kernel it knows");
	}
	free(said);
}
