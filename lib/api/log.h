/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* log.h - the library's only voice, and two words that all its files use. */
#ifndef MITOSIS_LOG_H
#define MITOSIS_LOG_H

#include "mitosis.h"

#define EXPORT __attribute__((visibility("default")))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

void log_text(enum mitosis_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
#define log_error(...)   log_text(MITOSIS_LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_text(MITOSIS_LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_text(MITOSIS_LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_text(MITOSIS_LOG_DEBUG, __VA_ARGS__)

#endif
