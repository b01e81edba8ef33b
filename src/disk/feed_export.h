/* An export lease as a feed: "export:https://vcenter/sdk?machine=vm-12&disk=2000".
 *
 * What speaks to the server is another program, gantry-export, whose standard output this reads.
 * For src/disk only.  May use: base, data, net.  Threads: one owner.
 */
#pragma once

#include "disk/disk.h"

#include <sys/types.h>

struct export_feed;

bool export_feed_is_source(const char *source);

int export_feed_open(const char *source, const struct disk_options *options,
                     struct export_feed **out, struct error **err);

/* Ends the program if it has not ended: the lease is given up. */
void export_feed_close(struct export_feed *feed);

/* As feed_read; 0 only once the program has ended well, with the lease completed. */
ssize_t export_feed_read(struct export_feed *feed, void *data, size_t len, struct error **err);
