/* Sizes in gantry's own options and settings: a whole number and a unit ("512", "64Mi").
 * What Kubernetes accepts is a larger language; that is kube/quantity.h.
 *
 * May use: base.  Threads: pure functions, safe anywhere.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;

/* Reads the LEN bytes at TEXT as a number of bytes.  Any input is safe to pass. */
int size_parse(const char *text, size_t len, uint64_t *bytes, struct error **err);

enum { SIZE_TEXT_SIZE = 32 };

/* "1.5 GiB", for people; returns TEXT. */
char *size_format(uint64_t bytes, char text[SIZE_TEXT_SIZE]);
