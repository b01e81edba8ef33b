/* Units of capacities in OVF descriptors: "byte * 2^30" (DSP0004, programmatic units), and the
 * plain words of OVF 0.9 ("MegaBytes").
 *
 * May use: base.  Threads: pure functions, safe anywhere.
 */
#pragma once

#include <stdint.h>

struct error;

/* The number of bytes in one unit of TEXT; NULL or "" is one byte.  KiloBytes and its sisters are
 * powers of 1024, as every tool that writes OVFs means them. */
int units_parse(const char *text, uint64_t *bytes, struct error **err);

/* NUMBER (a whole decimal) units of UNITS in bytes. */
int units_apply(const char *number, const char *units, uint64_t *bytes, struct error **err);
