#include "kube/table.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "base/vector.h"
#include "data/obj.h"
#include "kube/table_cells.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 100 };

struct column {
    char *name, *type, *format, *description;
    json_int_t priority;
    struct json_path *path; /* or NULL, and then */
    table_cell cell;
};

DEFINE_VECTOR(column_list, struct column)

struct table_columns {
    struct column_list columns;
};

char *table_format_age(int64_t ms, char text[TABLE_AGE_SIZE])
{
    long long seconds = ms / 1000;
    long long minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
    long long big = 0, small = 0;
    char big_unit = 's', small_unit = 0;

    if (seconds < -1) {
        snprintf(text, TABLE_AGE_SIZE, "<invalid>");
        return text;
    }
    if (seconds < 120)
        big = seconds > 0 ? seconds : 0;
    else if (minutes < 10)
        big = minutes, big_unit = 'm', small = seconds % 60, small_unit = 's';
    else if (minutes < 180)
        big = minutes, big_unit = 'm';
    else if (hours < 8)
        big = hours, big_unit = 'h', small = minutes % 60, small_unit = 'm';
    else if (hours < 48)
        big = hours, big_unit = 'h';
    else if (days < 8)
        big = days, big_unit = 'd', small = hours % 24, small_unit = 'h';
    else if (days < 365 * 2)
        big = days, big_unit = 'd';
    else if (days < 365 * 8)
        big = days / 365, big_unit = 'y', small = days % 365, small_unit = 'd';
    else
        big = days / 365, big_unit = 'y';
    if (small != 0)
        snprintf(text, TABLE_AGE_SIZE, "%lld%c%lld%c", big, big_unit, small, small_unit);
    else
        snprintf(text, TABLE_AGE_SIZE, "%lld%c", big, big_unit);
    return text;
}

static void add_column(struct table_columns *to, const char *name, const char *type,
                       const char *format, const char *description, const char *path)
{
    struct error *never = NULL;

    column_list_push(&to->columns, (struct column){
                                       .name = xstrdup(name),
                                       .type = xstrdup(type),
                                       .format = xstrdup(format),
                                       .description = xstrdup(description),
                                       .path = json_path_compile(path, &never),
                                   });
    error_free(never);
}

static void compile_column(struct table_columns *to, const json_t *in, const char *field,
                           struct cause_list *causes)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *path_field = xasprintf("%s.jsonPath", field);
    const char *path = obj_str(in, "jsonPath", NULL);
    const char *cell = obj_str(in, "x-gantry-cell", NULL);
    struct column column = {
        .name = xstrdup(obj_str(in, "name", "")),
        .type = xstrdup(obj_str(in, "type", "string")),
        .format = xstrdup(obj_str(in, "format", "")),
        .description = xstrdup(obj_str(in, "description", "")),
        .priority = obj_int(in, "priority", 0),
    };

    if (cell != NULL)
        column.cell = table_cell_find(cell);
    else if (path != NULL)
        column.path = json_path_compile(path, &err);
    if (column.cell == NULL && column.path == NULL) {
        if (path == NULL)
            cause_add(causes, CAUSE_REQUIRED, path_field, NULL, NULL);
        else
            cause_add(causes, CAUSE_INVALID, path_field, json_object_get(in, "jsonPath"), "%s",
                      err != NULL ? err->msg : "");
    }
    if (column.name[0] == '\0') {
        CLEANUP(str) char *name_field = xasprintf("%s.name", field);

        cause_add(causes, CAUSE_REQUIRED, name_field, NULL, NULL);
    }
    column_list_push(&to->columns, column);
}

struct table_columns *table_columns_new(const json_t *columns, const char *field,
                                        struct cause_list *causes)
{
    struct table_columns *made = xcalloc(1, sizeof(*made));
    size_t before = causes->len, i;
    json_t *first = json_array_get(columns, 0), *item;

    if (!str_eq(obj_str(first, "name", NULL), "Name"))
        add_column(made, "Name", "string", "name",
                   "Name of the object, unique among those of its kind in its namespace.",
                   ".metadata.name");
    if (json_array_size(columns) == 0)
        add_column(made, "Age", "date", "", "How long ago the object was created.",
                   ".metadata.creationTimestamp");
    if (json_array_size(columns) > MAX_COLUMNS) {
        cause_add(causes, CAUSE_TOO_MANY, field, NULL, "must have at most %d items", MAX_COLUMNS);
        table_columns_free(made);
        return NULL;
    }
    json_array_foreach(columns, i, item)
    {
        CLEANUP(str) char *inner = xasprintf("%s[%zu]", field, i);

        compile_column(made, item, inner, causes);
    }
    if (causes->len == before)
        return made;
    table_columns_free(made);
    return NULL;
}

void table_columns_free(struct table_columns *columns)
{
    if (columns == NULL)
        return;
    for (size_t i = 0; i < columns->columns.len; i++) {
        struct column *column = &columns->columns.ptr[i];

        free(column->name);
        free(column->type);
        free(column->format);
        free(column->description);
        json_path_free(column->path);
    }
    column_list_reset(&columns->columns);
    free(columns);
}

json_t *table_definitions(const struct table_columns *columns)
{
    json_t *list = json_array();

    for (size_t i = 0; i < columns->columns.len; i++) {
        const struct column *column = &columns->columns.ptr[i];

        json_array_append_new(list,
                              obj_pack("{s:s, s:s, s:s, s:s, s:I}", "name", column->name, "type",
                                       column->type, "format", column->format, "description",
                                       column->description, "priority", column->priority));
    }
    return list;
}

static json_t *date_cell(const json_t *value, int64_t now_ms)
{
    CLEANUP(error) struct error *err = NULL;
    char text[TABLE_AGE_SIZE];
    int64_t ms = 0;

    if (!json_is_string(value))
        return json_null();
    if (time_parse(json_string_value(value), &ms, &err) == -1)
        return json_string("<invalid>"); /* what the API server shows, too */
    return json_string(table_format_age(now_ms - ms, text));
}

static json_t *cell_of(const struct column *column, const json_t *object, int64_t now_ms)
{
    if (column->cell != NULL)
        return column->cell(object, now_ms);

    json_t *value = json_path_find(column->path, object);

    if (value == NULL || json_is_null(value))
        return json_null();
    if (strcmp(column->type, "date") == 0)
        return date_cell(value, now_ms);
    if (strcmp(column->type, "integer") == 0)
        return json_is_number(value) ? json_integer((json_int_t)json_number_value(value))
                                     : json_null();
    if (strcmp(column->type, "number") == 0)
        return json_is_number(value) ? json_incref(value) : json_null();
    if (strcmp(column->type, "boolean") == 0)
        return json_is_boolean(value) ? json_incref(value) : json_null();
    if (json_is_string(value))
        return json_incref(value);

    CLEANUP(str) char *text = obj_format(value);

    return json_string(text);
}

static json_t *row_object(const json_t *object, enum table_include include)
{
    if (include == TABLE_OBJECT)
        return json_incref((json_t *)(uintptr_t)object);

    json_t *partial =
        obj_pack("{s:s, s:s}", "kind", "PartialObjectMetadata", "apiVersion", "meta.k8s.io/v1");
    json_t *metadata = json_object_get(object, "metadata");

    json_object_set_new(partial, "metadata",
                        metadata != NULL ? json_incref(metadata) : json_object());
    return partial;
}

json_t *table_row(const struct table_columns *columns, const json_t *object,
                  enum table_include include, int64_t now_ms)
{
    json_t *cells = json_array(), *row = json_object();

    for (size_t i = 0; i < columns->columns.len; i++)
        json_array_append_new(cells, cell_of(&columns->columns.ptr[i], object, now_ms));
    json_object_set_new(row, "cells", cells);
    if (include != TABLE_NONE)
        json_object_set_new(row, "object", row_object(object, include));
    return row;
}

json_t *table_take(json_t *definitions, json_t *rows, json_t *list_metadata)
{
    return obj_pack("{s:s, s:s, s:o, s:o, s:o}", "kind", "Table", "apiVersion", "meta.k8s.io/v1",
                    "metadata", list_metadata != NULL ? list_metadata : json_object(),
                    "columnDefinitions", definitions != NULL ? definitions : json_null(), "rows",
                    rows);
}
