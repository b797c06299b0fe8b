// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* test-reference.c - mitosis://HOST:PORT/UUID, parsed and printed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "format/reference.h"

#define UUID "6f1c0a2e-1b2c-4d3e-8f90-a1b2c3d4e5f6"

static int failures;

static void failed(int line, const char *text)
{
	printf("test-reference.c:%d: %s\n", line, text);
	failures++;
}

static void accepts(int line, const char *text, const char *host, unsigned int port, const char *address)
{
	char again[MITOSIS_REF_MAX];
	struct reference ref;

	if (reference_parse(&ref, text)) {
		failed(line, "not accepted");
		return;
	}
	if (strcmp(ref.host, host) || ref.port != port || strcmp(ref.address, address))
		failed(line, ref.address);
	if (reference_format(again, ref.address, ref.uuid, ref.scheme) || strcmp(again, text))
		failed(line, "printed differently");
}

static void refuses(int line, const char *text)
{
	struct reference ref;

	if (reference_parse(&ref, text) != -EINVAL)
		failed(line, text);
}

int main(void)
{
	static const uint8_t uuid[16] = { 0x6f, 0x1c };
	char text[MITOSIS_REF_MAX], address[400], longer[600];

	accepts(__LINE__, "mitosis://127.0.0.1:1/" UUID, "127.0.0.1", 1, "127.0.0.1:1");
	accepts(__LINE__, "mitosis://node1:65535/" UUID, "node1", 65535, "node1:65535");
	accepts(__LINE__, "mitosis://[::1]:7000/" UUID, "::1", 7000, "[::1]:7000");
	accepts(__LINE__, "mitosis://[fe80::1%eth0]:7000/" UUID, "fe80::1%eth0", 7000, "[fe80::1%eth0]:7000");

	refuses(__LINE__, "");
	refuses(__LINE__, "mitosis://");
	refuses(__LINE__, "mitosis:///" UUID);
	refuses(__LINE__, "mitosis://host/" UUID);
	refuses(__LINE__, "mitosis://:1/" UUID);
	refuses(__LINE__, "mitosis://host:/" UUID);
	refuses(__LINE__, "mitosis://host:0/" UUID);
	refuses(__LINE__, "mitosis://host:65536/" UUID);
	refuses(__LINE__, "mitosis://host:-1/" UUID);
	refuses(__LINE__, "mitosis://host:+1/" UUID);
	refuses(__LINE__, "mitosis://host: 1/" UUID);
	refuses(__LINE__, "mitosis://host:1x/" UUID);
	refuses(__LINE__, "mitosis://host:99999999999999999999/" UUID);
	refuses(__LINE__, "mitosis://host:1/");
	refuses(__LINE__, "mitosis://host:1/" UUID "0");
	refuses(__LINE__, "mitosis://host:1/" UUID "/");
	refuses(__LINE__, "mitosis://host:1/6f1c0a2e-1b2c-4d3e-8f90-a1b2c3d4e5fg");
	refuses(__LINE__, "mitosis://[::1:7000/" UUID);
	refuses(__LINE__, "mitosis://[::1]7000/" UUID);
	refuses(__LINE__, "mitosis://[]:7000/" UUID);
	refuses(__LINE__, "MITOSIS://host:1/" UUID);
	refuses(__LINE__, "http://host:1/" UUID);

	memset(address, 'a', sizeof(address));
	address[256] = '\0';
	snprintf(longer, sizeof(longer), "mitosis://%s:1/" UUID, address);
	refuses(__LINE__, longer);
	address[399] = '\0';
	address[256] = 'a';
	if (reference_format(text, address, uuid, REFERENCE_PLAIN) != -ENAMETOOLONG)
		failed(__LINE__, "too long an address was printed");
	address[MITOSIS_REF_MAX - 1 - 36 - 1 - 10] = '\0';
	if (reference_format(text, address, uuid, REFERENCE_PLAIN) || strlen(text) != MITOSIS_REF_MAX - 1)
		failed(__LINE__, "the longest address was not printed");

	printf("test-reference: %d failures\n", failures);
	return failures != 0;
}
