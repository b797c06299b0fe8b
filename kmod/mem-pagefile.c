// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mem-pagefile.c - a file system whose page cache is filled by reading the memory of another host.
 *
 * There is one inode per remote snapshot on this host, so all children of it share what any of them
 * has fetched; the file offset is the virtual address in the process that was prepared. Private
 * children get an inode of their own. The page cache does the rest: it waits for pages, drops them
 * under memory pressure, charges them to the cgroup that fetched them first.
 *
 * A folio is locked from the moment it enters the cache until its contents are there; meanwhile its
 * ->private field, which nobody else looks at then, counts the pages that are still to come, since
 * one folio may be filled by several READs and one READ may fill several folios. Pages that the
 * snapshot lacks are zeroed on the spot. A READ that fails ends its folios without the uptodate
 * flag: the next reader tries again by ->read_folio, and gets an error (a fault: SIGBUS) if that
 * fails too.
 *
 * The inode is no regular file on purpose: khugepaged and MADV_COLLAPSE keep off, and a folio of 2
 * MiB would lose its 511 neighbours when one page is discarded.
 *
 * Life: file -> dentry and mount -> super block -> file system type -> module. Files have no
 * .owner, because they would put it before the inode is evicted; the mounted file system pins the
 * module, and mitosis_pagefile_pin() keeps it mounted as long as a child exists. Eviction waits for
 * locked folios and with them for every READ into the inode's pages, before it gives the remote
 * back. Those that no device has are abandoned, so that it does not wait for another host.
 *
 * shared_lock guards the remotes' cookies, which are the inodes to share. It is a leaf.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/pseudo_fs.h>
#include <linux/slab.h>

#include "clt-read.h"
#include "clt-remote.h"
#include "compat/compat.h"
#include "counters.h"
#include "mem-pagefile.h"

#define MITOSIS_FS_MAGIC	0x6d69746f
#define FOLIO_ORDER	4		/* more neighbours would be lost by one discard */
#define ADDRESS_BITS	56		/* of user space with five page-table levels */
#define FOLIO_FAILED	BIT(30)		/* in the count of pages to come */

static struct vfsmount *fs_mount;
static int fs_mount_pins;
static DEFINE_MUTEX(shared_lock);

/* ---- The pages to come of a locked folio ---- */

static atomic_long_t *folio_to_come(struct folio *folio)
{
	BUILD_BUG_ON(sizeof(folio->private) != sizeof(atomic_long_t));
	return (atomic_long_t *)&folio->private;
}

static void folio_expect(struct folio *folio)
{
	atomic_long_set(folio_to_come(folio), folio_nr_pages(folio));
}

/* Any context. The one who brings the last page ends the folio. */
static void folio_arrived(struct folio *folio, long pages, bool failed)
{
	atomic_long_t *count = folio_to_come(folio);
	long rest;

	if (failed)
		atomic_long_or(FOLIO_FAILED, count);
	rest = atomic_long_sub_return(pages, count);
	if (rest & ~FOLIO_FAILED)
		return;
	folio->private = NULL;
	folio_end_read(folio, !rest);
}

/* ---- Reading ---- */

struct filler {
	struct mitosis_remote *remote;
	struct address_space *mapping;
	struct mitosis_reader *reader;		/* on whose behalf; NULL: nobody knows */
	struct mitosis_read *read;		/* being filled, not submitted */
	gfp_t gfp;
};

static void filler_read_done(struct mitosis_read *read, int error)
{
	unsigned int i = 0;

	while (i < read->count) {
		struct folio *folio = page_folio(read->pages[i]);
		unsigned int pages = min_t(unsigned long, read->count - i,
					   folio_next_index(folio) - (read->first + i));

		i += pages;
		/* Not a moment later is the folio ours to look at. */
		folio_arrived(folio, pages, error);
	}
	mitosis_read_free(read);
}

static void filler_submit(struct filler *filler)
{
	struct mitosis_read *read = filler->read;

	filler->read = NULL;
	if (!read)
		return;
	if (filler->reader) {
		atomic64_inc(&filler->reader->requests);
		atomic64_add(read->count, &filler->reader->pages);
	}
	mitosis_read_submit(read);
}

static int filler_add(struct filler *filler, struct page *page, pgoff_t index)
{
	struct mitosis_read *read = filler->read;

	if (read && (read->count == mitosis_remote_read_max(filler->remote) ||
		     read->first + read->count != index ||
		     index % MITOSIS_CHUNK_PAGES == 0)) {
		filler_submit(filler);
		read = NULL;
	}
	if (!read) {
		read = mitosis_read_alloc(filler->gfp);
		if (!read)
			return -ENOMEM;
		read->remote = filler->remote;
		read->first = index;
		read->count = 0;
		read->done = filler_read_done;
		read->private = NULL;
		read->mapping = filler->mapping;
		filler->read = read;
	}
	read->pages[read->count++] = page;
	return 0;
}

/*
 * Zero what the snapshot lacks and ask for the rest. Even where this fails, the folio is ended:
 * now, or by the READs of its other pages.
 */
static int filler_fill(struct filler *filler, struct folio *folio)
{
	long i, pages = folio_nr_pages(folio), settled = 0;
	int error = 0;

	folio_expect(folio);
	for (i = 0; i < pages; i++) {
		struct page *page = folio_page(folio, i);

		if (!mitosis_remote_has(filler->remote, folio->index + i)) {
			clear_highpage(page);
			flush_dcache_page(page);
			mitosis_count(absent_pages);
			settled++;
			continue;
		}
		error = filler_add(filler, page, folio->index + i);
		if (error) {
			settled += pages - i;
			break;
		}
	}
	if (settled)
		folio_arrived(folio, settled, error);
	return error;
}

static void filler_init(struct filler *filler, struct file *file,
			struct address_space *mapping, gfp_t gfp)
{
	filler->remote = mitosis_pagefile(mapping->host)->remote;
	filler->mapping = mapping;
	filler->reader = file ? file->private_data : NULL;
	filler->read = NULL;
	filler->gfp = gfp;
}

static int pagefile_read_folio(struct file *file, struct folio *folio)
{
	struct filler filler;
	int error;

	/* Somebody waits for this page: from the reserve, if need be. */
	filler_init(&filler, file, folio->mapping, GFP_NOFS);
	error = filler_fill(&filler, folio);
	filler_submit(&filler);
	return error;
}

static void pagefile_readahead(struct readahead_control *rac)
{
	struct filler filler;
	struct folio *folio;

	/* Without memory, better read little than wait for memory. */
	filler_init(&filler, rac->file, rac->mapping, GFP_NOWAIT | __GFP_NOWARN);
	for (;;) {
		folio = readahead_folio(rac);
		if (!folio || filler_fill(&filler, folio))
			/* the rest stays without contents, and is read when it is asked for */
			break;
	}
	filler_submit(&filler);
}

static const struct address_space_operations pagefile_aops = {
	.read_folio = pagefile_read_folio,
	.readahead = pagefile_readahead,
	.dirty_folio = noop_dirty_folio,
	.migrate_folio = filemap_migrate_folio,
};

/*
 * In pieces of one READ, so that the first is under way while pages for the next are allocated. The
 * readahead state is a throw-away one: threads that share a mapping would tread on each other's.
 */
void mitosis_pagefile_fetch(struct file *file, pgoff_t first, unsigned long count, pgoff_t marker)
{
	struct mitosis_remote *remote = mitosis_pagefile(file_inode(file))->remote;
	unsigned long most = mitosis_remote_read_max(remote);

	while (count) {
		unsigned long step = min(count, most);
		struct file_ra_state state = { };
		DEFINE_READAHEAD(rac, file, &state, file->f_mapping, first);

		page_cache_ra_unbounded(&rac, step,
					marker - first < step ? first + step - marker : 0);
		first += step;
		count -= step;
	}
}

/* ---- Chunks ---- */

unsigned long mitosis_pagefile_chunk(const struct mitosis_pagefile *pagefile, u64 chunk)
{
	unsigned long low = 0, high = pagefile->chunk_count;

	while (low < high) {
		unsigned long middle = low + (high - low) / 2;

		if (pagefile->chunks[middle] < chunk)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

long mitosis_pagefile_bit(const struct mitosis_pagefile *pagefile, pgoff_t page)
{
	u64 chunk = page >> MITOSIS_CHUNK_SHIFT;
	unsigned long number = mitosis_pagefile_chunk(pagefile, chunk);

	if (number == pagefile->chunk_count || pagefile->chunks[number] != chunk)
		return -1;
	return number * MITOSIS_CHUNK_PAGES + page % MITOSIS_CHUNK_PAGES;
}

pgoff_t mitosis_pagefile_page(const struct mitosis_pagefile *pagefile, unsigned long bit)
{
	return (pagefile->chunks[bit / MITOSIS_CHUNK_PAGES] << MITOSIS_CHUNK_SHIFT) +
	       bit % MITOSIS_CHUNK_PAGES;
}

/* The chunks that hold pages, into chunks unless that is NULL; their number. */
static unsigned long chunks_list(struct mitosis_remote *remote, u64 *chunks)
{
	unsigned long count = 0;
	pgoff_t page = 0;

	while (mitosis_remote_next(remote, &page, 1)) {
		u64 chunk = page >> MITOSIS_CHUNK_SHIFT;

		if (chunks)
			chunks[count] = chunk;
		count++;
		page = (chunk + 1) << MITOSIS_CHUNK_SHIFT;
	}
	return count;
}

static struct mitosis_pagefile *pagefile_make(struct mitosis_remote *remote)
{
	unsigned long count = chunks_list(remote, NULL);
	struct mitosis_pagefile *pagefile;

	pagefile = kvmalloc(struct_size(pagefile, chunks, count), GFP_KERNEL_ACCOUNT);
	if (!pagefile)
		return NULL;
	mitosis_remote_get(remote);
	pagefile->remote = remote;
	pagefile->chunk_count = chunks_list(remote, pagefile->chunks);
	return pagefile;
}

/* ---- Inodes ---- */

static void pagefile_evict_inode(struct inode *inode)
{
	struct mitosis_pagefile *pagefile = mitosis_pagefile(inode);
	void **cookie;

	/*
	 * Who was killed while the other host is silent must not have to wait for it in order to
	 * end.
	 */
	mapping_set_exiting(&inode->i_data);
	if (pagefile)
		mitosis_reads_abandon(pagefile->remote);
	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	if (!pagefile)
		return;
	cookie = mitosis_remote_cookie(pagefile->remote);
	mutex_lock(&shared_lock);
	if (*cookie == inode)
		*cookie = NULL;
	mutex_unlock(&shared_lock);
	mitosis_remote_put(pagefile->remote);
	kvfree(pagefile);
	mitosis_count(inodes_freed);
}

static struct inode *pagefile_inode(struct mitosis_remote *remote)
{
	struct mitosis_pagefile *pagefile;
	struct inode *inode;

	inode = new_inode(fs_mount->mnt_sb);
	if (!inode)
		return ERR_PTR(-ENOMEM);
	pagefile = pagefile_make(remote);
	if (!pagefile) {
		iput(inode);
		return ERR_PTR(-ENOMEM);
	}
	inode->i_ino = get_next_ino();
	inode->i_mode = 0400;
	inode->i_flags |= S_PRIVATE | S_NOATIME | S_NOCMTIME;
	inode->i_private = pagefile;
	inode->i_mapping->a_ops = &pagefile_aops;
	mapping_set_gfp_mask(inode->i_mapping, GFP_HIGHUSER_MOVABLE);
	mapping_set_folio_order_range(inode->i_mapping, 0, FOLIO_ORDER);
	i_size_write(inode, 1LL << ADDRESS_BITS);
	mitosis_count(inodes_made);
	return inode;
}

/*
 * An inode in eviction is not grabbed; it leaves the cookie alone once another is there. Nor is one
 * of a file system that is being unmounted, since its last child has let go of it: that waits for
 * nobody.
 */
static struct inode *pagefile_shared(void **cookie, struct inode *fresh)
{
	struct inode *inode;

	mutex_lock(&shared_lock);
	inode = *cookie;
	if (inode)
		inode = inode->i_sb == fs_mount->mnt_sb ? igrab(inode) : NULL;
	if (!inode && fresh) {
		*cookie = fresh;
		inode = fresh;
	}
	mutex_unlock(&shared_lock);
	return inode;
}

struct inode *mitosis_pagefile_get(struct mitosis_remote *remote, bool private)
{
	void **cookie = mitosis_remote_cookie(remote);
	struct inode *inode, *fresh;

	inode = private ? NULL : pagefile_shared(cookie, NULL);
	if (inode)
		return inode;
	fresh = pagefile_inode(remote);
	if (private || IS_ERR(fresh))
		return fresh;
	inode = pagefile_shared(cookie, fresh);
	if (inode != fresh)
		iput(fresh);
	return inode;
}

/* ---- The file system ---- */

static const struct super_operations pagefile_super_operations = {
	.statfs = simple_statfs,
	.drop_inode = inode_just_drop,
	.evict_inode = pagefile_evict_inode,
};

/* What /proc/PID/maps shows. The UUID is a key: whoever knows it reads the parent's memory. */
static char *pagefile_dname(struct dentry *dentry, char *buffer, int size)
{
	char name[40];
	/* The type of i_ino depends on the kernel. */
	int length = snprintf(name, sizeof(name), "mitosis:[%llu]", (u64)d_inode(dentry)->i_ino) +
		     1;

	if (length > size)
		return ERR_PTR(-ENAMETOOLONG);
	return memcpy(buffer + size - length, name, length);
}

static const struct dentry_operations pagefile_dentry_operations = {
	.d_dname = pagefile_dname,
};

static int pagefile_init_fs_context(struct fs_context *fc)
{
	struct pseudo_fs_context *context = init_pseudo(fc, MITOSIS_FS_MAGIC);

	if (!context)
		return -ENOMEM;
	context->ops = &pagefile_super_operations;
	context->dops = &pagefile_dentry_operations;
	return 0;
}

static struct file_system_type pagefile_fs_type = {
	.owner = THIS_MODULE,
	.name = "mitosis",
	.init_fs_context = pagefile_init_fs_context,
	.kill_sb = kill_anon_super,
};

int mitosis_pagefile_pin(void)
{
	int error = simple_pin_fs(&pagefile_fs_type, &fs_mount, &fs_mount_pins);

	if (error)
		return error;
	/* Some kernels set it for all pseudo file systems; this one holds the child's program. */
	fs_mount->mnt_sb->s_iflags &= ~SB_I_NOEXEC;
	return 0;
}

void mitosis_pagefile_unpin(void)
{
	simple_release_fs(&fs_mount, &fs_mount_pins);
}

struct file *mitosis_pagefile_open(struct inode *inode, const struct file_operations *operations,
				   struct mitosis_reader *reader)
{
	struct file *file;

	ihold(inode);
	file = alloc_file_pseudo(inode, fs_mount, "mitosis", O_RDONLY | O_LARGEFILE, operations);
	if (IS_ERR(file)) {
		iput(inode);
		return file;
	}
	/*
	 * Not set by alloc_file_pseudo(). It leaves f_ra zeroed, too: faults read ahead by
	 * themselves.
	 */
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD;
	file->private_data = reader;
	return file;
}
