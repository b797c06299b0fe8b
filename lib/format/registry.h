/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * registry.h - how the snapshots of a host are found.
 *
 * There is no runtime directory: each shadow listens on an abstract unix socket whose name holds
 * its user and process id. The kernel takes the name away with the process, however it ends, so
 * nothing can be left behind. Names are public, hence no secret is in them; both sides check the
 * other's user id.
 */
#ifndef MITOSIS_REGISTRY_H
#define MITOSIS_REGISTRY_H

/*
 * "\0mitosis-exp/UID/PID"; with "/N", N from 2, where the name is taken by another pid namespace.
 */
#define REGISTRY_PREFIX "mitosis-exp/"
#define REGISTRY_SAME_MAX 1000

#endif
