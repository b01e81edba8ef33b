/* Bytes in memory as a blob, for tests and fuzz targets.  May use: base.  Threads: as disk/blob.h. */
#pragma once

#include "disk/blob.h"

/* LEN bytes at DATA, borrowed until it is closed. */
struct blob *blob_memory_open(const void *data, size_t len);
