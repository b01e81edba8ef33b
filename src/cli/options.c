#include "cli/options.h"

#include "base/error.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_LEN = 40 };

/* Levenshtein's distance of two short names. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_LEN + 1];
    size_t len_b = strnlen(b, NAME_MAX_LEN);

    for (size_t j = 0; j <= len_b; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= len_b; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[len_b];
}

const char *options_nearest(const char *name, const void *names, size_t stride, size_t count)
{
    const char *nearest = NULL;
    size_t least = strlen(name) / 3 + 2; /* farther than that is no typing mistake */

    for (size_t i = 0; i < count; i++) {
        const char *other = *(const char *const *)((const char *)names + i * stride);
        size_t d = distance(name, other);

        if (d < least) {
            least = d;
            nearest = other;
        }
    }
    return nearest;
}

static const struct option_spec *find_long(const struct option_spec *specs, size_t count,
                                           struct span name)
{
    for (size_t i = 0; i < count; i++)
        if (span_eq_str(name, specs[i].name))
            return &specs[i];
    return NULL;
}

static const struct option_spec *find_letter(const struct option_spec *specs, size_t count,
                                             char letter)
{
    for (size_t i = 0; i < count; i++)
        if (specs[i].letter == letter)
            return &specs[i];
    return NULL;
}

static int set_value(const struct option_spec *spec, const char *value, struct error **err)
{
    switch (spec->type) {
    case OPTION_FLAG:
        *(bool *)spec->value = true;
        return 0;
    case OPTION_TEXT:
        *(const char **)spec->value = value;
        return 0;
    case OPTION_LIST:
        word_list_push(spec->value, value);
        return 0;
    case OPTION_INT: {
        uint64_t number;

        if (!span_u64(span_of(value), &number) || number > INT64_MAX)
            return error_set(err, ERROR_INVALID, "option --%s: \"%s\" is not a whole number",
                             spec->name, value);
        *(int64_t *)spec->value = (int64_t)number;
        return 0;
    }
    }
    return error_set(err, ERROR_BUG, "option --%s has no type", spec->name);
}

static int unknown_option(const struct option_spec *specs, size_t count, struct span name,
                          struct error **err)
{
    CLEANUP(str) char *text = span_dup(name);
    const char *nearest = options_nearest(text, &specs[0].name, sizeof(specs[0]), count);

    error_set(err, ERROR_INVALID, "no option --%s", text);
    if (nearest != NULL)
        error_hint(err, "did you mean --%s?", nearest);
    return -1;
}

/* Handles the option at argv[*i]; moves *i on if the value is the next word. */
static int parse_option(const struct option_spec *specs, size_t count, int argc, char **argv,
                        int *i, struct error **err)
{
    struct span rest = span_of(argv[*i] + (argv[*i][1] == '-' ? 2 : 1)), name;
    const struct option_spec *spec;
    const char *value = NULL;

    if (argv[*i][1] == '-') {
        bool has_value = strchr(argv[*i], '=') != NULL;

        span_split(&rest, '=', &name);
        spec = find_long(specs, count, name);
        value = has_value ? rest.ptr : NULL;
    } else {
        name = (struct span){rest.ptr, 1};
        spec = find_letter(specs, count, rest.ptr[0]);
        value = rest.len > 1 ? rest.ptr + 1 : NULL;
    }
    if (spec == NULL && argv[*i][1] != '-')
        return error_set(err, ERROR_INVALID, "no option -%c", name.ptr[0]);
    if (spec == NULL)
        return unknown_option(specs, count, name, err);
    if (spec->type == OPTION_FLAG && value != NULL)
        return error_set(err, ERROR_INVALID, "option --%s takes no value", spec->name);
    if (spec->type != OPTION_FLAG && value == NULL) {
        if (*i + 1 >= argc)
            return error_set(err, ERROR_INVALID, "option --%s needs a value, %s", spec->name,
                             spec->arg);
        value = argv[++*i];
    }
    return set_value(spec, value, err);
}

int options_parse(const struct option_spec *specs, size_t count, int argc, char **argv,
                  struct word_list *words, struct error **err)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            for (i++; i < argc; i++)
                word_list_push(words, argv[i]);
            break;
        }
        if (argv[i][0] != '-' || argv[i][1] == '\0')
            word_list_push(words, argv[i]);
        else if (parse_option(specs, count, argc, argv, &i, err) == -1)
            return -1;
    }
    return 0;
}

void options_print_help(const struct option_spec *specs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char left[NAME_MAX_LEN + 24];
        char letter[8] = "    ";

        if (specs[i].letter != 0)
            snprintf(letter, sizeof(letter), "-%c, ", specs[i].letter);
        snprintf(left, sizeof(left), "%s--%s%s%s", letter, specs[i].name,
                 specs[i].arg == NULL ? "" : " ", specs[i].arg == NULL ? "" : specs[i].arg);
        printf("  %-32s %s\n", left, specs[i].help);
    }
}
