#include "source/vsphere/vim.h"

#include "source/vsphere/vim_internal.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/time.h"

#include <stdlib.h>

enum { TASK_POLL_MS = 300 };

/* Properties and tasks. */

/* True if a property of OBJECT is missing because nobody is logged in. */
static bool is_unauthenticated(struct dom_node *object)
{
    struct dom_node *fault = dom_find(object, "missingSet/fault/fault");
    CLEANUP(str) char *name = fault ? vim_fault_name(fault) : NULL;

    return str_eq(name, "NotAuthenticated");
}

int vim_read(struct vim *vim, const char *type, const char *id, const char *paths,
             struct cancel *cancel, struct dom **answer, struct dom_node **object,
             struct error **err)
{
    CLEANUP(buf) struct buf parameters = BUF_INIT(VIM_MAX_REQUEST);
    struct span rest = span_of(paths), path = {0};
    struct dom_node *result = NULL;

    if (!vim_is_plain(id))
        return error_set(err, ERROR_INVALID, "\"%.60s\" is no id of an object", id);
    buf_printf(&parameters, "<specSet><propSet><type>%s</type>", type);
    while (span_split(&rest, ' ', &path))
        buf_printf(&parameters, "<pathSet>%.*s</pathSet>", (int)path.len, path.ptr);
    buf_add(&parameters, "</propSet><objectSet>");
    vim_add_ref(&parameters, "obj", type, id);
    buf_add(&parameters, "</objectSet></specSet><options/>");
    const struct vim_call call = {
        .method = "RetrievePropertiesEx",
        .this_type = "PropertyCollector",
        .this_id = vim_about(vim)->property_collector,
        .parameters = parameters.ptr,
        .cancel = cancel,
    };

    /* A session that is gone shows in the answer, not as its fault. */
    for (int attempt = 0;; attempt++) {
        CLEANUP(dom) struct dom *dom = NULL;
        unsigned generation = vim_generation(vim);

        if (vim_send(vim, &call, &dom, &result, err) == -1)
            return -1;
        *object = result ? dom_first(result, "objects") : NULL;
        if (*object == NULL)
            return error_set(err, ERROR_NOT_FOUND, "there is no %s \"%s\"", type, id);
        if (attempt > 0 || !is_unauthenticated(*object)) {
            *answer = steal(&dom);
            return 0;
        }
        if (vim_login_again(vim, generation, cancel, err) == -1)
            return -1;
    }
}

struct dom_node *vim_property(struct dom_node *object, const char *name)
{
    for (struct dom_node *set = dom_first(object, "propSet"); set != NULL;
         set = dom_next(set, "propSet")) {
        CLEANUP(str) char *key = vim_text_at(set, "name");

        if (str_eq(key, name))
            return dom_first(set, "val");
    }
    return NULL;
}

int vim_task_look(struct vim *vim, const char *task, bool *done, char **result,
                  struct cancel *cancel, struct error **err)
{
    CLEANUP(dom) struct dom *answer = NULL;
    struct dom_node *object = NULL;

    if (vim_read(vim, "Task", task, "info.state info.error info.result", cancel, &answer, &object,
                 err) == -1)
        return -1;
    struct dom_node *state = vim_property(object, "info.state");
    CLEANUP(str) char *text = state ? dom_text(state) : xstrdup("");
    *done = str_eq(text, "success");
    if (*done) {
        struct dom_node *value = vim_property(object, "info.result");

        if (result != NULL)
            *result = value ? dom_text(value) : xstrdup("");
        return 0;
    }
    if (!str_eq(text, "error"))
        return 0;

    struct dom_node *problem = vim_property(object, "info.error");
    struct dom_node *fault = problem ? dom_first(problem, "fault") : NULL;
    CLEANUP(str) char *name = fault ? vim_fault_name(fault) : xstrdup("Fault");
    CLEANUP(str) char *words = problem ? vim_text_at(problem, "localizedMessage") : xstrdup("");
    vim_set_fault(name, words, err);
    if ((*err)->code == ERROR_UNAVAILABLE) /* this task will not succeed by being looked at again */
        (*err)->code = ERROR_IO;
    return -1;
}

int vim_task_start(struct vim *vim, const struct vim_call *call, char **task, struct error **err)
{
    CLEANUP(dom) struct dom *answer = NULL;
    struct dom_node *ref = NULL;

    if (vim_send(vim, call, &answer, &ref, err) == -1)
        return -1;
    if (ref == NULL)
        return error_set(err, ERROR_CORRUPT, "%s answers with no task", call->method);
    *task = dom_text(ref);
    return 0;
}

int vim_run_task(struct vim *vim, const struct vim_call *call, int64_t timeout_ms, char **result,
                 struct error **err)
{
    struct deadline deadline = deadline_after(timeout_ms);
    CLEANUP(str) char *task = NULL;

    if (vim_task_start(vim, call, &task, err) == -1)
        return -1;
    for (;;) {
        bool done = false;

        if (vim_task_look(vim, task, &done, result, call->cancel, err) == -1)
            return error_wrap(err, "%s", call->method);
        if (done)
            return 0;
        if (cancel_wait(call->cancel, TASK_POLL_MS))
            return error_set(err, ERROR_CANCELED, "canceled");
        if (deadline_is_over(deadline))
            return error_set(err, ERROR_TIMEOUT, "%s is not done after %lld s", call->method,
                             (long long)timeout_ms / 1000);
    }
}
