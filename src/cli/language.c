/* gantry template and gantry query: the two small languages on data from a file. */
#include "cli/commands.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/print_rows.h"
#include "data/obj.h"
#include "data/yaml.h"
#include "lang/template/template.h"
#include "lang/tsl/tsl.h"

#include <stdio.h>
#include <string.h>

/* The one JSON or YAML document in PATH ("-" is standard input). */
static int read_data(const char *path, json_t **data, struct error **err)
{
    const char *name = strcmp(path, "-") == 0 ? "/dev/stdin" : path;
    CLEANUP(str) char *text = NULL;
    size_t len;

    if (file_read(name, OBJ_MAX_BYTES, &text, &len, err) == -1)
        return -1;
    struct span start = span_trim((struct span){text, len});
    if (span_starts_with(start, "{") || span_starts_with(start, "[")) {
        *data = obj_parse(text, len, err);
    } else {
        json_auto_t *documents = obj_parse_yaml(text, len, err);
        if (documents != NULL && json_array_size(documents) != 1)
            error_set(err, ERROR_INVALID, "%zu documents, not one", json_array_size(documents));
        else if (documents != NULL)
            *data = json_incref(json_array_get(documents, 0));
    }
    return *data != NULL ? 0 : error_wrap(err, "%s", path);
}

int cmd_template(const struct command *self, int argc, char **argv)
{
    const char *data_path = NULL;
    bool map = false;
    const struct option_spec specs[] = {
        {"data", 'd', OPTION_TEXT, &data_path, "FILE",
         "a JSON or YAML object; - is standard input"},
        {"map", 0, OPTION_FLAG, &map, NULL, "a field that is not there prints <no value>"},
    };
    CLEANUP(word_list) struct word_list words = {0};
    struct error *err = NULL;
    json_auto_t *data = NULL;

    int status = command_options(self, specs, ARRAY_SIZE(specs), argc, argv, &words);
    if (status != -1)
        return status;
    if (words.len != 1)
        return command_usage(self, "one template is needed, as in '{{.VmName}}'");
    if (data_path == NULL)
        data = json_object();
    else if (read_data(data_path, &data, &err) == -1)
        return command_fail(err);

    CLEANUP(str)
    char *text = template_render_text("template", words.ptr[0], data,
                                      map ? TEMPLATE_MAP : TEMPLATE_STRUCT, &err);
    if (text == NULL)
        return command_fail(err);
    puts(text);
    return EXIT_OK;
}

/* One line of a table: the columns of ROW, parted by tabs. */
static int print_columns(const struct tsl *query, const json_t *row, struct error **err)
{
    for (size_t i = 0; i < tsl_column_count(query); i++) {
        json_auto_t *value = NULL;

        if (tsl_column_value(query, i, row, &value, err) == -1)
            return -1;
        CLEANUP(str)
        char *text = json_is_string(value) ? xstrdup(json_string_value(value)) : obj_format(value);
        printf("%s%s", i > 0 ? "\t" : "", json_is_null(value) ? "" : text);
    }
    putchar('\n');
    return 0;
}

static int print_selected(const struct tsl *query, const json_t *rows, struct error **err)
{
    size_t i;
    json_t *row;

    for (i = 0; i < tsl_column_count(query); i++)
        printf("%s%s", i > 0 ? "\t" : "", tsl_column_name(query, i));
    putchar('\n');
    json_array_foreach(rows, i, row) if (print_columns(query, row, err) == -1) return -1;
    return 0;
}

struct query_options {
    const char *data_path;
    bool lenient, strict, json;
};

static int run_query(const char *text, const struct query_options *options, struct error **err)
{
    CLEANUP(tsl) struct tsl *query = NULL;
    json_auto_t *data = NULL;
    json_auto_t *rows = NULL;
    size_t skipped = 0;

    if (tsl_parse_mode(text, options->strict ? TSL_STRICT : TSL_LENIENT, &query, err) == -1 ||
        read_data(options->data_path, &data, err) == -1)
        return -1;
    if (!json_is_array(data))
        return error_set(err, ERROR_INVALID, "%s is %s, not a list of rows", options->data_path,
                         obj_type_name(data));
    if (tsl_run(query, data, &rows, options->lenient ? &skipped : NULL, err) == -1)
        return -1;
    if (skipped > 0)
        fprintf(stderr, "gantry: %zu rows could not be judged and were left out\n", skipped);
    if (json_array_size(rows) == 0)
        print_hint(query);
    if (tsl_column_count(query) > 0 && !options->json)
        return print_selected(query, rows, err);
    CLEANUP(str) char *pretty = obj_format_pretty(rows);
    puts(pretty);
    return 0;
}

int cmd_query(const struct command *self, int argc, char **argv)
{
    struct query_options options = {.data_path = "-"};
    const struct option_spec specs[] = {
        {"data", 'd', OPTION_TEXT, &options.data_path, "FILE",
         "a list of objects in JSON or YAML; - (the default) is standard input"},
        {"lenient", 0, OPTION_FLAG, &options.lenient, NULL,
         "leave out rows that cannot be judged, instead of failing"},
        {"strict", 0, OPTION_FLAG, &options.strict, NULL,
         "answer as the old tool does, its refusals included"},
        {"json", 0, OPTION_FLAG, &options.json, NULL, "print whole rows even if the query selects columns"},
    };
    CLEANUP(word_list) struct word_list words = {0};
    struct error *err = NULL;

    int status = command_options(self, specs, ARRAY_SIZE(specs), argc, argv, &words);
    if (status != -1)
        return status;
    if (words.len != 1)
        return command_usage(self, "one query is needed, as in 'name like \"web%%\"'");
    if (run_query(words.ptr[0], &options, &err) == -1)
        return command_fail(err);
    return EXIT_OK;
}
