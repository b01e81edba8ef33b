#include "cli/plan_vms.h"

#include "base/error.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/comma_list.h"
#include "cli/print_rows.h"
#include "data/yaml.h"
#include "lang/tsl/tsl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The inventory by id and by name; values are rows, SHARED marks a name that several have. */
struct machines {
    struct map *by_id, *by_name;
};

static char SHARED[] = "";

static struct machines machines_of(const json_t *rows)
{
    struct machines m = {map_new(), map_new()};

    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        const char *name = obj_str(row, "name", "");

        map_put(m.by_id, obj_str(row, "id", ""), row);
        map_put(m.by_name, name, map_find(m.by_name, name) == NULL ? (void *)row : SHARED);
    }
    return m;
}

static void machines_reset(struct machines *m)
{
    map_free(m->by_id, NULL);
    map_free(m->by_name, NULL);
}

/* The row that ID or, if that is empty, NAME means; NULL if there is none.  A name may be an id. */
static int find_row(const struct machines *m, const char *id, const char *name, const json_t **row,
                    struct error **err)
{
    void *by_name = map_find(m->by_name, name);

    *row = map_find(m->by_id, id[0] != '\0' ? id : name);
    if (*row != NULL || id[0] != '\0')
        return 0;
    if (by_name == SHARED) {
        error_set(err, ERROR_INVALID, "several machines are called \"%s\"", name);
        return error_hint(err, "write the id; gantry get inventory vm PROVIDER shows it");
    }
    *row = by_name;
    return 0;
}

/* Appends WANTED, {"id" or "name", ...}, with the id and the name of the inventory. */
static int add_wanted(const struct machines *m, const json_t *wanted, struct map *taken,
                      json_t *vms, struct error **err)
{
    const char *id = obj_str(wanted, "id", ""), *name = obj_str(wanted, "name", "");
    const json_t *row = NULL;

    if (find_row(m, id, name, &row, err) == -1)
        return -1;
    if (row == NULL) {
        fprintf(stderr, "gantry: the source has no machine \"%s\"; the plan is made without it\n",
                id[0] != '\0' ? id : name);
        return 0;
    }
    const char *row_id = obj_str(row, "id", "");
    if (map_find(taken, row_id) != NULL)
        return 0;
    map_put(taken, row_id, SHARED);
    json_t *vm = obj_copy(wanted);
    obj_put_str(vm, "id", row_id);
    obj_put_str(vm, "name", obj_str(row, "name", ""));
    if (obj_str(row, "namespace", NULL) != NULL)
        obj_put_str(vm, "namespace", obj_str(row, "namespace", ""));
    json_array_append_new(vms, vm);
    return 0;
}

/* --- what is wanted: arrays of objects with "id" or "name" ------------------------------------- */

static int read_file_list(const char *path, json_t **wanted, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len;

    if (file_read(path, YAML_DOC_MAX_BYTES, &text, &len, err) == -1)
        return -1;
    json_auto_t *documents = obj_parse_yaml(text, len, err); /* JSON is YAML */
    if (documents == NULL)
        return error_wrap(err, "\"%s\"", path);
    json_t *list = json_array_get(documents, 0);
    if (json_array_size(documents) != 1 || !json_is_array(list))
        return error_set(err, ERROR_INVALID, "\"%s\": one list of machines is expected", path);
    *wanted = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *entry = json_array_get(list, i);
        json_t *vm = json_is_string(entry) ? obj_pack("{s:O}", "name", entry) : json_incref(entry);

        json_array_append_new(*wanted, vm);
        if (str_is_empty(obj_str(vm, "id", NULL)) && str_is_empty(obj_str(vm, "name", NULL)))
            return error_set(err, ERROR_INVALID,
                             "\"%s\": machine %zu has neither an id nor a name", path, i + 1);
    }
    return 0;
}

static int read_names(const char *text, json_t **wanted, struct error **err)
{
    CLEANUP(comma_list) struct str_list names = {0};

    if (comma_list_parse(text, ',', &names, err) == -1)
        return -1;
    *wanted = json_array();
    for (size_t i = 0; i < names.len; i++)
        json_array_append_new(*wanted, obj_pack("{s:s}", "name", comma_list_plain(names.ptr[i])));
    return 0;
}

static int run_query(const char *text, const json_t *rows, bool lenient, json_t **wanted,
                     struct error **err)
{
    CLEANUP(tsl) struct tsl *query = NULL;
    json_auto_t *found = NULL;
    size_t skipped = 0;

    if (tsl_parse(text, &query, err) == -1 ||
        tsl_run(query, rows, &found, lenient ? &skipped : NULL, err) == -1)
        return -1;
    fprintf(stderr, "gantry: %zu of %zu machines match the query\n", json_array_size(found),
            json_array_size(rows));
    if (json_array_size(found) == 0)
        print_hint(query);
    if (skipped > 0)
        fprintf(stderr, "gantry: %zu machines could not be judged and are left out\n", skipped);
    *wanted = json_array();
    for (size_t i = 0; i < json_array_size(found); i++)
        json_array_append_new(*wanted,
                              obj_pack("{s:s}", "id",
                                       obj_str(json_array_get(found, i), "id", "")));
    return 0;
}

/* "where", in any case, and a space. */
static bool is_query(const char *text)
{
    return strncasecmp(text, "where", 5) == 0 && (text[5] == ' ' || text[5] == '\t' ||
                                                  text[5] == '\n' || text[5] == '(');
}

int plan_vms_choose(const char *text, const json_t *rows, bool lenient, json_t **vms,
                    struct error **err)
{
    json_auto_t *wanted = NULL;
    json_auto_t *list = json_array();
    int result = is_query(text)    ? run_query(text, rows, lenient, &wanted, err)
                 : text[0] == '@' ? read_file_list(text + 1, &wanted, err)
                                  : read_names(text, &wanted, err);

    if (result == -1)
        return error_wrap(err, "option --vms");
    struct machines machines = machines_of(rows);
    struct map *taken = map_new();
    for (size_t i = 0; i < json_array_size(wanted) && result == 0; i++)
        result = add_wanted(&machines, json_array_get(wanted, i), taken, list, err);
    map_free(taken, NULL);
    machines_reset(&machines);
    if (result == -1)
        return error_wrap(err, "option --vms");
    if (json_array_size(list) == 0)
        return error_set(err, ERROR_NOT_FOUND, "option --vms: no machine of the source is chosen");
    *vms = steal(&list);
    return 0;
}
