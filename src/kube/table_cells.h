/* Cells of built-in kinds that a JSON path cannot give, by name; for table.c only. */
#pragma once

#include "data/obj.h"

#include <stdint.h>

/* A new reference. */
typedef json_t *(*table_cell)(const json_t *object, int64_t now_ms);

/* The function of that name, or NULL. */
table_cell table_cell_find(const char *name);
