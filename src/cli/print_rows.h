/* Lists of objects as people and programs read them.
 *
 * May use: base, data, lang.  Threads: main only.
 */
#pragma once

#include "data/obj.h"

#include <stdbool.h>
#include <stddef.h>

struct tsl;

enum print_format { PRINT_TABLE, PRINT_JSON, PRINT_YAML, PRINT_MARKDOWN, PRINT_PLAN_VMS };

/* The format called NAME; false if there is none of that name. */
bool print_format_find(const char *name, enum print_format *format);

struct print_column {
    const char *title; /* NULL at the end of a list */
    const char *path;  /* into a row */
    enum { PRINT_PLAIN, PRINT_BYTES, PRINT_COUNT } as; /* a size; how many an array has */
};

/* A table of CELLS, an array of arrays of texts, under TITLES; on a terminal or not, columns are as
 * wide as they need. */
void print_table(const char *const *titles, size_t columns, const json_t *cells, bool markdown);

/* A row's value in a column as a new text, "" where there is none. */
char *print_cell(const json_t *row, const struct print_column *column);

/* Any value as a cell's new text. */
char *print_value(const json_t *value);

/* On standard error, what QUERY, which found nothing, may have been meant to be; nothing if there is
 * no guess. */
void print_hint(const struct tsl *query);

/* ROWS as they are, for the formats that are no tables. */
void print_rows(const json_t *rows, enum print_format format);
