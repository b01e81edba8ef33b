#include "main/cases.h"

#include "base/error.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vector.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_SIZE_MAX = 64 * 1024 * 1024, FOLDER_DEPTH_MAX = 32 };

struct category {
    size_t passed, failed, skipped;
};

DEFINE_VECTOR(name_list, char *)

struct cases {
    const struct cases_tool *tool;
    struct map *categories;
    struct name_list order; /* of the categories, as they came */
    struct map *skips;      /* reason by category or name */
    bool verbose;
    struct category all;
};

static struct category *find_category(struct cases *cases, const char *name)
{
    struct category *category = map_find(cases->categories, name);

    if (category == NULL) {
        category = xcalloc(1, sizeof(*category));
        map_put(cases->categories, name, category);
        name_list_push(&cases->order, xstrdup(name));
    }
    return category;
}

bool cases_skips(struct cases *cases, const char *category, const char *name)
{
    if (map_find(cases->skips, category) == NULL && map_find(cases->skips, name) == NULL)
        return false;
    find_category(cases, category)->skipped++;
    cases->all.skipped++;
    return true;
}

void cases_count(struct cases *cases, const char *category, const char *path, const char *name,
                 const char *why)
{
    struct category *row = find_category(cases, category);

    if (why == NULL) {
        row->passed++;
        cases->all.passed++;
        if (cases->verbose)
            printf("ok %s: %s\n", path, name);
        return;
    }
    row->failed++;
    cases->all.failed++;
    printf("FAIL %s: %s: %s\n", path, name, why);
}

static int run_file(struct cases *cases, const char *path, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len;

    if (file_read(path, FILE_SIZE_MAX, &text, &len, err) == -1 ||
        cases->tool->run_file(cases, path, (struct span){text, len}, err) == -1)
        return error_wrap(err, "file \"%s\"", path);
    return 0;
}

/* A file, or a folder with files "*.json" and further folders. */
static int run_path(struct cases *cases, const char *path, int depth, struct error **err)
{
    struct stat info;
    struct dirent **names;

    if (stat(path, &info) == -1)
        return error_sys(err, errno, "cannot read \"%s\"", path);
    if (!S_ISDIR(info.st_mode))
        return run_file(cases, path, err);
    if (depth > FOLDER_DEPTH_MAX)
        return error_set(err, ERROR_INVALID, "\"%s\": folders in more than %d folders", path,
                         FOLDER_DEPTH_MAX);
    int count = scandir(path, &names, NULL, alphasort);
    if (count < 0)
        return error_sys(err, errno, "cannot read \"%s\"", path);
    int result = 0;
    for (int i = 0; i < count; i++) {
        CLEANUP(str) char *below = path_join(path, names[i]->d_name);
        bool wanted = names[i]->d_name[0] != '.' && result == 0 && stat(below, &info) == 0 &&
                      (S_ISDIR(info.st_mode) || str_ends_with(below, ".json"));
        if (wanted)
            result = run_path(cases, below, depth + 1, err);
        free(names[i]);
    }
    free(names);
    return result;
}

/* Lines "NAME<tab>REASON", NAME a category or a case; "#" starts a comment. */
static int read_skips(struct cases *cases, const char *path, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len;

    if (file_read(path, FILE_SIZE_MAX, &text, &len, err) == -1)
        return -1;
    struct span rest = {text, len}, line;
    while (rest.len > 0 && span_split(&rest, '\n', &line)) {
        struct span name;

        line = span_trim(line);
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        if (!span_split(&line, '\t', &name) || span_trim(line).len == 0)
            return error_set(err, ERROR_INVALID, "\"%s\": \"%.*s\" is skipped without a reason",
                             path, (int)name.len, name.ptr);
        CLEANUP(str) char *key = span_dup(span_trim(name));
        free(map_put(cases->skips, key, span_dup(span_trim(line))));
    }
    return 0;
}

static void print_table(const struct cases *cases)
{
    printf("\n%-36s %7s %7s %7s\n", "category", "passed", "failed", "skipped");
    for (size_t i = 0; i < cases->order.len; i++) {
        const struct category *row = map_find(cases->categories, cases->order.ptr[i]);
        printf("%-36s %7zu %7zu %7zu\n", cases->order.ptr[i], row->passed, row->failed,
               row->skipped);
    }
    printf("\n%zu passed, %zu failed, %zu skipped\n", cases->all.passed, cases->all.failed,
           cases->all.skipped);
}

/* -1 to go on, else the exit status. */
static int parse_options(struct cases *cases, int argc, char **argv, struct error **err)
{
    enum { FIRST_FLAG = 256 };
    struct option options[CASES_FLAGS_MAX + 4] = {{"skip", required_argument, NULL, 's'},
                                                  {"verbose", no_argument, NULL, 'v'},
                                                  {"help", no_argument, NULL, 'h'}};
    int c;

    for (int i = 0; i < CASES_FLAGS_MAX && cases->tool->flags[i].name != NULL; i++)
        options[3 + i] =
            (struct option){cases->tool->flags[i].name, no_argument, NULL, FIRST_FLAG + i};
    while ((c = getopt_long(argc, argv, "s:vh", options, NULL)) != -1) {
        if (c >= FIRST_FLAG)
            *cases->tool->flags[c - FIRST_FLAG].set = true;
        else if (c == 'v')
            cases->verbose = true;
        else if (c == 's' && read_skips(cases, optarg, err) == -1)
            return 1;
        else if (c == 'h') {
            fputs(cases->tool->usage, stdout);
            return 0;
        } else if (c == '?') {
            fputs(cases->tool->usage, stderr);
            return 2;
        }
    }
    if (optind < argc)
        return -1;
    fputs(cases->tool->usage, stderr);
    return 2;
}

int cases_main(const struct cases_tool *tool, int argc, char **argv)
{
    struct cases cases = {.tool = tool, .categories = map_new(), .skips = map_new()};
    CLEANUP(error) struct error *err = NULL;
    int status = parse_options(&cases, argc, argv, &err);

    for (int i = optind; status == -1 && i < argc; i++)
        if (run_path(&cases, argv[i], 0, &err) == -1)
            status = 1;
    if (err != NULL) {
        CLEANUP(str) char *text = error_format(err);
        fprintf(stderr, "%s: %s\n", tool->name, text);
    } else if (status == -1) {
        print_table(&cases);
        status = cases.all.failed > 0 ? 1 : 0;
    }
    for (size_t i = 0; i < cases.order.len; i++)
        free(cases.order.ptr[i]);
    name_list_reset(&cases.order);
    map_free(cases.categories, free);
    map_free(cases.skips, free);
    return status;
}
