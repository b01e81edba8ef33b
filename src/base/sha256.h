/* SHA-256 (FIPS 180-4) of short texts, for programs that should not carry a library for it: libcrypto alone is
 * a seventh of what gantry-hookd may take.  Whatever digests disks uses net/digest.h, which is ten times faster.
 *
 * May use: nothing.  Threads: pure function.
 */
#pragma once

#include <stddef.h>

enum { SHA256_SIZE = 32 };

void sha256(const void *data, size_t len, unsigned char digest[SHA256_SIZE]);
