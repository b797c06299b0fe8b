// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * rdma-endpoint.c - which RDMA device serves snapshots, and at which address peers reach it.
 *
 * Asked anew for each snapshot, since devices come and go and addresses change. A device does if it
 * has an address that parameter "address" allows, and if this host can connect to itself there.
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/inet.h>
#include <net/ipv6.h>
#include <rdma/ib_addr.h>
#include <rdma/ib_cache.h>

#include "compat/compat.h"
#include "params.h"
#include "rdma-device.h"
#include "rdma-endpoint.h"
#include "rdma-region.h"
#include "rdma-self.h"

/* ---- The address of a device ---- */

static void endpoint_set_port(struct sockaddr_storage *to)
{
	if (to->ss_family == AF_INET)
		((struct sockaddr_in *)to)->sin_port = htons(mitosis_param_port);
	else
		((struct sockaddr_in6 *)to)->sin6_port = htons(mitosis_param_port);
}

static bool endpoint_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return ipv6_addr_equal(&((const struct sockaddr_in6 *)a)->sin6_addr,
			       &((const struct sockaddr_in6 *)b)->sin6_addr);
}

/* Link-local addresses need an interface to be reached, which a reference does not carry. */
static bool gid_is_usable(const union ib_gid *gid)
{
	int type;

	if (rdma_is_zero_gid(gid))
		return false;
	type = ipv6_addr_type((const struct in6_addr *)gid);
	return !(type & (IPV6_ADDR_LINKLOCAL | IPV6_ADDR_MULTICAST));
}

/* Of the addresses in a port's table: the wanted one, else the first of IPv4, else of IPv6. */
static bool endpoint_of_port(struct ib_device *dev, u32 port, const struct sockaddr_storage *wanted,
			     struct sockaddr_storage *to)
{
	struct sockaddr_storage address;
	struct ib_port_attr attr;
	bool found = false;
	union ib_gid gid;
	int i;

	if (ib_query_port(dev, port, &attr) || attr.state != IB_PORT_ACTIVE)
		return false;
	if (!rdma_protocol_roce(dev, port)) {
		/* Its table holds no IP addresses; connecting to itself will tell. */
		if (wanted)
			*to = *wanted;
		return wanted;
	}
	for (i = 0; i < attr.gid_tbl_len; i++) {
		if (rdma_query_gid(dev, port, i, &gid) || !gid_is_usable(&gid))
			continue;
		memset(&address, 0, sizeof(address));
		rdma_gid2ip((struct sockaddr *)&address, &gid);
		if (wanted && !endpoint_same_host(wanted, &address))
			continue;
		if (!wanted && found && address.ss_family != AF_INET)
			continue;
		*to = address;
		found = true;
		if (wanted || address.ss_family == AF_INET)
			break;
	}
	return found;
}

static bool endpoint_of_device(struct ib_device *dev, const struct sockaddr_storage *wanted,
			       struct sockaddr_storage *to)
{
	u32 port;

	rdma_for_each_port(dev, port) {
		if (endpoint_of_port(dev, port, wanted, to))
			return true;
	}
	return false;
}

/* 1: the parameter names an address, 0: it is not set, or -EINVAL. */
static int endpoint_wanted(struct sockaddr_storage *wanted)
{
	if (!mitosis_param_address || !*mitosis_param_address)
		return 0;
	return inet_pton_with_scope(&init_net, AF_UNSPEC, mitosis_param_address, NULL, wanted) ?
	       -EINVAL : 1;
}

static bool device_is_wanted(const struct ib_device *dev)
{
	return !mitosis_param_device || !*mitosis_param_device ||
	       !strcmp(mitosis_param_device, dev_name(&dev->dev));
}

/* ---- The device ---- */

static struct mitosis_rdma *serve(struct mitosis_rdma *rdma,
				  const struct sockaddr_storage *endpoint)
{
	int error = mitosis_self_connect(mitosis_rdma_self(rdma), endpoint);

	if (error)
		return ERR_PTR(error);
	mitosis_pool_refill(mitosis_rdma_pool(rdma));
	return rdma;
}

struct mitosis_rdma *mitosis_rdma_server(void)
{
	struct sockaddr_storage wanted = {}, endpoint;
	struct mitosis_rdma *rdma, *served;
	int error = -ENODEV, has_wanted;
	unsigned int i;

	has_wanted = endpoint_wanted(&wanted);
	if (has_wanted < 0)
		return ERR_PTR(has_wanted);
	for (i = 0; (rdma = mitosis_rdma_nth(i)) != NULL; i++) {
		served = ERR_PTR(-ENODEV);
		memset(&endpoint, 0, sizeof(endpoint));
		if (device_is_wanted(mitosis_rdma_device(rdma))) {
			served = ERR_PTR(-EADDRNOTAVAIL);
			if (endpoint_of_device(mitosis_rdma_device(rdma),
					       has_wanted ? &wanted : NULL, &endpoint)) {
				endpoint_set_port(&endpoint);
				served = serve(rdma, &endpoint);
			}
		}
		if (!IS_ERR(served))
			return served;
		mitosis_rdma_put(rdma);
		/* What is told is about the device that came nearest. */
		if (error == -ENODEV || error == -EADDRNOTAVAIL)
			error = PTR_ERR(served) == -ENODEV ? error : PTR_ERR(served);
	}
	return ERR_PTR(error);
}

int mitosis_rdma_endpoint(const struct mitosis_rdma *rdma, struct sockaddr_storage *to)
{
	return mitosis_self_endpoint(mitosis_rdma_self(rdma), to);
}
