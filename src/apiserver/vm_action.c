/* subresources.kubevirt.io: start, stop, restart and the like of virtual machines. */
#include "apiserver/special.h"

#include "apiserver/server.h"
#include "apiserver/write.h"
#include "base/error.h"

static int act(struct call *call, const struct apiserver_backend *backend)
{
    CLEANUP(error) struct error *err = NULL;
    struct str_list duplicates = {0};
    json_auto_t *body = NULL;

    if (backend->vm_action == NULL)
        return fail(&call->failure, 501, "NotImplemented",
                    "no node agent is there to run virtual machines");
    if (call->request->body_len > 0) {
        int result = write_decode(call, &body, &duplicates);
        str_list_free_all(&duplicates);
        if (result == -1)
            return -1;
    }
    if (backend->vm_action(backend->arg, call->ns, call->name, call->subresource, body, &err) == 0)
        return 0;
    if (err->code == ERROR_NOT_FOUND)
        return fail_not_found(&call->failure, "kubevirt.io", call->plural, call->name);
    return fail_error(&call->failure, err);
}

void special_vm_action(struct call *call)
{
    struct apiserver_backend backend;

    pthread_rwlock_rdlock(&call->server->lock);
    backend = call->server->backend;
    pthread_rwlock_unlock(&call->server->lock);
    if (act(call, &backend) == -1)
        call_answer_failure(call);
    else
        http_response_set_status(call->response, 202);
}
