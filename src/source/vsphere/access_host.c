#include "source/vsphere/access.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "source/vsphere/tree.h"
#include "source/vsphere/vim.h"

#include <stdlib.h>
#include <string.h>

void vsphere_place_reset(struct vsphere_place *place)
{
    free(place->machine);
    free(place->snapshot);
    free(place->thumbprint);
    *place = (struct vsphere_place){0};
}

static int log_in(const char *base, const json_t *secret, const char *thumbprint, struct vim **out,
                  struct error **err)
{
    const char *user = obj_map_str(secret, "user"), *password = obj_map_str(secret, "password");
    const char *pin = obj_map_str(secret, "thumbprint"), *ca = obj_map_str(secret, "ca.crt");
    CLEANUP(secret) struct secret *hidden = secret_new(password ? password : "",
                                                       password ? strlen(password) : 0);
    const struct vim_options options = {
        .url = base,
        .user = user != NULL ? user : "",
        .password = hidden,
        .thumbprint = pin != NULL ? pin : str_is_empty(thumbprint) ? NULL : thumbprint,
        .ca_pem = ca != NULL ? ca : obj_map_str(secret, "cacert"),
        .insecure = str_eq(obj_map_str(secret, "insecureSkipVerify"), "true"),
    };
    CLEANUP(vim) struct vim *vim = NULL;

    if (vim_new(&options, &vim, err) == -1 || vim_login(vim, NULL, err) == -1)
        return -1;
    *out = steal(&vim);
    return 0;
}

static int find_by_uuid(struct vim *host, const char *uuid, char **out, struct error **err)
{
    CLEANUP(buf) struct buf parameters = BUF_INIT(VIM_MAX_REQUEST);
    CLEANUP(dom) struct dom *answer = NULL;
    struct dom_node *result = NULL;

    vim_add_text(&parameters, "uuid", uuid);
    buf_add(&parameters, "<vmSearch>true</vmSearch><instanceUuid>true</instanceUuid>");
    const struct vim_call call = {
        .method = "FindByUuid",
        .this_type = "SearchIndex",
        .this_id = vim_about(host)->search_index,
        .parameters = parameters.ptr,
    };
    if (vim_send(host, &call, &answer, &result, err) == -1)
        return -1;
    CLEANUP(str) char *id = result != NULL ? dom_text(result) : NULL;
    if (str_is_empty(id))
        return error_set(err, ERROR_NOT_FOUND, "the host has no machine with instance UUID %s",
                         uuid);
    *out = steal(&id);
    return 0;
}

/* The snapshot below PARENT for which KEY ("snapshot", "description") is TEXT, or NULL.  How deep
 * they go is bounded by the parser. */
static struct dom_node *find_snapshot(struct dom_node *parent, const char *name, const char *key,
                                      const char *text)
{
    for (struct dom_node *at = dom_first(parent, name); at != NULL; at = dom_next(at, name)) {
        CLEANUP(str) char *own = vsphere_text(at, key);
        struct dom_node *below = str_eq(own, text)
                                     ? at
                                     : find_snapshot(at, "childSnapshotList", key, text);
        if (below != NULL)
            return below;
    }
    return NULL;
}

/* What WANTED of the snapshot for which KEY is TEXT says; owned by the caller. */
static int look_up_snapshot(struct vim *vim, const char *vm_id, const char *key, const char *text,
                            const char *wanted, char **out, struct error **err)
{
    CLEANUP(dom) struct dom *answer = NULL;
    struct dom_node *object = NULL;

    if (vim_read(vim, "VirtualMachine", vm_id, "snapshot", NULL, &answer, &object, err) == -1)
        return -1;
    struct dom_node *value = vim_property(object, "snapshot");
    struct dom_node *found =
        value != NULL ? find_snapshot(value, "rootSnapshotList", key, text) : NULL;
    if (found == NULL)
        return error_set(err, ERROR_NOT_FOUND, "there is no snapshot with %s \"%.200s\"", key, text);
    *out = vsphere_text(found, wanted);
    return 0;
}

/* Snapshots of ours are told apart by their descriptions. */
static int find_same_snapshot(struct vim *vim, const char *vm_id, const char *snapshot,
                              struct vim *host, const char *host_vm, char **out, struct error **err)
{
    CLEANUP(str) char *description = NULL;

    return look_up_snapshot(vim, vm_id, "snapshot", snapshot, "description", &description, err) ==
                       -1 ||
                   look_up_snapshot(host, host_vm, "description", description, "snapshot", out,
                                    err) == -1
               ? -1
               : 0;
}

static int read_uuid(struct vim *vim, const char *vm_id, char **out, struct error **err)
{
    CLEANUP(dom) struct dom *answer = NULL;
    struct dom_node *object = NULL;

    if (vim_read(vim, "VirtualMachine", vm_id, "config.instanceUuid", NULL, &answer, &object,
                 err) == -1)
        return -1;
    struct dom_node *value = vim_property(object, "config.instanceUuid");
    if (value == NULL)
        return error_set(err, ERROR_NOT_FOUND, "the machine has no instance UUID");
    *out = dom_text(value);
    return 0;
}

int vsphere_find_on_host(struct vim *vim, const char *vm_id, const char *snapshot,
                         const char *base, const json_t *secret, const char *thumbprint,
                         struct vsphere_place *place, struct error **err)
{
    CLEANUP(vim) struct vim *host = NULL;
    CLEANUP(str) char *uuid = NULL;
    struct vsphere_place found = {0};

    if (read_uuid(vim, vm_id, &uuid, err) == -1 ||
        log_in(base, secret, thumbprint, &host, err) == -1)
        return -1;
    int result = find_by_uuid(host, uuid, &found.machine, err);
    if (result == 0 && snapshot != NULL)
        result = find_same_snapshot(vim, vm_id, snapshot, host, found.machine, &found.snapshot, err);
    found.thumbprint = vim_thumbprint(host);
    vim_logout(host);
    if (result == -1) {
        vsphere_place_reset(&found);
        return -1;
    }
    *place = found;
    return 0;
}
