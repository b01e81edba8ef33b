/* Which machines a plan takes: the value of --vms.
 *
 * May use: base, data, lang.  Threads: main only.
 */
#pragma once

#include "data/obj.h"

#include <stdbool.h>

struct error;

/* The machines that TEXT chooses of ROWS (the source's inventory), as a plan's spec.vms: a new array
 * of {"id", "name", ...}, each machine once.  TEXT is
 *
 *     web,db                      names or ids; a comma in a name is written "\,"
 *     @FILE                       a list in YAML or JSON, whose further fields are kept
 *     where memoryMB > 4096 ...   a query (lang/tsl), with "order by" and "limit" if wanted
 *
 * Machines that are not there are told of on standard error and left out.  None left is
 * ERROR_NOT_FOUND; a name that several machines share is ERROR_INVALID.  LENIENT leaves out rows
 * that a query cannot judge, instead of failing. */
int plan_vms_choose(const char *text, const json_t *rows, bool lenient, json_t **vms,
                    struct error **err);
