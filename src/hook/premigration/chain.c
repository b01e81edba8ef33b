#include "hook/premigration/chain.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "data/dom.h"
#include "hook/premigration/check.h"
#include "hook/premigration/edits.h"
#include "hook/premigration/facts.h"
#include "hook/premigration/user_hooks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { HOOK_NAMES_MAX = 64 * 1024, RECORD_MAX = 2 * DOM_MAX_BYTES };

/* In the order in which they run.  They are independent of each other, but for "metadata", which tells
 * what the others did. */
/* clang-format off */
static const struct hook {
    const char *name; /* written into metadata and messages: never rename */
    bool (*applies)(const struct facts *facts, struct dom_node *domain);
    int (*edit)(const struct facts *facts, struct dom *dom, struct error **err);
    struct chain_why why;
} hooks[] = {
    {"dedicated-cpu", cpu_applies, cpu_edit,
     {"the machine has host processors of its own, and these are the target's", "cpu.dedicated"}},
    {"disk-path", disk_path_applies, disk_path_edit,
     {"the machine's namespace, a part of its disks' paths, is another on the target",
      "source.domainNamespace and another target.domainNamespace"}},
    {"folder", folder_applies, folder_edit,
     {"the machine's own files lie in another folder on the target",
      "source.folder and another target.folder"}},
    {"volume", volume_applies, volume_edit,
     {"the target's volumes have paths, kinds and sizes of their own, and are driven in their own way",
      "volumes with the name of a disk's alias"}},
    {"tap-name", tap_name_applies, tap_name_edit,
     {"on the target the taps of secondary networks are named by their network (VEP 111)",
      "hashTapNames"}},
    {"network", network_applies, network_edit,
     {"the machine's networks are on other bridges or taps on the target",
      "networks with a bridge or a tap"}},
    {"mdev", mdev_applies, mdev_edit,
     {"the target's vGPU has another UUID (VEP 109)", "gpus, and a host device in the definition"}},
    {"host-device", host_device_applies, host_device_edit,
     {"the target's PCI devices have other addresses", "hostDevices"}},
    {"identity", identity_applies, identity_edit,
     {"the instance has another UID on the target", "source.vmiUID and another target.vmiUID"}},
};
/* clang-format on */

const struct chain_why *chain_why(const char *hook)
{
    static const struct chain_why metadata = {"the definition tells who edited it", "node"};

    for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
        if (strcmp(hooks[i].name, hook) == 0)
            return &hooks[i].why;
    return strcmp(hook, "metadata") == 0 ? &metadata : NULL;
}

const char *const *chain_names(void)
{
    static const char *const names[] = {"dedicated-cpu", "disk-path", "folder",
                                        "volume",        "tap-name",  "network",
                                        "mdev",          "host-device", "identity",
                                        "metadata",      NULL};
    static_assert(ARRAY_SIZE(names) == ARRAY_SIZE(hooks) + 2, "every hook has its name here");

    return names;
}

static void observe(const struct chain *chain, const char *hook, bool applied, struct dom *before,
                    struct dom *after)
{
    if (chain->observer != NULL)
        chain->observer(chain->arg, hook, applied, before, after);
}

static void add_name(struct buf *names, const char *name)
{
    buf_printf(names, "%s%s", names->len == 0 ? "" : " ", name);
}

/* Runs the built-in hooks, each checked by itself. */
static int run_each(const struct chain *chain, struct dom *dom, struct buf *names,
                    struct error **err)
{
    for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
        const struct hook *hook = &hooks[i];

        if (!hook->applies(chain->facts, dom_root(dom))) {
            observe(chain, hook->name, false, dom, dom);
            continue;
        }

        CLEANUP(dom) struct dom *before = dom_copy(dom);
        if (hook->edit(chain->facts, dom, err) == -1 || premigration_check(before, dom, err) == -1)
            return error_wrap(err, "hook \"%s\"", hook->name);
        observe(chain, hook->name, true, before, dom);
        add_name(names, hook->name);
    }
    return 0;
}

/* Runs the built-in hooks.  *IS_SAME tells whether what the check looks at is as it was: so it nearly
 * always is, and a copy of the definition to check it with would cost more than all edits. */
static int run_together(const struct chain *chain, struct dom *dom, struct buf *names,
                        bool *is_same, struct error **err)
{
    CLEANUP(buf) struct buf before = BUF_INIT(RECORD_MAX);
    CLEANUP(buf) struct buf after = BUF_INIT(RECORD_MAX);

    *is_same = true;
    for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
        const struct hook *hook = &hooks[i];

        if (!hook->applies(chain->facts, dom_root(dom)))
            continue;
        if (before.len == 0)
            premigration_record(dom, &before);
        if (hook->edit(chain->facts, dom, err) == -1)
            return error_wrap(err, "hook \"%s\"", hook->name);
        add_name(names, hook->name);
    }
    if (names->len > 0) {
        premigration_record(dom, &after);
        *is_same = !before.full && !after.full && before.len == after.len &&
                   memcmp(before.ptr, after.ptr, before.len) == 0;
    }
    return 0;
}

/* One check behind the last hook: what libvirt will see.  A check that fails is repeated hook by hook,
 * so that the reason names the hook. */
static int run_built_in(const struct chain *chain, struct span text, struct dom *dom,
                        struct buf *names, struct error **err)
{
    bool is_same;
    struct dom *parsed = NULL;

    if (chain->observer != NULL)
        return run_each(chain, dom, names, err);
    if (run_together(chain, dom, names, &is_same, err) == -1)
        return -1;
    if (is_same)
        return 0;
    if (dom_parse(text.ptr, text.len, &parsed, err) == -1)
        return error_wrap(err, "the machine's definition");

    CLEANUP(dom) struct dom *before = parsed;
    CLEANUP(buf) struct buf again = BUF_INIT(HOOK_NAMES_MAX);
    CLEANUP(error) struct error *named = NULL;

    if (premigration_check(before, dom, err) == 0)
        return 0;
    if (run_each(chain, before, &again, &named) == -1) {
        error_clear(err);
        *err = steal(&named);
    }
    return -1;
}

static int run_users(const struct chain *chain, struct dom **dom, struct buf *names,
                     struct error **err)
{
    for (size_t i = 0; i < user_hooks_count(chain->user_hooks); i++) {
        const char *name = user_hooks_name(chain->user_hooks, i);
        CLEANUP(dom) struct dom *before = dom_copy(*dom);

        if (user_hooks_run(chain->user_hooks, i, chain->facts, dom, err) == -1 ||
            premigration_check(before, *dom, err) == -1)
            return error_wrap(err, "hook \"%s\"", name);
        observe(chain, name, true, before, *dom);
        add_name(names, name);
    }
    return 0;
}

/* Says in the metadata who edited the definition, with which hooks and when.  A mark that says the
 * same already keeps its time, so that a second run changes nothing. */
static void put_mark(const struct facts *facts, struct dom *dom, const char *names)
{
    struct dom_node *metadata = dom_need(dom_root(dom), "metadata");
    struct dom_node *mark = dom_first_ns(metadata, CHAIN_METADATA_URI, "edited");
    char when[TIME_TEXT_SIZE];

    if (mark != NULL && dom_attr_is(mark, "node", facts->node) && dom_attr_is(mark, "hooks", names))
        return;
    if (mark == NULL)
        mark = dom_add_ns(metadata, "gantry", CHAIN_METADATA_URI, "edited");
    dom_set_attr(mark, "node", facts->node);
    dom_set_attr(mark, "hooks", names);
    dom_set_attr(mark, "time", time_format(time_now_ms(), when));
}

int chain_run(const struct chain *chain, const char *xml, size_t len, char **out,
              struct error **err)
{
    struct dom *parsed = NULL;

    if (dom_parse(xml, len, &parsed, err) == -1)
        return error_wrap(err, "the machine's definition");
    return chain_run_take(chain, (struct span){xml, len}, parsed, out, err);
}

int chain_run_take(const struct chain *chain, struct span text, struct dom *taken, char **out,
                   struct error **err)
{
    CLEANUP(buf) struct buf names = BUF_INIT(HOOK_NAMES_MAX);
    CLEANUP(dom) struct dom *dom = taken;

    if (!dom_is(dom_root(dom), "domain"))
        return error_set(err, ERROR_INVALID, "the root element is \"%s\", not \"domain\"",
                         dom_name(dom_root(dom)));
    if (chain->facts->gate_off) {
        *out = dom_format(dom);
        return 0;
    }
    if (run_built_in(chain, text, dom, &names, err) == -1 ||
        run_users(chain, &dom, &names, err) == -1)
        return -1;
    if (chain->facts->node != NULL) {
        CLEANUP(dom) struct dom *before = chain->observer == NULL ? NULL : dom_copy(dom);

        put_mark(chain->facts, dom, buf_span(&names).ptr);
        observe(chain, "metadata", true, before, dom);
    }
    *out = dom_format(dom);
    return 0;
}
