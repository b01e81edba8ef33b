/* Quantities as Kubernetes writes them: "500m", "1.5", "10Gi", "3e9", "-2k".
 *
 * Kept in billionths, exactly, up to 2^63-1 units; finer parts are rounded up and larger values
 * stop there, as in Kubernetes.
 *
 * May use: base.  Threads: pure functions.
 */
#pragma once

#include "data/obj.h"

#include <stddef.h>
#include <stdint.h>

struct error;

struct quantity {
    __int128 nano;
};

/* Reads the LEN bytes at TEXT, which must be a quantity as a whole. */
int quantity_parse(const char *text, size_t len, struct quantity *quantity, struct error **err);

/* The same for a JSON value: a string or a number. */
int quantity_from_json(const json_t *value, struct quantity *quantity, struct error **err);

/* Whole units, rounded up; negative or more than 64 bits is ERROR_INVALID. */
int quantity_to_u64(struct quantity quantity, uint64_t *value, struct error **err);

/* A string as bytes, as requests for storage and memory are read. */
int quantity_parse_bytes(const char *text, uint64_t *bytes, struct error **err);

/* Thousandths, rounded up: CPUs as schedulers count them. */
int64_t quantity_to_milli(struct quantity quantity);

/* Less than, equal to or greater than 0. */
int quantity_cmp(struct quantity a, struct quantity b);

/* Kubernetes' own form of a number of bytes: "10Gi" where it divides, else digits.  Owned by the
 * caller. */
char *quantity_format_bytes(uint64_t bytes);
