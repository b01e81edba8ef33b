/* gantry get inventory: what a source has, as kubectl-mtv shows it. */
#include "cli/commands.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/home.h"
#include "cli/inventory_client.h"
#include "cli/print_rows.h"
#include "data/obj.h"
#include "kube/client.h"
#include "lang/tsl/tsl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 8 };

/* What a noun is for a type of provider: its collection, and what a table shows of it. */
struct noun {
    const char *name, *type; /* type NULL: all others */
    const char *collection;
    struct print_column columns[COLUMNS_MAX + 1];
};

/* clang-format off */
#define NAME_ID {"NAME", "name"}, {"ID", "id"}
static const struct noun nouns[] = {
    {"vm", NULL, "vms",
     {NAME_ID, {"POWER", "powerStateHuman"}, {"CPU", "cpuCount"}, {"MEMORY", "memoryGB"},
      {"DISK USAGE", "storageUsedGB"}, {"GUEST OS", "guestId"}, {"CONCERNS (C/W/I)", "concernsHuman"}}},
    {"network", "openshift", "networkattachmentdefinitions",
     {{"NAME", "name"}, {"NAMESPACE", "namespace"}, {"ID", "id"},
      {"CREATED", "object.metadata.creationTimestamp"}}},
    {"network", NULL, "networks",
     {NAME_ID, {"VARIANT", "variant"}, {"HOSTS", "host", PRINT_COUNT}, {"VLAN", "vlanId"},
      {"REVISION", "revision"}}},
    {"storage", "openshift", "storageclasses",
     {NAME_ID, {"CREATED", "object.metadata.creationTimestamp"}}},
    {"storage", "ova", "storages", {NAME_ID}},
    {"storage", "ovirt", "storagedomains",
     {NAME_ID, {"TYPE", "type"}, {"CAPACITY", "capacity", PRINT_BYTES}, {"FREE", "free", PRINT_BYTES}}},
    {"storage", NULL, "datastores",
     {NAME_ID, {"TYPE", "type"}, {"CAPACITY", "capacity", PRINT_BYTES}, {"FREE", "free", PRINT_BYTES},
      {"MAINTENANCE", "maintenance"}}},
    {"datastore", NULL, "datastores",
     {NAME_ID, {"TYPE", "type"}, {"CAPACITY", "capacity", PRINT_BYTES}, {"FREE", "free", PRINT_BYTES},
      {"MAINTENANCE", "maintenance"}, {"REVISION", "revision"}}},
    {"host", NULL, "hosts",
     {NAME_ID, {"STATUS", "status"}, {"VERSION", "productVersion"}, {"MGMT IP", "managementServerIp"},
      {"CORES", "cpuCores"}, {"SOCKETS", "cpuSockets"}, {"MAINTENANCE", "inMaintenance"}}},
    {"namespace", NULL, "namespaces", {NAME_ID, {"PROVIDER", "provider"}}},
    {"datacenter", NULL, "datacenters", {NAME_ID, {"DESCRIPTION", "description"}, {"STATUS", "status"}}},
    {"cluster", NULL, "clusters",
     {NAME_ID, {"DATACENTER", "datacenter"}, {"DRS", "drsEnabled"}, {"HA", "dasEnabled"}}},
    {"folder", NULL, "folders",
     {NAME_ID, {"PARENT", "parent.id"}, {"PATH", "path"}, {"DATACENTER", "datacenter"},
      {"REVISION", "revision"}}},
    {"disk", NULL, "disks", {NAME_ID, {"SIZE", "Capacity", PRINT_BYTES}, {"PATH", "FilePath"}}},
    {"pvc", NULL, "persistentvolumeclaims",
     {{"NAME", "name"}, {"NAMESPACE", "namespace"}, {"ID", "id"}, {"STATUS", "object.status.phase"},
      {"CAPACITY", "object.status.capacity.storage"}, {"STORAGE_CLASS", "object.spec.storageClassName"}}},
    {"data-volume", NULL, "datavolumes",
     {{"NAME", "name"}, {"NAMESPACE", "namespace"}, {"ID", "id"}, {"PHASE", "object.status.phase"},
      {"PROGRESS", "object.status.progress"}}},
};
/* clang-format on */

static const struct noun provider_noun = {
    "provider",
    NULL,
    "",
    {{"NAME", "name", PRINT_PLAIN},
     {"NAMESPACE", "namespace", PRINT_PLAIN},
     {"TYPE", "type", PRINT_PLAIN},
     {"URL", "object.spec.url", PRINT_PLAIN},
     {"STATUS", "object.status.phase", PRINT_PLAIN},
     {"VMS", "vmCount", PRINT_PLAIN},
     {"NETWORKS", "networkCount", PRINT_PLAIN}},
};

struct request {
    const char *noun, *provider, *ns, *query;
    enum print_format format;
    bool lenient, all_namespaces;
};

/* The row for NAME ("vm", "vms") and TYPE; NULL if there is no such noun. */
static const struct noun *find_noun(const char *name, const char *type)
{
    for (size_t i = 0; i < ARRAY_SIZE(nouns); i++) {
        size_t len = strlen(nouns[i].name);
        bool is_named = strncmp(nouns[i].name, name, len) == 0 &&
                        (name[len] == '\0' || str_eq(name + len, "s") || str_eq(name + len, "es"));
        if (is_named && (nouns[i].type == NULL || type == NULL || str_eq(nouns[i].type, type)))
            return &nouns[i];
    }
    return NULL;
}

/* --- tables -------------------------------------------------------------------------------------- */

static json_t *cells_of_columns(const struct noun *noun, const json_t *rows, const char **titles,
                                size_t *columns)
{
    json_t *cells = json_array();

    for (*columns = 0; noun->columns[*columns].title != NULL; ++*columns)
        titles[*columns] = noun->columns[*columns].title;
    for (size_t r = 0; r < json_array_size(rows); r++) {
        json_t *line = json_array();
        for (size_t i = 0; i < *columns; i++) {
            CLEANUP(str) char *text = print_cell(json_array_get(rows, r), &noun->columns[i]);
            json_array_append_new(line, json_string(text));
        }
        json_array_append_new(cells, line);
    }
    return cells;
}

static int cells_of_query(const struct tsl *query, const json_t *rows, json_t *cells,
                          struct error **err)
{
    for (size_t r = 0; r < json_array_size(rows); r++) {
        json_t *line = json_array();
        json_array_append_new(cells, line);
        for (size_t i = 0; i < tsl_column_count(query); i++) {
            json_auto_t *value = NULL;
            if (tsl_column_value(query, i, json_array_get(rows, r), &value, err) == -1)
                return -1;
            CLEANUP(str) char *text = print_value(value);
            json_array_append_new(line, json_string(text));
        }
    }
    return 0;
}

static int show_query(const struct tsl *query, const json_t *rows, bool markdown,
                      struct error **err)
{
    size_t columns = tsl_column_count(query);
    const char **titles = xcalloc(columns + 1, sizeof(*titles));
    json_auto_t *cells = json_array();

    for (size_t i = 0; i < columns; i++)
        titles[i] = tsl_column_name(query, i);
    int result = cells_of_query(query, rows, cells, err);
    if (result == 0)
        print_table(titles, columns, cells, markdown);
    free(titles);
    return result;
}

/* What a plan's spec.vms takes. */
static void show_plan_vms(const json_t *rows)
{
    json_auto_t *vms = json_array();

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        json_array_append_new(vms, obj_pack("{s:s, s:s}", "name", obj_str(row, "name", ""), "id",
                                            obj_str(row, "id", "")));
    }
    print_rows(vms, PRINT_YAML);
}

static int show(const struct request *request, const struct noun *noun, const struct tsl *query,
                const json_t *rows, struct error **err)
{
    bool is_table = request->format == PRINT_TABLE || request->format == PRINT_MARKDOWN;
    bool markdown = request->format == PRINT_MARKDOWN;
    const char *titles[COLUMNS_MAX + 1];
    size_t columns = 0;

    if (json_array_size(rows) == 0)
        fprintf(is_table ? stdout : stderr, "no %s found\n", request->noun);
    if (json_array_size(rows) == 0 && is_table)
        return 0;
    if (request->format == PRINT_PLAN_VMS)
        show_plan_vms(rows);
    else if (!is_table)
        print_rows(rows, request->format);
    else if (query != NULL && tsl_column_count(query) > 0)
        return show_query(query, rows, markdown, err);
    else {
        json_auto_t *cells = cells_of_columns(noun, rows, titles, &columns);
        print_table(titles, columns, cells, markdown);
    }
    return 0;
}

/* --- the command --------------------------------------------------------------------------------- */

static int get_rows(struct kube_client *client, const struct request *request,
                    const struct noun **noun, json_t **rows, struct error **err)
{
    json_auto_t *provider = NULL;

    if (*noun == &provider_noun)
        return inventory_client_providers(client, request->all_namespaces ? NULL : request->ns,
                                          rows, err);
    if (inventory_client_provider(client, request->ns, request->provider, &provider, err) == -1)
        return -1;
    *noun = find_noun(request->noun, obj_str(provider, "spec.type", ""));
    return inventory_client_list(client, provider, (*noun)->collection, rows, err);
}

static int run(const char *dir_arg, const struct request *request, struct error **err)
{
    bool is_provider = str_eq(request->noun, "provider") || str_eq(request->noun, "providers");
    const struct noun *noun = is_provider ? &provider_noun : NULL;
    CLEANUP(tsl) struct tsl *query = NULL;
    json_auto_t *rows = NULL;
    json_auto_t *found = NULL;
    size_t skipped = 0;

    if (request->query != NULL && tsl_parse(request->query, &query, err) == -1)
        return -1;
    CLEANUP(str) char *dir = home_find_dir(dir_arg, err);
    CLEANUP(kube_client)
    struct kube_client *client = dir != NULL ? home_open_client(dir, err) : NULL;
    if (client == NULL || get_rows(client, request, &noun, &rows, err) == -1)
        return -1;
    if (query == NULL)
        found = json_incref(rows);
    else if (tsl_run(query, rows, &found, request->lenient ? &skipped : NULL, err) == -1)
        return -1;
    if (query != NULL && json_array_size(found) == 0)
        print_hint(query);
    if (skipped > 0)
        fprintf(stderr, "gantry: %zu rows could not be judged and were left out\n", skipped);
    return show(request, noun, query, found, err);
}

/* The words behind "get": "inventory NOUN [PROVIDER]". */
static int read_words(const struct command *self, const struct word_list *words,
                      struct request *request)
{
    if (words->len < 2 || !str_eq(words->ptr[0], "inventory"))
        return command_usage(self, "\"inventory\" and what to list is expected, as in \"get "
                                   "inventory vm PROVIDER\"");
    request->noun = words->ptr[1];
    if (words->len > 3 || (words->len == 3 && request->provider != NULL))
        return command_usage(self, "\"%s\" is not expected", words->ptr[words->len - 1]);
    if (words->len == 3)
        request->provider = words->ptr[2];
    bool is_provider = str_eq(request->noun, "provider") || str_eq(request->noun, "providers");
    if (!is_provider && find_noun(request->noun, NULL) == NULL)
        return command_usage(self, "\"%s\" is nothing that the inventory has", request->noun);
    if (!is_provider && request->provider == NULL)
        return command_usage(self, "which provider?  Name it behind \"%s\" or with --provider",
                             request->noun);
    if (request->format == PRINT_PLAN_VMS && find_noun(request->noun, NULL) != &nouns[0])
        return command_usage(self, "planvms is a format for machines");
    return -1;
}

int cmd_get(const struct command *self, int argc, char **argv)
{
    struct request request = {.ns = HOME_NAMESPACE};
    const char *dir = NULL, *format = "table";
    const struct option_spec specs[] = {
        {"provider", 'p', OPTION_TEXT, &request.provider, "NAME", "whose inventory"},
        {"query", 'q', OPTION_TEXT, &request.query, "QUERY",
         "rows and columns to show, as in \"where memoryMB > 4096 order by name\""},
        {"output", 'o', OPTION_TEXT, &format, "FORMAT",
         "table, json, yaml, markdown or (machines) planvms"},
        {"namespace", 'n', OPTION_TEXT, &request.ns, "NAME", "the provider's namespace"},
        {"all-namespaces", 'A', OPTION_FLAG, &request.all_namespaces, NULL,
         "providers of every namespace"},
        {"query-lenient", 0, OPTION_FLAG, &request.lenient, NULL,
         "leave out rows that cannot be judged, instead of failing"},
        {"dir", 0, OPTION_TEXT, &dir, "DIR", "the folder given to gantry up"},
    };
    CLEANUP(word_list) struct word_list words = {0};
    struct error *err = NULL;

    int status = command_options(self, specs, ARRAY_SIZE(specs), argc, argv, &words);
    if (status != -1)
        return status;
    if (!print_format_find(format, &request.format))
        return command_usage(self, "invalid output format: %s. Valid formats are: [table json yaml "
                                   "markdown planvms]",
                             format);
    status = read_words(self, &words, &request);
    if (status != -1)
        return status;
    return run(dir, &request, &err) == -1 ? command_fail(err) : EXIT_OK;
}
