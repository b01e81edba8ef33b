/* policy-table: the default policies as a table, doc/policies.md, made from what is compiled into
 * gantryd: rule, id, category, what of a machine it looks at.
 *
 *     policy-table > doc/policies.md */
#include "base/array.h"
#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "lang/rego/rego.h"
#include "validation/policy_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct provider {
    const char *package, *title;
} providers[] = {
    {"vmware", "VMware vSphere (`spec.type: vsphere`)"},
    {"ovirt", "oVirt (`spec.type: ovirt`)"},
    {"openstack", "OpenStack (`spec.type: openstack`)"},
    {"ova", "OVA files (`spec.type: ova`)"},
    {"hyperv", "Hyper-V (`spec.type: hyperv`)"},
};

struct table {
    const struct rego *rego;
    const char *path; /* of the set whose rules are shown */
    size_t rows;
};

/* The text of RULE, from its first line to its last. */
static struct span text_of(const struct rule *rule)
{
    struct span rest = rule->module->text, line;
    const char *start = rest.ptr, *end = rest.ptr + rest.len;

    for (uint32_t n = 1; span_split(&rest, '\n', &line); n++) {
        if (n == rule->loc.line)
            start = line.ptr;
        if (n == rule->end_line)
            end = line.ptr + line.len;
    }
    return (struct span){start, (size_t)(end - start)};
}

/* The first text between quotes behind KEY; owned by the caller, "" if there is none. */
static char *value_of(struct span text, const char *key)
{
    CLEANUP(str) char *whole = span_dup(text);
    CLEANUP(str) char *quoted = xasprintf("\"%s\":", key);
    const char *at = strstr(whole, quoted);
    const char *open = at != NULL ? strchr(at + strlen(quoted), '"') : NULL;
    const char *close = open != NULL ? strchr(open + 1, '"') : NULL;

    return close != NULL ? xstrndup(open + 1, (size_t)(close - open - 1)) : xstrdup("");
}

/* "input.disks[_].capacity"; each once. */
static void add_input(void *arg, const struct rval *const *path, size_t len)
{
    struct map *seen = arg;
    static char mark[] = "";
    CLEANUP(buf) struct buf text = BUF_INIT(4096);

    for (size_t i = 0; i < len; i++)
        if (path[i]->type == RVAL_STRING)
            buf_printf(&text, "%s%s", i > 0 ? "." : "", path[i]->string);
    if (text.len > 0)
        map_put(seen, text.ptr, mark);
}

static bool add_row(void *arg, const char *path, const struct rule *rule)
{
    struct table *table = arg;

    if (!str_eq(path, table->path) || rule->kind != RULE_SET)
        return true;
    struct span text = text_of(rule);
    CLEANUP(str) char *id = value_of(text, "id");
    CLEANUP(str) char *category = value_of(text, "category");
    CLEANUP(str) char *label = value_of(text, "label");
    struct map *inputs = map_new();
    const char *input = NULL;
    void *unused = NULL;

    rego_rule_inputs(table->rego, rule, add_input, inputs);
    printf("| [%s](../%s#L%u) | `%s` | %s | %s | ", strrchr(rule->module->file, '/') + 1,
           rule->module->file, rule->loc.line, id, category, label);
    size_t count = 0;
    for (size_t pos = 0; (input = map_next(inputs, &pos, &unused)) != NULL;)
        printf("%s`%s`", count++ > 0 ? ", " : "", input);
    printf(" |\n");
    map_free(inputs, NULL);
    table->rows++;
    return true;
}

static void print_head(void)
{
    printf("# The default policies\n\n"
           "Which concerns gantry raises about a machine, from which rule, and what of the "
           "machine the rule\nlooks at.  A machine with a Critical concern is not moved; the "
           "others are told.\n\n"
           "This page is made from `policies/` by the program `policy-table` of the build and "
           "compared by\n`tests/policy.sh`; `build/src/main/policy-table > doc/policies.md` "
           "makes it again.  `gantry policy\nexplain VM` tells the same of one machine, with what "
           "it has in each field.\n");
}

int main(void)
{
    CLEANUP(policy_files) struct policy_files *files = policy_files_new();
    CLEANUP(lang_diags) struct lang_diags diags = {0};

    policy_files_add_defaults(files);
    CLEANUP(rego) struct rego *rego = policy_files_compile(files, false, &diags);
    if (rego == NULL) {
        fprintf(stderr, "policy-table: the default policies are not sound\n");
        return 1;
    }
    print_head();
    size_t rows = 0;
    for (size_t i = 0; i < ARRAY_SIZE(providers); i++) {
        CLEANUP(str)
        char *path = xasprintf("data.io.konveyor.forklift.%s.concerns", providers[i].package);
        struct table table = {.rego = rego, .path = path};

        printf("\n## %s\n\n| rule | id | category | label | input |\n|---|---|---|---|---|\n",
               providers[i].title);
        rego_each_rule(rego, add_row, &table);
        rows += table.rows;
    }
    printf("\n%zu rules.\n", rows);
    return 0;
}
