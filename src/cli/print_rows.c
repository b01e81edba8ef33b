#include "cli/print_rows.h"

#include "base/array.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "data/yaml.h"
#include "lang/tsl/tsl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool print_format_find(const char *name, enum print_format *format)
{
    static const char *const names[] = {[PRINT_TABLE] = "table",
                                        [PRINT_JSON] = "json",
                                        [PRINT_YAML] = "yaml",
                                        [PRINT_MARKDOWN] = "markdown",
                                        [PRINT_PLAN_VMS] = "planvms"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (str_eq(names[i], name)) {
            *format = (enum print_format)i;
            return true;
        }
    return false;
}

char *print_value(const json_t *value)
{
    if (value == NULL || json_is_null(value))
        return xstrdup("");
    if (json_is_string(value))
        return xstrdup(json_string_value(value));
    return obj_format(value);
}

char *print_cell(const json_t *row, const struct print_column *column)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    const json_t *value = obj_at(row, column->path);
    size_t unit = 0;

    if (column->as == PRINT_COUNT)
        return xasprintf("%zu", json_array_size(value));
    if (column->as != PRINT_BYTES || !json_is_number(value))
        return print_value(value);
    double size = json_number_value(value);
    for (; size >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
        size /= 1024;
    return xasprintf(unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
}

/* Characters, not bytes: bytes that go on a character are not counted. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

/* TEXT with what would move the terminal's cursor or break a row made harmless. */
static void put_cell(const char *text, size_t width, bool is_last, bool markdown)
{
    for (const char *p = text; *p != '\0'; p++)
        if (markdown && *p == '|')
            fputs("\\|", stdout);
        else
            putchar((unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p);
    if (markdown)
        fputs(" | ", stdout);
    else if (!is_last)
        printf("%*s", (int)(width - width_of(text)) + 2, "");
}

static void put_rule(const size_t *widths, size_t columns, bool markdown)
{
    if (markdown)
        fputs("| ", stdout);
    for (size_t i = 0; i < columns; i++) {
        for (size_t k = 0; k < (markdown ? 3 : widths[i]); k++)
            putchar('-');
        fputs(markdown ? " | " : i + 1 < columns ? "  " : "", stdout);
    }
    putchar('\n');
}

void print_table(const char *const *titles, size_t columns, const json_t *cells, bool markdown)
{
    size_t *widths = xcalloc(columns + 1, sizeof(*widths));

    for (size_t i = 0; i < columns; i++) {
        widths[i] = width_of(titles[i]);
        for (size_t r = 0; r < json_array_size(cells); r++) {
            const char *text = json_string_value(json_array_get(json_array_get(cells, r), i));
            size_t width = text != NULL ? width_of(text) : 0;
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    fputs(markdown ? "| " : "", stdout);
    for (size_t i = 0; i < columns; i++)
        put_cell(titles[i], widths[i], i + 1 == columns, markdown);
    putchar('\n');
    put_rule(widths, columns, markdown);
    for (size_t r = 0; r < json_array_size(cells); r++) {
        fputs(markdown ? "| " : "", stdout);
        for (size_t i = 0; i < columns; i++) {
            const char *text = json_string_value(json_array_get(json_array_get(cells, r), i));
            put_cell(text != NULL ? text : "", widths[i], i + 1 == columns, markdown);
        }
        putchar('\n');
    }
    free(widths);
}

void print_rows(const json_t *rows, enum print_format format)
{
    CLEANUP(str)
    char *text = format == PRINT_JSON ? obj_format_pretty(rows) : obj_format_yaml(rows);

    fputs(text, stdout);
    if (format == PRINT_JSON)
        putchar('\n');
}

void print_hint(const struct tsl *query)
{
    CLEANUP(str) char *hint = tsl_explain_nothing(query);

    if (hint != NULL)
        fprintf(stderr, "gantry: nothing is found: %s\n", hint);
}
