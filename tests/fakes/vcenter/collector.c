/* The property collector: objects selected by traversal, their properties, and what changed.
 *
 * A filter keeps the specification it was made with and, for every object it told of, when that
 * object had changed last.  An update is the difference to that. */
#include "fake.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct fake_filter {
    char *id;
    struct dom *spec;  /* the request's "spec" element and around it */
    struct map *known; /* object id to its change + 1 */
    unsigned seen;     /* the version up to which everything was told; 0: nothing yet */
    unsigned round;    /* in the version that clients carry */
    struct fake_filter *next;
};

/* Selecting. */

struct selection {
    struct fake_vcenter *fake;
    struct dom_node *specs; /* the propSets and objectSets */
    struct map *visited, *selected;
    struct str_list ids;
};

static void visit(struct selection *s, struct dom_node *objects, struct dom_node *owner,
                  const char *id);

static bool is_selected_type(struct selection *s, const char *type)
{
    for (struct dom_node *set = dom_first(s->specs, "propSet"); set != NULL;
         set = dom_next(set, "propSet")) {
        CLEANUP(str) char *wanted = fake_text_at(set, "type");

        if (fake_is_a(type, wanted))
            return true;
    }
    return false;
}

static void select_object(struct selection *s, const char *id)
{
    const char *type = fake_object_type(s->fake, id);

    if (type == NULL || map_find(s->selected, id) != NULL || !is_selected_type(s, type))
        return;
    map_put(s->selected, id, s);
    str_list_push(&s->ids, xstrdup(id));
}

/* The traversal called NAME among those below NODE, or NULL. */
static struct dom_node *find_named(struct dom_node *node, const char *name)
{
    for (struct dom_node *at = dom_first(node, "selectSet"); at != NULL;
         at = dom_next(at, "selectSet")) {
        CLEANUP(str) char *own = fake_text_at(at, "name");

        if (dom_first(at, "type") == NULL)
            continue;
        if (str_eq(own, name))
            return at;
        struct dom_node *below = find_named(at, name);
        if (below != NULL)
            return below;
    }
    return NULL;
}

/* Goes along one traversal from object ID. */
static void traverse(struct selection *s, struct dom_node *objects, struct dom_node *spec,
                     const char *id)
{
    CLEANUP(str) char *type = fake_text_at(spec, "type");
    CLEANUP(str) char *path = fake_text_at(spec, "path");
    CLEANUP(str) char *skip = fake_text_at(spec, "skip");
    CLEANUP(str) char *key = xasprintf("%p %s", (void *)spec, id);
    const char *own = fake_object_type(s->fake, id);

    if (own == NULL || !fake_is_a(own, type) || map_find(s->visited, key) != NULL)
        return;
    map_put(s->visited, key, s);
    CLEANUP(value) struct value *value = fake_object_value(s->fake, id);
    struct value *refs = value_find(value, path);
    if (refs == NULL)
        return;
    for (struct value *at = refs->array != NULL ? refs->first : refs; at != NULL; at = at->next) {
        if (at->ref != NULL) {
            if (!str_eq(skip, "true") && !str_eq(skip, "1"))
                select_object(s, at->text);
            visit(s, objects, spec, at->text);
        }
        if (refs->array == NULL)
            break;
    }
}

static void visit(struct selection *s, struct dom_node *objects, struct dom_node *owner,
                  const char *id)
{
    for (struct dom_node *at = dom_first(owner, "selectSet"); at != NULL;
         at = dom_next(at, "selectSet")) {
        struct dom_node *spec = at;

        if (dom_first(at, "type") == NULL) {
            CLEANUP(str) char *name = fake_text_at(at, "name");
            spec = find_named(objects, name);
        }
        if (spec != NULL)
            traverse(s, objects, spec, id);
    }
}

static void selection_init(struct selection *s, struct fake_vcenter *fake, struct dom_node *specs)
{
    *s = (struct selection){
        .fake = fake, .specs = specs, .visited = map_new(), .selected = map_new()};
    for (struct dom_node *set = dom_first(specs, "objectSet"); set != NULL;
         set = dom_next(set, "objectSet")) {
        CLEANUP(str) char *id = fake_text_at(set, "obj");
        CLEANUP(str) char *skip = fake_text_at(set, "skip");

        if (!str_eq(skip, "true") && !str_eq(skip, "1"))
            select_object(s, id);
        visit(s, set, set, id);
    }
}

static void selection_reset(struct selection *s)
{
    str_list_free_all(&s->ids);
    map_free(s->visited, NULL);
    map_free(s->selected, NULL);
}

/* Properties. */

/* Calls ADD for each property that the specification wants of an object; with UNSET also for those
 * that have no value, which is NULL then. */
static void each_property(struct dom_node *specs, const char *type, struct value *value, bool unset,
                          void (*add)(struct buf *, const char *, const struct value *),
                          struct buf *buf)
{
    for (struct dom_node *set = dom_first(specs, "propSet"); set != NULL;
         set = dom_next(set, "propSet")) {
        CLEANUP(str) char *wanted = fake_text_at(set, "type");
        CLEANUP(str) char *all = fake_text_at(set, "all");

        if (!fake_is_a(type, wanted))
            continue;
        for (struct value *at = value->first; at != NULL && (str_eq(all, "true") || str_eq(all, "1"));
             at = at->next)
            add(buf, at->name, at);
        for (struct dom_node *path = dom_first(set, "pathSet"); path != NULL;
             path = dom_next(path, "pathSet")) {
            CLEANUP(str) char *text = dom_text(path);
            const struct value *found = value_find(value, text);

            if (found != NULL || unset)
                add(buf, text, found);
        }
    }
}

static void add_property(struct buf *buf, const char *path, const struct value *value)
{
    buf_printf(buf, "<propSet><name>%s</name>", path);
    value_format_property(value, "val", buf);
    buf_add(buf, "</propSet>");
}

static void add_change(struct buf *buf, const char *path, const struct value *value)
{
    buf_printf(buf, "<changeSet><name>%s</name><op>assign</op>", path);
    if (value != NULL)
        value_format_property(value, "val", buf);
    buf_add(buf, "</changeSet>");
}

/* RetrieveProperties(Ex): everything in one answer. */
static void retrieve(struct fake_vcenter *fake, const char *method, struct dom_node *call,
                     bool session, struct http_response *response)
{
    CLEANUP(buf) struct buf text = BUF_INIT(MAX_ANSWER);
    bool extended = str_eq(method, "RetrievePropertiesEx");
    bool missing = false;

    buf_add(&text, extended ? "<returnval>" : "");
    pthread_mutex_lock(&fake->lock);
    for (struct dom_node *specs = dom_first(call, "specSet"); specs != NULL;
         specs = dom_next(specs, "specSet")) {
        struct selection s;
        CLEANUP(str) char *first = fake_text_at(specs, "objectSet/obj");

        selection_init(&s, fake, specs);
        missing = missing || (s.ids.len == 0 && fake_object_type(fake, first) == NULL);
        for (size_t i = 0; i < s.ids.len; i++) {
            const char *id = s.ids.ptr[i], *type = fake_object_type(fake, id);
            CLEANUP(value) struct value *value = fake_object_value(fake, id);

            buf_printf(&text, "<%s><obj type=\"%s\">%s</obj>",
                       extended ? "objects" : "returnval", type, id);
            if (session)
                each_property(specs, type, value, false, add_property, &text);
            else
                buf_add(&text, "<missingSet><path>x</path><fault><fault "
                               "xsi:type=\"NotAuthenticated\"/></fault></missingSet>");
            buf_printf(&text, "</%s>", extended ? "objects" : "returnval");
        }
        selection_reset(&s);
    }
    pthread_mutex_unlock(&fake->lock);
    buf_add(&text, extended ? "</returnval>" : "");
    if (missing && session)
        fake_fail(response, "ManagedObjectNotFound", "the object has gone");
    else
        fake_answer(response, method, text.ptr);
}

/* Filters. */

static struct fake_collector *find_collector(struct fake_vcenter *fake, const char *id)
{
    for (size_t i = 0; i < fake->collectors.len; i++)
        if (str_eq(fake->collectors.ptr[i].id, id))
            return &fake->collectors.ptr[i];
    return NULL;
}

static struct fake_collector *add_collector(struct fake_vcenter *fake, const char *id)
{
    fake_collector_list_push(&fake->collectors, (struct fake_collector){.id = xstrdup(id)});
    return &fake->collectors.ptr[fake->collectors.len - 1];
}

static void filter_free(struct fake_filter *filter)
{
    free(filter->id);
    dom_free(filter->spec);
    map_free(filter->known, NULL);
    free(filter);
}

static void drop_collector(struct fake_vcenter *fake, size_t at)
{
    struct fake_collector *collector = &fake->collectors.ptr[at];

    for (struct fake_filter *filter = collector->filters, *next; filter != NULL; filter = next) {
        next = filter->next;
        filter_free(filter);
    }
    free(collector->id);
    free(collector->told);
    free(collector->told_after);
    *collector = fake->collectors.ptr[--fake->collectors.len];
}

void fake_collectors_forget(struct fake_vcenter *fake)
{
    while (fake->collectors.len > 0)
        drop_collector(fake, 0);
    pthread_cond_broadcast(&fake->changed);
}

static void create_collector(struct fake_vcenter *fake, struct http_response *response)
{
    LOCK_SCOPE(&fake->lock);
    CLEANUP(str) char *id = xasprintf("collector-%u", ++fake->collector_count);
    CLEANUP(str)
    char *answer = xasprintf("<returnval type=\"PropertyCollector\">%s</returnval>", id);

    add_collector(fake, id);
    fake_answer(response, "CreatePropertyCollector", answer);
}

static void create_filter(struct fake_vcenter *fake, const char *this_id, struct dom_node *call,
                          struct http_response *response)
{
    CLEANUP(error) struct error *err = NULL;
    LOCK_SCOPE(&fake->lock);
    struct fake_collector *collector = find_collector(fake, this_id);
    struct dom_node *spec = dom_first(call, "spec");

    if (collector == NULL && str_eq(this_id, "pc"))
        collector = add_collector(fake, "pc");
    if (collector == NULL || spec == NULL) {
        fake_fail(response, "ManagedObjectNotFound", "the object has gone");
        return;
    }
    CLEANUP(str) char *text = dom_node_format(spec);
    struct fake_filter *filter = xcalloc(1, sizeof(*filter));
    filter->id = xasprintf("filter-%u", ++fake->collector_count);
    filter->known = map_new();
    if (dom_parse(text, strlen(text), &filter->spec, &err) == -1) {
        filter_free(filter);
        fake_fail(response, "InvalidRequest", "the filter cannot be read");
        return;
    }
    filter->next = collector->filters;
    collector->filters = filter;
    CLEANUP(str)
    char *answer = xasprintf("<returnval type=\"PropertyFilter\">%s</returnval>", filter->id);
    fake_answer(response, "CreateFilter", answer);
}

static void destroy_filter(struct fake_vcenter *fake, const char *id)
{
    for (size_t i = 0; i < fake->collectors.len; i++)
        for (struct fake_filter **at = &fake->collectors.ptr[i].filters; *at != NULL;
             at = &(*at)->next)
            if (str_eq((*at)->id, id)) {
                struct fake_filter *gone = *at;

                *at = gone->next;
                filter_free(gone);
                return;
            }
}

/* Appends what changed, at most MAX objects; true if more is left. */
static bool add_updates(struct fake_vcenter *fake, struct fake_filter *filter, size_t max,
                        struct buf *buf, size_t *count)
{
    struct dom_node *specs = dom_root(filter->spec);
    struct selection s;
    struct str_list gone = {0};
    bool more = false;

    selection_init(&s, fake, specs);
    for (size_t i = 0; i < s.ids.len && !more; i++) {
        const char *id = s.ids.ptr[i], *type = fake_object_type(fake, id);
        uintptr_t known = (uintptr_t)map_find(filter->known, id);
        unsigned changed = fake_object_changed(fake, id);

        if (known == changed + 1u)
            continue;
        if (*count == max) {
            more = true;
            break;
        }
        CLEANUP(value) struct value *value = fake_object_value(fake, id);
        buf_printf(buf, "<objectSet><kind>%s</kind><obj type=\"%s\">%s</obj>",
                   known == 0 ? "enter" : "modify", type, id);
        each_property(specs, type, value, known != 0, add_change, buf);
        buf_add(buf, "</objectSet>");
        map_put(filter->known, id, (void *)(uintptr_t)(changed + 1u));
        (*count)++;
    }
    const char *id;
    for (size_t pos = 0; (id = map_next(filter->known, &pos, NULL)) != NULL;)
        if (map_find(s.selected, id) == NULL)
            str_list_push(&gone, xstrdup(id));
    for (size_t i = 0; i < gone.len && !more; i++) {
        buf_printf(buf,
                   "<objectSet><kind>leave</kind><obj type=\"VirtualMachine\">%s</obj>"
                   "</objectSet>",
                   gone.ptr[i]);
        map_remove(filter->known, gone.ptr[i]);
        (*count)++;
    }
    str_list_free_all(&gone);
    selection_reset(&s);
    if (!more)
        filter->seen = fake->version;
    return more;
}

/* Waits until some filter of the collector has something to tell.  -1: it is gone. */
static int look_for_updates(struct fake_vcenter *fake, const char *this_id, bool initial,
                            size_t max, struct buf *buf)
{
    struct fake_collector *collector = find_collector(fake, this_id);
    size_t count = 0;
    bool more = false;

    if (collector == NULL)
        return -1;
    for (struct fake_filter *filter = collector->filters; filter != NULL; filter = filter->next) {
        size_t before = count, start = buf->len;

        if (initial) {
            map_free(filter->known, NULL);
            filter->known = map_new();
            filter->seen = 0;
        }
        if (filter->seen == fake->version)
            continue;
        buf_printf(buf, "<filterSet><filter type=\"PropertyFilter\">%s</filter>", filter->id);
        more = add_updates(fake, filter, max, buf, &count) || more;
        if (count == before)
            buf->len = start;
        else
            buf_add(buf, "</filterSet>");
    }
    if (count == 0)
        return 0;
    buf_printf(buf, "<version>%u</version>", ++fake->collector_count);
    buf_add(buf, more ? "<truncated>true</truncated>" : "");
    fake->batches++;
    return 1;
}

/* What was told to a client that asks again because it did not hear the answer, owned; or NULL. */
static char *told_before(struct fake_vcenter *fake, const char *this_id, const char *version)
{
    LOCK_SCOPE(&fake->lock);
    const struct fake_collector *collector = find_collector(fake, this_id);

    return collector != NULL && *version != '\0' && str_eq(collector->told_after, version)
               ? xstrdup(collector->told)
               : NULL;
}

static void remember(struct fake_vcenter *fake, const char *this_id, const char *version,
                     const char *told)
{
    LOCK_SCOPE(&fake->lock);
    struct fake_collector *collector = find_collector(fake, this_id);

    if (collector == NULL)
        return;
    free(collector->told);
    free(collector->told_after);
    collector->told = xstrdup(told);
    collector->told_after = xstrdup(version);
}

static void wait_for_updates(struct fake_vcenter *fake, const char *method, const char *this_id,
                             struct dom_node *call, struct http_response *response)
{
    enum { POLL_MS = 50, DEFAULT_WAIT_S = 300 };
    CLEANUP(str) char *version = fake_text_at(call, "version");
    CLEANUP(str) char *wait_s = fake_text_at(call, "options/maxWaitSeconds");
    CLEANUP(str) char *max_text = fake_text_at(call, "options/maxObjectUpdates");
    CLEANUP(buf) struct buf updates = BUF_INIT(MAX_ANSWER);
    struct deadline deadline =
        deadline_after((*wait_s ? strtoll(wait_s, NULL, 10) : DEFAULT_WAIT_S) * 1000);
    size_t max = strtoul(max_text, NULL, 10);
    bool initial = *version == '\0';
    CLEANUP(str) char *again = told_before(fake, this_id, version);

    if (again != NULL) {
        fake_answer(response, method, again);
        return;
    }
    for (;;) {
        int found;

        buf_clear(&updates);
        buf_add(&updates, "<returnval>");
        {
            LOCK_SCOPE(&fake->lock);
            found = look_for_updates(fake, this_id, initial, max > 0 ? max : SIZE_MAX, &updates);
        }
        initial = false;
        if (found == -1) {
            fake_fail(response, "ManagedObjectNotFound", "the object has gone");
            return;
        }
        if (found == 1)
            break;
        if (deadline_is_over(deadline)) {
            fake_answer(response, method, "");
            return;
        }
        if (http_response_wait(response, -1, deadline_after(POLL_MS)) == HTTP_WAIT_GONE)
            return;
    }
    buf_add(&updates, "</returnval>");
    remember(fake, this_id, version, updates.ptr);
    fake_answer(response, method, updates.ptr);
}

bool fake_collector_call(struct fake_vcenter *fake, const char *method, const char *this_id,
                         struct dom_node *call, bool session, struct http_response *response)
{
    if (str_eq(method, "RetrievePropertiesEx") || str_eq(method, "RetrieveProperties")) {
        retrieve(fake, method, call, session, response);
        return true;
    }
    if (!session)
        return false;
    if (str_eq(method, "CreatePropertyCollector")) {
        create_collector(fake, response);
    } else if (str_eq(method, "CreateFilter")) {
        create_filter(fake, this_id, call, response);
    } else if (str_eq(method, "WaitForUpdatesEx")) {
        wait_for_updates(fake, method, this_id, call, response);
    } else if (str_eq(method, "DestroyPropertyCollector")) {
        LOCK_SCOPE(&fake->lock);
        struct fake_collector *collector = find_collector(fake, this_id);

        if (collector != NULL)
            drop_collector(fake, (size_t)(collector - fake->collectors.ptr));
        fake_answer(response, method, "");
    } else if (str_eq(method, "DestroyPropertyFilter")) {
        LOCK_SCOPE(&fake->lock);

        destroy_filter(fake, this_id);
        fake_answer(response, method, "");
    } else if (str_eq(method, "CancelWaitForUpdates")) {
        fake_answer(response, method, "");
    } else {
        return false;
    }
    return true;
}
