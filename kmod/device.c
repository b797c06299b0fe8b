// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/* device.c - /dev/mitosis: checks what user space asks for and hands it on. */
#include <linux/fs.h>
#include <linux/in.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "argument.h"
#include "bench.h"
#include "clt-remote.h"
#include "device.h"
#include "mem-file.h"
#include "mitosis_ioctl.h"
#include "protocol.h"
#include "rdma-device.h"
#include "rdma-endpoint.h"
#include "srv-snapshot.h"

/* An open file of the device: the life of at most one snapshot. */
struct device_file {
	struct mutex lock;
	struct mitosis_snapshot *snapshot;
};

static long device_info(void __user *user)
{
	struct mitosis_ioc_info io;
	struct sockaddr_storage endpoint;
	struct mitosis_rdma *rdma;
	int error = mitosis_argument_get(&io, sizeof(io), user);
	u32 size = io.size;

	if (error)
		return error;
	if (io.flags)
		return -EINVAL;
	memset(&io, 0, sizeof(io));
	io.size = size;
	io.abi_version = MITOSIS_ABI_VERSION;
	io.protocol_version = MITOSIS_PROTOCOL_VERSION;
	strscpy(io.version, THIS_MODULE->version ? : "", sizeof(io.version));
	rdma = mitosis_rdma_server();
	io.error = PTR_ERR_OR_ZERO(rdma);
	if (!io.error) {
		io.error = mitosis_rdma_endpoint(rdma, &endpoint);
		if (!io.error)
			mitosis_endpoint_to_user(&io.endpoint, &endpoint);
		strscpy(io.device, dev_name(&mitosis_rdma_device(rdma)->dev), sizeof(io.device));
		mitosis_rdma_put(rdma);
	}
	return mitosis_argument_put(user, &io, sizeof(io));
}

static long device_snapshot(struct device_file *file, void __user *user)
{
	struct mitosis_ioc_snapshot io;
	struct mitosis_ioc_range *ranges;
	struct mitosis_snapshot *snapshot;
	int error = mitosis_argument_get(&io, sizeof(io), user);

	if (error)
		return error;
	if (io.flags || io.reserved || !io.range_count || io.range_count > MITOSIS_RANGES_MAX)
		return -EINVAL;
	if (file->snapshot)
		return -EEXIST;
	ranges = vmemdup_user(u64_to_user_ptr(io.ranges),
			      array_size(io.range_count, sizeof(*ranges)));
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	snapshot = mitosis_snapshot_make(&io, ranges);
	kvfree(ranges);
	if (IS_ERR(snapshot))
		return PTR_ERR(snapshot);
	error = mitosis_argument_put(user, &io, sizeof(io));
	if (error) {
		mitosis_snapshot_release(snapshot);
		return error;
	}
	file->snapshot = snapshot;
	return 0;
}

static long device_release_snapshot(struct device_file *file)
{
	struct mitosis_snapshot *snapshot = file->snapshot;

	if (!snapshot)
		return -ENOENT;
	file->snapshot = NULL;
	mitosis_snapshot_release(snapshot);
	return 0;
}

static long device_open_remote(void __user *user)
{
	struct mitosis_ioc_open io;
	struct sockaddr_storage endpoint;
	struct mitosis_remote *remote;
	int error = mitosis_argument_get(&io, sizeof(io), user);
	int fd;

	if (error)
		return error;
	if (io.flags & ~(MITOSIS_OPEN_PRIVATE | MITOSIS_OPEN_POLL | MITOSIS_OPEN_RECORD))
		return -EINVAL;
	if ((io.window > MITOSIS_WINDOW_MAX && io.window != MITOSIS_WINDOW_DEFAULT) ||
	    io.timeout_ms > MITOSIS_TIMEOUT_MAX_MS)
		return -EINVAL;
	error = mitosis_endpoint_from_user(&endpoint, &io.endpoint);
	if (error)
		return error;
	remote = mitosis_remote_open(&endpoint, io.uuid, io.timeout_ms);
	if (IS_ERR(remote))
		return PTR_ERR(remote);
	fd = mitosis_file_open(remote, io.flags, io.window);
	mitosis_remote_put(remote);
	return fd;
}

/* Where connections come from: no address at all, or one without a port. */
static int source_from_user(struct sockaddr_storage *to, struct mitosis_ioc_endpoint *from)
{
	struct sockaddr_in *in = (struct sockaddr_in *)to;
	int error;

	memset(to, 0, sizeof(*to));
	if (!from->length)
		return memchr_inv(from->sockaddr, 0, sizeof(from->sockaddr)) ? -EINVAL : 0;
	if (from->length > sizeof(from->sockaddr))
		return -EINVAL;
	/* The port is at the same place in both families. */
	memset(from->sockaddr + offsetof(struct sockaddr_in, sin_port), 0xff, sizeof(in->sin_port));
	error = mitosis_endpoint_from_user(to, from);
	in->sin_port = 0;
	return error;
}

static long device_bench(void __user *user)
{
	struct mitosis_ioc_bench_sample *samples;
	struct sockaddr_storage to, from;
	struct mitosis_ioc_bench io;
	u64 room;
	int error = mitosis_argument_get(&io, sizeof(io), user);

	if (error)
		return error;
	if (io.flags & ~(MITOSIS_BENCH_VERIFY | MITOSIS_BENCH_REUSE))
		return -EINVAL;
	if (!io.count || io.count > MITOSIS_BENCH_COUNT_MAX || !io.depth ||
	    io.depth > MITOSIS_BENCH_DEPTH_MAX || !io.timeout_ms ||
	    io.timeout_ms > MITOSIS_TIMEOUT_MAX_MS ||
	    io.private_data_length > sizeof(io.private_data) ||
	    io.period_ns > (u64)NSEC_PER_SEC << 10)
		return -EINVAL;
	error = mitosis_endpoint_from_user(&to, &io.to);
	if (!error)
		error = source_from_user(&from, &io.from);
	if (error)
		return error;
	room = io.count + (io.flags & MITOSIS_BENCH_REUSE ? io.depth : 0);
	samples = kvcalloc(room, sizeof(*samples), GFP_KERNEL_ACCOUNT);
	if (!samples)
		return -ENOMEM;
	io.done = 0;
	error = mitosis_bench(&io, &to, &from, samples);
	if (!error &&
	    copy_to_user(u64_to_user_ptr(io.samples), samples, io.done * sizeof(*samples)))
		error = -EFAULT;
	kvfree(samples);
	return error ? error : mitosis_argument_put(user, &io, sizeof(io));
}

static long device_ioctl(struct file *filp, unsigned int command, unsigned long argument)
{
	struct device_file *file = filp->private_data;
	void __user *user = (void __user *)argument;
	long result;

	switch (command) {
	case MITOSIS_IOC_INFO:
		return device_info(user);
	case MITOSIS_IOC_OPEN:
		return device_open_remote(user);
	case MITOSIS_IOC_BENCH:
		return device_bench(user);
	case MITOSIS_IOC_SNAPSHOT:
	case MITOSIS_IOC_RELEASE:
		if (mutex_lock_killable(&file->lock))
			return -EINTR;
		result = command == MITOSIS_IOC_SNAPSHOT ? device_snapshot(file, user) :
			device_release_snapshot(file);
		mutex_unlock(&file->lock);
		return result;
	default:
		return -ENOTTY;
	}
}

static int device_open(struct inode *inode, struct file *filp)
{
	struct device_file *file = kzalloc(sizeof(*file), GFP_KERNEL);

	if (!file)
		return -ENOMEM;
	mutex_init(&file->lock);
	filp->private_data = file;
	return 0;
}

static int device_close(struct inode *inode, struct file *filp)
{
	struct device_file *file = filp->private_data;

	if (file->snapshot)
		mitosis_snapshot_release(file->snapshot);
	kfree(file);
	return 0;
}

static const struct file_operations device_operations = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_close,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mitosis",
	.fops = &device_operations,
	.mode = 0600,
};

int mitosis_device_init(void)
{
	return misc_register(&device);
}

void mitosis_device_exit(void)
{
	misc_deregister(&device);
}
