#include "hook/premigration/check.h"

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"
#include "data/dom.h"

#include <stdlib.h>
#include <string.h>

/* An element that must stay as it was: its attribute ATTR, its text (ATTR NULL), or everything in it
 * (WHOLE).  Measured with libvirt 9.0. */
struct rule {
    const char *path;
    const char *attr;
    bool whole;
};

static const struct rule domain_rules[] = {
    {"", "type", false},
    {"name", NULL, false},
    {"uuid", NULL, false},
    {"memory", NULL, true},
    {"maxMemory", NULL, true},
    {"vcpu", NULL, false},
    {"os/type", NULL, true},
    {"os/loader", NULL, true},
    {"cpu", "mode", false},
    {"cpu/model", NULL, true},
    {"cpu/topology", "sockets", false},
    {"cpu/topology", "cores", false},
    {"cpu/topology", "threads", false},
    {"cpu/numa", NULL, true},
    {"memoryBacking/source", NULL, true},
    {"memoryBacking/access", NULL, true},
    {"features/kvm", NULL, true},
    {"devices/emulator", NULL, false},
};

static const struct rule disk_rules[] = {
    {"", "device", false},
    {"target", "dev", false},
    {"target", "bus", false},
    {"driver", "type", false}, /* libvirt lets it pass, QEMU fails */
    {"serial", NULL, false},
    {"address", NULL, true},
};

static const struct rule interface_rules[] = {
    {"", "type", false}, /* libvirt lets it pass, QEMU fails */
    {"mac", "address", false},
    {"model", "type", false},
    {"address", NULL, true},
};

static const struct rule other_rules[] = {
    {"", "type", false},
    {"", "model", false},
    {"model", NULL, true},
    {"address", NULL, true},
};

static const struct {
    const char *name;
    const struct rule *rules;
    size_t count;
} devices[] = {
    {"disk", disk_rules, ARRAY_SIZE(disk_rules)},
    {"interface", interface_rules, ARRAY_SIZE(interface_rules)},
    {"controller", other_rules, ARRAY_SIZE(other_rules)},
    {"hostdev", other_rules, ARRAY_SIZE(other_rules)},
    {"video", other_rules, ARRAY_SIZE(other_rules)},
    {"input", other_rules, ARRAY_SIZE(other_rules)},
    {"tpm", other_rules, ARRAY_SIZE(other_rules)},
    {"watchdog", other_rules, ARRAY_SIZE(other_rules)},
    {"rng", other_rules, ARRAY_SIZE(other_rules)},
    {"memballoon", other_rules, ARRAY_SIZE(other_rules)},
    {"serial", other_rules, ARRAY_SIZE(other_rules)},
    {"console", other_rules, ARRAY_SIZE(other_rules)},
    {"channel", other_rules, ARRAY_SIZE(other_rules)},
};

/* What a rule looks at, as text; NULL if it is not there. */
static char *value_of(struct dom_node *node, const struct rule *rule)
{
    struct dom_node *at = rule->path[0] == '\0' ? node : dom_find(node, rule->path);

    if (at == NULL)
        return NULL;
    if (rule->attr != NULL)
        return dom_attr(at, rule->attr);
    return rule->whole ? dom_node_format(at) : dom_text(at);
}

static bool is_same(struct dom_node *a, struct dom_node *b, const struct rule *rule)
{
    struct dom_node *at_a = rule->path[0] == '\0' ? a : dom_find(a, rule->path);
    struct dom_node *at_b = rule->path[0] == '\0' ? b : dom_find(b, rule->path);

    if (rule->attr != NULL && at_a != NULL && at_b != NULL)
        return dom_attr_eq(at_a, at_b, rule->attr);
    if (rule->attr != NULL) {
        CLEANUP(str) char *value = at_a == at_b ? NULL : value_of(at_a != NULL ? a : b, rule);

        return value == NULL;
    }
    if (at_a == NULL || at_b == NULL)
        return at_a == at_b;
    return rule->whole ? dom_eq(at_a, at_b) : dom_text_eq(at_a, at_b);
}

static int check_rules(struct dom_node *before, struct dom_node *after, const struct rule *rules,
                       size_t count, struct error **err)
{
    for (size_t i = 0; i < count; i++) {
        const struct rule *rule = &rules[i];

        if (is_same(before, after, rule))
            continue;

        CLEANUP(str) char *was = value_of(before, rule);
        CLEANUP(str) char *is = value_of(after, rule);

        return error_set(err, ERROR_INVALID, "%s%s%s%s would change from \"%.200s\" to \"%.200s\"",
                         rule->path[0] == '\0' ? dom_name(before) : rule->path,
                         rule->attr == NULL ? "" : "@", rule->attr == NULL ? "" : rule->attr,
                         " of a running machine", was == NULL ? "nothing" : was,
                         is == NULL ? "nothing" : is);
    }
    return 0;
}

static int check_devices(struct dom_node *before, struct dom_node *after, const char *name,
                         const struct rule *rules, size_t count, struct error **err)
{
    struct dom_node *a = dom_first(before, name), *b = dom_first(after, name);
    size_t number = 0;

    for (; a != NULL && b != NULL; a = dom_next(a, name), b = dom_next(b, name), number++)
        if (check_rules(a, b, rules, count, err) == -1)
            return error_wrap(err, "%s %zu", name, number);
    if (a != NULL)
        return error_set(err, ERROR_INVALID, "%s %zu of a running machine would be removed", name,
                         number);
    if (b != NULL)
        return error_set(err, ERROR_INVALID, "%s %zu would be added to a running machine", name,
                         number);
    return 0;
}

int premigration_check(struct dom *before, struct dom *after, struct error **err)
{
    struct dom_node *domain_a = dom_root(before), *domain_b = dom_root(after);

    if (!dom_is(domain_b, "domain"))
        return error_set(err, ERROR_INVALID, "the root element is \"%s\", not \"domain\"",
                         dom_name(domain_b));
    if (check_rules(domain_a, domain_b, domain_rules, ARRAY_SIZE(domain_rules), err) == -1)
        return -1;

    struct dom_node *devices_a = dom_first(domain_a, "devices");
    struct dom_node *devices_b = dom_first(domain_b, "devices");
    if (devices_a == NULL || devices_b == NULL)
        return devices_a == devices_b
                   ? 0
                   : error_set(err, ERROR_INVALID, "the devices of a running machine would go");
    for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
        if (check_devices(devices_a, devices_b, devices[i].name, devices[i].rules,
                          devices[i].count, err) == -1)
            return -1;
    return 0;
}

static void record_rules(struct dom_node *node, const struct rule *rules, size_t count,
                         struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct rule *rule = &rules[i];
        struct dom_node *at = rule->path[0] == '\0' ? node : dom_find(node, rule->path);

        if (at == NULL)
            buf_add_char(out, '-');
        else if (rule->attr != NULL)
            dom_put_attr(at, rule->attr, out);
        else if (rule->whole)
            dom_put(at, out);
        else
            dom_put_text(at, out);
    }
}

void premigration_record(struct dom *dom, struct buf *out)
{
    struct dom_node *domain = dom_root(dom);
    struct dom_node *all = dom_first(domain, "devices");

    buf_append(out, dom_name(domain), strlen(dom_name(domain)) + 1);
    record_rules(domain, domain_rules, ARRAY_SIZE(domain_rules), out);
    buf_add_char(out, all == NULL ? '-' : '+');
    for (size_t i = 0; i < ARRAY_SIZE(devices) && all != NULL; i++) {
        for (struct dom_node *node = dom_first(all, devices[i].name); node != NULL;
             node = dom_next(node, devices[i].name)) {
            buf_add_char(out, '+');
            record_rules(node, devices[i].rules, devices[i].count, out);
        }
        buf_add_char(out, ';');
    }
}
