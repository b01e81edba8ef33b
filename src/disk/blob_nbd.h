/* An NBD export as bytes.  For src/disk only.  May use: base.  Threads: as disk/blob.h. */
#pragma once

#include "disk/blob.h"

/* True for nbd://, nbds://, nbd+unix:// and nbds+unix://. */
bool blob_nbd_is_uri(const char *source);

int blob_nbd_open(const char *uri, const struct disk_options *options, struct blob **out,
                  struct error **err);
