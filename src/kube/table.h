/* Tables: what kubectl get shows, one row per object.
 *
 * May use: base, data.  Threads: compiled columns are frozen.
 */
#pragma once

#include "base/cleanup.h"
#include "data/obj.h"
#include "kube/cause.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct table_columns;

/* Compiles a version's additionalPrinterColumns (NULL or empty: an Age column).  A column of ours
 * may have `x-gantry-cell`, the name of a function of table_cells.c, instead of a jsonPath.
 * Problems add causes below FIELD; NULL then. */
struct table_columns *table_columns_new(const json_t *columns, const char *field,
                                        struct cause_list *causes);
void table_columns_free(struct table_columns *columns);

/* The columnDefinitions array, the Name column first.  A new reference. */
json_t *table_definitions(const struct table_columns *columns);

enum table_include { TABLE_METADATA, TABLE_OBJECT, TABLE_NONE };

/* One row {cells, object}; ages are as of NOW_MS.  The row's object shares the parts of OBJECT. */
json_t *table_row(const struct table_columns *columns, const json_t *object,
                  enum table_include include, int64_t now_ms);

/* {kind Table, apiVersion, metadata, columnDefinitions, rows}.  Takes DEFINITIONS (NULL: null, as
 * in all but the first event of a watch), ROWS and LIST_METADATA (NULL: {}). */
json_t *table_take(json_t *definitions, json_t *rows, json_t *list_metadata);

/* A span of time as people read it: "90s", "3m5s", "2d3h", "5y12d".  Returns TEXT. */
enum { TABLE_AGE_SIZE = 32 };
char *table_format_age(int64_t ms, char text[TABLE_AGE_SIZE]);

/* The JSON path subset of columns: .a.b, ['a.b'], [0], [*], [?(@.a=='x')].  */
struct json_path;
struct json_path *json_path_compile(const char *text, struct error **err);
void json_path_free(struct json_path *path);
/* The first match, borrowed, or NULL. */
json_t *json_path_find(const struct json_path *path, const json_t *object);

DEFINE_CLEANUP(json_path, struct json_path *, json_path_free)
DEFINE_CLEANUP(table_columns, struct table_columns *, table_columns_free)
