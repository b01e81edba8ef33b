#include "inventory/rest_query.h"

#include "base/error.h"
#include "base/text.h"
#include "data/obj.h"
#include "inventory/rest_objects.h"
#include "inventory/routes.h"
#include "inventory/vm_fields.h"
#include "lang/tsl/tsl.h"

enum { DETAIL_FULL = 9 };

/* What the query sees of each object: all of it, and a VM's further fields. */
static json_t *make_rows(const struct rest_query *query, const json_t *objects)
{
    bool is_vm = str_eq(query->collection->kind, "VM");
    json_t *rows = json_array();
    const json_t *object = NULL;
    size_t i = 0;

    json_array_foreach(objects, i, object)
    {
        json_t *row = rest_show(query->type, query->collection, object, DETAIL_FULL);

        if (is_vm)
            vm_fields_add(row, query->provider);
        json_array_append_new(rows, row);
    }
    return rows;
}

static int select_columns(const struct tsl *tsl, const json_t *row, json_t **out,
                          struct error **err)
{
    json_auto_t *columns = json_object();

    for (size_t i = 0; i < tsl_column_count(tsl); i++) {
        json_t *value = NULL;

        if (tsl_column_value(tsl, i, row, &value, err) == -1)
            return -1;
        json_object_set_new(columns, tsl_column_name(tsl, i), value);
    }
    *out = json_incref(columns);
    return 0;
}

int rest_query_run(const struct rest_query *query, const json_t *objects, json_t **out,
                   struct error **err)
{
    CLEANUP(tsl) struct tsl *tsl = NULL;
    json_auto_t *rows = NULL;
    json_auto_t *found = NULL;
    json_auto_t *list = json_array();
    const json_t *row = NULL;
    size_t i = 0;

    if (tsl_parse(query->text, &tsl, err) == -1)
        return error_wrap(err, "q");
    rows = make_rows(query, objects);
    if (tsl_run(tsl, rows, &found, NULL, err) == -1)
        return error_wrap(err, "q");
    json_array_foreach(found, i, row)
    {
        json_t *shown = NULL;

        if (tsl_column_count(tsl) == 0)
            shown = rest_show(query->type, query->collection, row, query->detail);
        else if (select_columns(tsl, row, &shown, err) == -1)
            return error_wrap(err, "q");
        json_array_append_new(list, shown);
    }
    *out = json_incref(list);
    return 0;
}
