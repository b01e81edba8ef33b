/* How a disk is read without VMware's library: the file behind it, over HTTPS from the datastore.
 *
 * A vCenter or host serves the files of its datastores at /folder/PATH?dcPath=...&dsName=..., with
 * ranges, to who is logged in or shows name and password.  Behind "x.vmdk" lies "x-flat.vmdk", the
 * disk's bytes as they are.  That holds while the disk is one file: the machine is off and has no
 * snapshots, or it runs above exactly one snapshot, which freezes that file.  Raw device mappings
 * and datastores that are no file systems (vSAN, virtual volumes) have no such file. */
#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "data/obj.h"
#include "net/url.h"
#include "source/vsphere/internal.h"
#include "source/vsphere/tree.h"
#include "source/vsphere/vim.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_DEPTH = 32 /* of folders */ };

#define HINT_VDDK "build an image with VMware's VDDK and name it in the provider's vddkInitImage"

char *vsphere_base_file(const char *file, bool has_parent)
{
    static const char end[] = ".vmdk";
    enum { NUMBER = 7, END = sizeof(end) - 1 }; /* "-000001" */
    size_t len = strlen(file);
    const char *number = len > NUMBER + END ? file + len - NUMBER - END : NULL;
    bool is_numbered =
        has_parent && number != NULL && str_ends_with(file, end) && number[0] == '-';

    for (size_t i = 1; is_numbered && i < NUMBER; i++)
        is_numbered = isdigit((unsigned char)number[i]);
    return is_numbered ? xasprintf("%.*s%s", (int)(number - file), file, end) : xstrdup(file);
}

const char *vsphere_needs_vddk(const json_t *disk, const char *type, bool whole)
{
    if (obj_bool(disk, "rdm", false))
        return "it is a raw device mapping";
    if (strcasecmp(type, "vsan") == 0)
        return "it lies on vSAN";
    if (strcasecmp(type, "vvol") == 0)
        return "it is a virtual volume";
    if (whole && obj_str(disk, "parent", "")[0] != '\0')
        return "the machine has snapshots, so that its content lies in several files";
    return NULL;
}

static const json_t *find_disk(const json_t *vm, const char *id)
{
    const json_t *disks = obj_arr(vm, "disks");

    for (size_t i = 0; i < json_array_size(disks); i++) {
        CLEANUP(str)
        char *key = xasprintf("%lld", (long long)obj_int(json_array_get(disks, i), "key", 0));
        if (str_eq(key, id))
            return json_array_get(disks, i);
    }
    return NULL;
}

/* A file's place: "[datastore] path". */
struct place {
    char *datastore, *path;
};

static void place_reset(struct place *place)
{
    free(place->datastore);
    free(place->path);
}
DEFINE_CLEANUP_IN_PLACE(place, struct place, place_reset)

/* The flat file behind the descriptor FILE. */
static int parse_place(const char *file, struct place *place, struct error **err)
{
    const char *close = strchr(file, ']');

    if (file[0] != '[' || close == NULL || !str_ends_with(file, ".vmdk") || close[1] == '\0')
        return error_set(err, ERROR_CORRUPT, "\"%.200s\" is no path on a datastore", file);
    struct span path = span_trim(span_of(close + 1));
    place->datastore = xstrndup(file + 1, (size_t)(close - file - 1));
    place->path = xasprintf("%.*s-flat.vmdk", (int)(path.len - strlen(".vmdk")), path.ptr);
    return 0;
}

/* The path of the datacenter in which the machine lies: names down from the root folder. */
static int read_datacenter(struct vim *vim, const char *vm_id, char **out, struct error **err)
{
    CLEANUP(str) char *type = xstrdup("VirtualMachine");
    CLEANUP(str) char *id = xstrdup(vm_id);
    CLEANUP(str) char *path = NULL;
    const char *root = vim_about(vim)->root_folder;

    for (int depth = 0; depth < MAX_DEPTH && !str_eq(id, root); depth++) {
        CLEANUP(dom) struct dom *answer = NULL;
        struct dom_node *object = NULL;

        if (vim_read(vim, type, id, "name parent", NULL, &answer, &object, err) == -1)
            return -1;
        struct dom_node *parent = vim_property(object, "parent");
        struct dom_node *value = vim_property(object, "name");
        if (parent == NULL)
            break;
        if (path != NULL || str_eq(type, "Datacenter")) { /* and the folders above it */
            CLEANUP(str) char *name = value ? dom_text(value) : xstrdup("");
            char *longer = path ? xasprintf("%s/%s", name, path) : xstrdup(name);

            free(path);
            path = longer;
        }
        free(type);
        free(id);
        type = vsphere_type_of(parent);
        id = dom_text(parent);
    }
    if (path == NULL)
        return error_set(err, ERROR_CORRUPT, "machine \"%s\" lies in no datacenter", vm_id);
    *out = steal(&path);
    return 0;
}

static int read_datastore_type(struct vim *vim, const char *id, char **type, struct error **err)
{
    CLEANUP(dom) struct dom *answer = NULL;
    struct dom_node *object = NULL;

    if (vim_read(vim, "Datastore", id, "summary.type", NULL, &answer, &object, err) == -1)
        return -1;
    struct dom_node *value = vim_property(object, "summary.type");
    *type = value ? dom_text(value) : xstrdup("");
    return 0;
}

/* What the disk with KEY has behind it now, or in SNAPSHOT: its file, and whether that is all. */
static int read_backing(struct vim *vim, const char *vm_id, const char *snapshot, const char *key,
                        char **file, bool *is_whole, struct error **err)
{
    CLEANUP(dom) struct dom *answer = NULL;
    struct dom_node *object = NULL;

    if (vim_read(vim, snapshot ? "VirtualMachineSnapshot" : "VirtualMachine",
                 snapshot ? snapshot : vm_id, "config.hardware.device", NULL, &answer, &object,
                 err) == -1)
        return -1;
    struct dom_node *devices = vim_property(object, "config.hardware.device");
    for (struct dom_node *at = devices ? dom_first(devices, NULL) : NULL; at != NULL;
         at = dom_next(at, NULL)) {
        CLEANUP(str) char *own = vsphere_text(at, "key");
        struct dom_node *backing = dom_first(at, "backing");

        if (backing == NULL || !str_eq(own, key))
            continue;
        *file = vsphere_text(backing, "fileName");
        *is_whole = dom_first(backing, "parent") == NULL;
        return 0;
    }
    return error_set(err, ERROR_NOT_FOUND, "the machine has no disk with key %s any more", key);
}

static void add_params(struct buf *buf, const struct place *place, const char *datacenter)
{
    bool first = true;

    url_add_param(buf, &first, "dcPath", datacenter);
    url_add_param(buf, &first, "dsName", place->datastore);
}

/* SDK_URL's server with the file's path. */
static int make_uri(const char *sdk_url, const struct place *place, const char *datacenter,
                    char **uri, struct error **err)
{
    CLEANUP(url) struct url *url = NULL;
    CLEANUP(buf) struct buf text = BUF_INIT(64 * 1024);
    const char *host_end;

    if (url_parse(sdk_url, &url, err) == -1)
        return -1;
    host_end = strstr(sdk_url, "://") + 3;
    host_end += strcspn(host_end, "/?#");
    buf_printf(&text, "%.*s/folder", (int)(host_end - sdk_url), sdk_url);
    struct span rest = span_of(place->path), part = {0};
    while (span_split(&rest, '/', &part)) {
        buf_add(&text, "/");
        url_add_escaped(&text, part);
    }
    add_params(&text, place, datacenter);
    if (buf_check(&text, err) == -1)
        return -1;
    *uri = xstrdup(text.ptr);
    return 0;
}

/* Trust: a pinned certificate, an authority, or what the user says is good enough. */
static void add_trust(struct vsphere_source *vsphere, struct source_disk_access *access)
{
    CLEANUP(str) char *seen = vim_thumbprint(vsphere->vim);
    const char *pin = vsphere->thumbprint;

    if (pin == NULL && vsphere->insecure)
        pin = seen; /* at least it stays the server that was inspected */
    access->options = json_array();
    if (pin != NULL) {
        json_array_append_new(access->options, json_string("--thumbprint"));
        json_array_append_new(access->options, json_string(pin));
    } else if (vsphere->insecure) {
        json_array_append_new(access->options, json_string("--insecure"));
    }
    access->credentials = obj_pack("{s:s, s:s}", "user", vim_user(vsphere->vim), "password",
                                   secret_get(vim_password(vsphere->vim)));
    if (vsphere->ca_pem != NULL && pin == NULL)
        obj_put_str(access->credentials, "ca", vsphere->ca_pem);
}

static int refuse(const char *why, struct error **err)
{
    error_set(err, ERROR_UNSUPPORTED, "only VMware's library (VDDK) can read it: %s", why);
    return error_hint(err, HINT_VDDK);
}

static char *explain(const struct vsphere_source *vsphere)
{
    if (str_eq(vsphere->access, "https"))
        return xstrdup("HTTPS from the datastore, as settings.diskAccess says");
    return xstrdup(vsphere->has_vddk_image
                       ? "HTTPS from the datastore: this build reads nothing through VDDK"
                       : "HTTPS from the datastore: the provider names no vddkInitImage");
}

int vsphere_disk_access(struct source *source, const json_t *vm, const struct machine *machine,
                        size_t index, const char *snapshot, struct source_disk_access *access,
                        struct error **err)
{
    struct vsphere_source *vsphere = vsphere_of(source);
    const char *vm_id = obj_str(vm, "id", ""), *key = machine->disks.ptr[index].id;
    const json_t *disk = find_disk(vm, key);
    CLEANUP(str) char *file = NULL;
    CLEANUP(str) char *type = NULL;
    CLEANUP(str) char *datacenter = NULL;
    CLEANUP(place) struct place place = {0};
    bool is_whole = false;

    if (disk == NULL)
        return error_set(err, ERROR_NOT_FOUND, "the inventory has no such disk");
    if (read_datastore_type(vsphere->vim, machine->disks.ptr[index].storage_id, &type, err) == -1 ||
        read_backing(vsphere->vim, vm_id, snapshot, key, &file, &is_whole, err) == -1)
        return -1;
    const char *why = vsphere_needs_vddk(disk, type, false);
    if (why == NULL && !is_whole)
        why = snapshot ? "the machine has other snapshots than the migration's"
                       : "the machine has snapshots, so that its content lies in several files";
    if (why != NULL)
        return refuse(why, err);
    if (parse_place(file, &place, err) == -1 ||
        read_datacenter(vsphere->vim, vm_id, &datacenter, err) == -1 ||
        make_uri(vim_url(vsphere->vim), &place, datacenter, &access->uri, err) == -1)
        return -1;
    access->format = xstrdup("raw");
    access->reason = explain(vsphere);
    add_trust(vsphere, access);
    return 0;
}

/* On a host the datacenter has a name of its own, and datastores the same as in the vCenter. */
int vsphere_reroute(struct source *source, const char *base, const json_t *secret,
                    const char *thumbprint, struct source_disk_access *access, struct error **err)
{
    const char *folder = strstr(access->uri, "/folder/"), *query = strchr(access->uri, '?');
    const char *datastore = query != NULL ? strstr(query, "&dsName=") : NULL;
    const char *pin = obj_map_str(secret, "thumbprint");
    const char *ca = obj_map_str(secret, "ca.crt");

    if (folder == NULL || datastore == NULL)
        return error_set(err, ERROR_BUG, "no URL of a datastore");
    char *uri = xasprintf("%s%.*s?dcPath=ha-datacenter%s", base, (int)(query - folder), folder,
                          datastore);
    free(access->uri);
    access->uri = uri;
    json_decref(access->options);
    json_decref(access->credentials);
    access->options = json_array();
    access->credentials =
        obj_pack("{s:s, s:s}", "user", obj_map_str(secret, "user") ? obj_map_str(secret, "user") : "",
                 "password", obj_map_str(secret, "password") ? obj_map_str(secret, "password") : "");
    if (pin == NULL)
        pin = str_is_empty(thumbprint) ? NULL : thumbprint;
    if (ca == NULL)
        ca = obj_map_str(secret, "cacert");
    if (pin != NULL) {
        json_array_append_new(access->options, json_string("--thumbprint"));
        json_array_append_new(access->options, json_string(pin));
    } else if (ca != NULL) {
        obj_put_str(access->credentials, "ca", ca);
    } else if (str_eq(obj_map_str(secret, "insecureSkipVerify"), "true")) {
        json_array_append_new(access->options, json_string("--insecure"));
    }
    char *reason = xasprintf("%s, by way of host %s", access->reason, base);
    free(access->reason);
    access->reason = reason;
    return 0;
}
