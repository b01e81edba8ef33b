/* An HTTP resource as bytes, read in ranges.  For src/disk only.  May use: base, net.
 * Threads: as disk/blob.h; each call uses a connection of its own, which is kept. */
#pragma once

#include "disk/blob.h"

/* The server must tell the size and understand ranges. */
int blob_http_open(const char *url, const struct disk_options *options, struct blob **out,
                   struct error **err);
