/* An HTTP resource as bytes, read in ranges.  For src/disk only.  May use: base, net.
 * Threads: as disk/blob.h; each call uses a connection of its own, which is kept. */
#pragma once

#include "disk/blob.h"

bool blob_http_is_url(const char *source);

/* ERROR_UNSUPPORTED: the server does not send parts or does not tell the size. */
int blob_http_open(const char *url, const struct disk_options *options, struct blob **out,
                   struct error **err);
