#define LOG_COMPONENT "vsphere"

#include "source/vsphere/collect.h"

#include "base/array.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/time.h"
#include "source/source.h"
#include "source/vsphere/internal.h"
#include "source/vsphere/tags.h"
#include "source/vsphere/tree.h"
#include "source/vsphere/vim.h"

#include <stdlib.h>
#include <string.h>

/* One filter over the whole inventory, and WaitForUpdatesEx again and again: the first updates name
 * everything, in batches ("truncated"), later ones what changed.  The server keeps the state; if it
 * lost it (a restart, an expired session), the caller starts again and the model compares. */

enum {
    BATCH = 500,      /* objects per answer: a few megabytes */
    WAIT_S = 60,      /* the server answers with nothing after that */
    CALL_MS = 600000, /* a batch may take long to come */
    VERSION_MAX = 256,
    RESUMES_MAX = 5,         /* tries after a lost connection; then everything is read again */
    RESUME_MIN_MS = 250,
    TAGS_MS = 5 * 60 * 1000, /* between two readings of tags */
};

#define TAGS_NAME "tags"

/* clang-format off */
static const struct {
    const char *name, *type, *path;
    const char *next[6]; /* selections that go on from there */
} traversals[] = {
    {"folder", "Folder", "childEntity", {"folder", "vms", "hosts", "networks", "datastores", "compute"}},
    {"vms", "Datacenter", "vmFolder", {"folder"}},
    {"hosts", "Datacenter", "hostFolder", {"folder"}},
    {"networks", "Datacenter", "networkFolder", {"folder"}},
    {"datastores", "Datacenter", "datastoreFolder", {"folder"}},
    {"compute", "ComputeResource", "host", {NULL}},
    {"poolvms", "ResourcePool", "vm", {NULL}},
    {"pools", "ResourcePool", "resourcePool", {"pools", "poolvms"}},
};
/* clang-format on */

static void add_filter(struct vim *vim, struct buf *buf)
{
    buf_add(buf, "<spec>");
    vsphere_add_property_sets(buf, vim_has_version(vim, 6, 7));
    buf_add(buf, "<objectSet>");
    vim_add_ref(buf, "obj", "Folder", vim_about(vim)->root_folder);
    buf_add(buf, "<skip>false</skip>");
    for (size_t i = 0; i < ARRAY_SIZE(traversals); i++) {
        buf_printf(buf,
                   "<selectSet xsi:type=\"TraversalSpec\"><name>%s</name><type>%s</type>"
                   "<path>%s</path><skip>false</skip>",
                   traversals[i].name, traversals[i].type, traversals[i].path);
        for (size_t j = 0; j < ARRAY_SIZE(traversals[i].next); j++)
            if (traversals[i].next[j] != NULL)
                buf_printf(buf, "<selectSet><name>%s</name></selectSet>", traversals[i].next[j]);
        if (i == 0) /* vApps lie in folders and are pools */
            buf_add(buf, "<selectSet><name>pools</name></selectSet>"
                         "<selectSet><name>poolvms</name></selectSet>");
        buf_add(buf, "</selectSet>");
    }
    buf_add(buf, "</objectSet></spec><partialUpdates>false</partialUpdates>");
}

static int make_collector(struct vim *vim, struct cancel *cancel, char **id, struct error **err)
{
    const struct vim_call call = {.method = "CreatePropertyCollector",
                                  .this_type = "PropertyCollector",
                                  .this_id = vim_about(vim)->property_collector,
                                  .cancel = cancel};
    CLEANUP(dom) struct dom *answer = NULL;
    struct dom_node *ref = NULL;

    if (vim_send(vim, &call, &answer, &ref, err) == -1)
        return -1;
    if (ref == NULL)
        return error_set(err, ERROR_CORRUPT, "CreatePropertyCollector answers with nothing");
    *id = dom_text(ref);
    return 0;
}

static int make_filter(struct vim *vim, const char *collector, struct cancel *cancel,
                       struct error **err)
{
    CLEANUP(buf) struct buf parameters = BUF_INIT(VIM_MAX_REQUEST);
    CLEANUP(dom) struct dom *answer = NULL;

    add_filter(vim, &parameters);
    const struct vim_call call = {.method = "CreateFilter",
                                  .this_type = "PropertyCollector",
                                  .this_id = collector,
                                  .parameters = parameters.ptr,
                                  .cancel = cancel};
    return vim_send(vim, &call, &answer, NULL, err);
}

static void destroy_collector(struct vim *vim, const char *collector)
{
    const struct vim_call call = {.method = "DestroyPropertyCollector",
                                  .this_type = "PropertyCollector",
                                  .this_id = collector,
                                  .timeout_ms = 5000};
    CLEANUP(error) struct error *unused = NULL; /* it ends with the session anyway */
    CLEANUP(dom) struct dom *answer = NULL;

    vim_send(vim, &call, &answer, NULL, &unused);
}

struct following {
    struct vsphere_source *vsphere;
    struct vsphere_tree *tree;
    const struct source_sink *sink;
    struct deadline tags_due;
    bool has_no_tags; /* the server cannot tell of any */
};

/* A failure is a problem of the inventory and no reason to read everything again. */
static void read_tags(struct following *following, struct cancel *cancel)
{
    CLEANUP(error) struct error *failure = NULL;
    json_auto_t *by_vm = NULL;

    if (following->has_no_tags || !deadline_is_over(following->tags_due))
        return;
    following->tags_due = deadline_after(TAGS_MS);
    if (vsphere_tags_read(following->vsphere, cancel, &by_vm, &failure) == 0) {
        vsphere_tree_set_tags(following->tree, by_vm);
        following->sink->problem(following->sink->arg, TAGS_NAME, NULL);
        return;
    }
    following->has_no_tags = failure->code == ERROR_UNSUPPORTED;
    if (following->has_no_tags || cancel_is_requested(cancel))
        return;
    CLEANUP(str) char *text = error_format(failure);
    following->sink->problem(following->sink->arg, TAGS_NAME, text);
}

static int on_object(void *arg, struct dom_node *update, struct error **err)
{
    struct following *following = arg;

    return vsphere_tree_apply(following->tree, update, following->sink, err);
}

/* One answer.  VERSION is replaced; *MORE if the rest of the same update follows. */
static int wait_for_updates(struct vim *vim, const char *collector, struct following *following,
                            struct cancel *cancel, char **version, bool *more, struct error **err)
{
    static const char *const stream[] = {"objectSet", NULL};
    CLEANUP(buf) struct buf parameters = BUF_INIT(VIM_MAX_REQUEST);
    CLEANUP(dom) struct dom *answer = NULL;
    struct dom_node *set = NULL;

    vim_add_text(&parameters, "version", *version);
    buf_printf(&parameters,
               "<options><maxWaitSeconds>%d</maxWaitSeconds><maxObjectUpdates>%d"
               "</maxObjectUpdates></options>",
               WAIT_S, BATCH);
    const struct vim_call call = {.method = "WaitForUpdatesEx",
                                  .this_type = "PropertyCollector",
                                  .this_id = collector,
                                  .parameters = parameters.ptr,
                                  .timeout_ms = CALL_MS,
                                  .cancel = cancel,
                                  .stream = stream,
                                  .on_element = on_object,
                                  .arg = following};
    if (vim_send(vim, &call, &answer, &set, err) == -1)
        return -1;
    *more = false;
    if (set == NULL)
        return 0; /* nothing happened */
    CLEANUP(str) char *next = vsphere_text(set, "version");
    if (strlen(next) > VERSION_MAX)
        return error_set(err, ERROR_CORRUPT, "a version of %zu bytes", strlen(next));
    free(*version);
    *version = steal(&next);
    *more = vsphere_bool(set, "truncated");
    return 0;
}

/* The same; where the connection was lost the same version is asked for again, in the same session: the
 * server goes on where it was, and what came twice changes nothing. */
static int wait_patiently(struct vim *vim, const char *collector, struct following *following,
                          struct cancel *cancel, char **version, bool *more, struct error **err)
{
    int64_t delay_ms = RESUME_MIN_MS;

    for (int tries = 0;; tries++, delay_ms *= 2) {
        CLEANUP(error) struct error *failure = NULL;
        if (wait_for_updates(vim, collector, following, cancel, version, more, &failure) == 0)
            return 0;
        if (tries == RESUMES_MAX || cancel_is_requested(cancel) ||
            (failure->code != ERROR_UNAVAILABLE && failure->code != ERROR_TIMEOUT)) {
            *err = steal(&failure);
            return -1;
        }
        log_info("connection lost, going on: reason=%s", failure->msg);
        cancel_wait(cancel, delay_ms);
    }
}

static int follow(struct vim *vim, const char *collector, struct following *following,
                  struct cancel *cancel, struct error **err)
{
    const struct source_sink *sink = following->sink;
    CLEANUP(str) char *version = xstrdup("");
    bool more = true;

    while (more)
        if (wait_patiently(vim, collector, following, cancel, &version, &more, err) == -1)
            return -1;
    read_tags(following, cancel);
    sink->begin(sink->arg);
    vsphere_tree_flush(following->tree, sink, true);
    sink->complete(sink->arg);
    while (!cancel_is_requested(cancel)) {
        if (wait_patiently(vim, collector, following, cancel, &version, &more, err) == -1)
            return -1;
        if (more)
            continue;
        read_tags(following, cancel);
        vsphere_tree_flush(following->tree, sink, false);
    }
    return error_set(err, ERROR_CANCELED, "canceled");
}

int vsphere_collect(struct vsphere_source *vsphere, const struct source_sink *sink,
                    struct cancel *cancel, struct error **err)
{
    struct vim *vim = vsphere->vim;
    CLEANUP(vsphere_tree) struct vsphere_tree *tree = vsphere_tree_new();
    CLEANUP(str) char *collector = NULL;
    struct following following = {
        .vsphere = vsphere,
        .tree = tree,
        .sink = sink,
        .has_no_tags = !str_eq(vim_about(vim)->api_type, "VirtualCenter"),
    };

    if (make_collector(vim, cancel, &collector, err) == -1)
        return -1;
    int result = make_filter(vim, collector, cancel, err) == -1
                     ? -1
                     : follow(vim, collector, &following, cancel, err);
    destroy_collector(vim, collector);
    return result;
}
