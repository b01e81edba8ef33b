/* How a disk is read, and why so.
 *
 * Through VMware's library (VDDK), where the provider has it: it reads everything.  Else, the file
 * behind the disk over HTTPS from its datastore: a vCenter or host serves the files at
 * /folder/PATH?dcPath=...&dsName=..., with ranges, to who is logged in or shows name and password.
 * Behind "x.vmdk" lies "x-flat.vmdk", the disk's bytes as they are.  That holds while the disk is one
 * file: the machine is off and has no snapshots, or it runs above exactly one snapshot, which freezes
 * that file.  Raw device mappings and datastores that are no file systems (vSAN, virtual volumes) have
 * no such file.  Else, for machines that are off, an export lease: the server makes a streamOptimized
 * VMDK of the disk, whatever it consists of, and sends it front to back.
 *
 * settings.diskAccess ("vddk", "https" or "export") insists on one of them. */
#include "source/vsphere/access.h"

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

#define HINT_VDDK "build an image with VMware's VDDK and name it in the provider's vddkInitImage"
#define LIBRARY_DIR "vmware-vix-disklib-distrib"
#define LIBRARY_MOUNT "/vddk"
#define DEFAULT_TRANSPORTS "nbdssl:nbd"

enum way { WAY_NONE, WAY_VDDK, WAY_HTTPS, WAY_EXPORT };

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

/* Choosing. */

/* What is known of a disk. */
struct disk_facts {
    const json_t *disk; /* of the inventory */
    const char *datastore_type;
    bool is_whole;      /* one file has all of it */
    bool is_snapshot;   /* as it was in a snapshot of ours */
};

/* The way a disk is read; WAY_NONE with *WHY (a constant) if there is none. */
static enum way choose(const struct vsphere_source *vsphere, const struct disk_facts *facts,
                       const char **why)
{
    bool any = vsphere->access == NULL;
    const char *needs = vsphere_needs_vddk(facts->disk, facts->datastore_type, false);
    bool is_raw = obj_bool(facts->disk, "rdm", false);

    if (vim_password(vsphere->vim) == NULL) {
        *why = "the secret has a session and no password, with which disks are read";
        return WAY_NONE;
    }
    if (any ? vsphere->library != NULL : str_eq(vsphere->access, "vddk")) {
        *why = vsphere->library != NULL
                   ? NULL
                   : "settings.diskAccess is vddk, and the provider names no vddkInitImage";
        return vsphere->library != NULL ? WAY_VDDK : WAY_NONE;
    }
    *why = needs;
    if (str_eq(vsphere->access, "export") && !is_raw && !facts->is_snapshot)
        return WAY_EXPORT;
    if (str_eq(vsphere->access, "export") && facts->is_snapshot)
        *why = "settings.diskAccess is export, and an export is made of machines that are off";
    if (*why != NULL)
        return WAY_NONE;
    if (facts->is_whole)
        return WAY_HTTPS;
    if (any && !facts->is_snapshot)
        return WAY_EXPORT;
    *why = facts->is_snapshot
               ? "the machine has other snapshots than the migration's"
               : "the machine has snapshots, so that its content lies in several files";
    return WAY_NONE;
}

static char *explain(const struct vsphere_source *vsphere, enum way way)
{
    static const char *const names[] = {[WAY_NONE] = "",
                                        [WAY_VDDK] = "VMware's library (VDDK)",
                                        [WAY_HTTPS] = "HTTPS from the datastore",
                                        [WAY_EXPORT] = "an export lease"};
    const char *reason = vsphere->access != NULL ? "settings.diskAccess says so"
                         : way == WAY_VDDK       ? "the provider names it in vddkInitImage"
                         : way == WAY_HTTPS      ? "the provider names no vddkInitImage"
                                                 : "the provider names no vddkInitImage, and the "
                                                   "machine's snapshots part its disks into files";

    return xasprintf("%s: %s", names[way], reason);
}

char *vsphere_explain_access(const struct vsphere_source *vsphere, const json_t *disk,
                             const char *datastore_type, bool *cold_only, const char **why)
{
    const struct disk_facts facts = {
        .disk = disk,
        .datastore_type = datastore_type,
        .is_whole = obj_str(disk, "parent", "")[0] == '\0',
    };
    enum way way = choose(vsphere, &facts, why);

    *cold_only = way == WAY_EXPORT;
    return way == WAY_NONE ? NULL : explain(vsphere, way);
}

/* Ways in. */

static void add_option(struct source_disk_access *access, const char *name, const char *value)
{
    json_array_append_new(access->options, json_string(name));
    if (value != NULL)
        json_array_append_new(access->options, json_string(value));
}

static void add_login(struct vsphere_source *vsphere, struct source_disk_access *access)
{
    access->options = json_array();
    access->credentials = obj_pack("{s:s, s:s}", "user", vim_user(vsphere->vim), "password",
                                   secret_get(vim_password(vsphere->vim)));
}

/* Trust: a pinned certificate, an authority, or what the user says is good enough. */
static void add_trust(struct vsphere_source *vsphere, struct source_disk_access *access)
{
    CLEANUP(str) char *seen = vim_thumbprint(vsphere->vim);
    const char *pin = vsphere->thumbprint;

    if (pin == NULL && vsphere->insecure)
        pin = seen; /* at least it stays the server that was inspected */
    if (pin != NULL)
        add_option(access, "--thumbprint", pin);
    else if (vsphere->insecure)
        add_option(access, "--insecure", NULL);
    if (vsphere->ca_pem != NULL && pin == NULL)
        obj_put_str(access->credentials, "ca", vsphere->ca_pem);
}

/* "vddk://HOST:PORT/MACHINE?disk=FILE&snapshot=ID"; owned by the caller. */
static char *vddk_uri(const struct url *server, const char *machine, const char *file,
                      const char *snapshot)
{
    struct buf text = BUF_INIT(64 * 1024);
    bool is_ipv6 = strchr(server->host, ':') != NULL, first = true;

    buf_printf(&text, "vddk://%s%s%s:%u/", is_ipv6 ? "[" : "", server->host, is_ipv6 ? "]" : "",
               server->port);
    url_add_escaped(&text, span_of(machine));
    url_add_param(&text, &first, "disk", file);
    url_add_param(&text, &first, "snapshot", snapshot);
    return buf_take(&text);
}

/* The library itself: a folder of the node, or what an image copies to where it is told. */
static void add_library(const struct vsphere_source *vsphere, struct source_disk_access *access)
{
    struct span rest = span_of(vsphere->library_settings), line = {0};
    bool is_folder = vsphere->library[0] == '/';

    access->volume = is_folder ? obj_pack("{s:{s:s, s:s}}", "hostPath", "path", vsphere->library,
                                          "type", "Directory")
                               : obj_pack("{s:{}}", "emptyDir");
    access->mount_path = xstrdup(LIBRARY_MOUNT);
    access->init_image = is_folder ? NULL : xstrdup(vsphere->library);
    add_option(access, "--vddk-dir", is_folder ? LIBRARY_MOUNT : LIBRARY_MOUNT "/" LIBRARY_DIR);
    add_option(access, "--vddk-transports",
               vsphere->transports != NULL ? vsphere->transports : DEFAULT_TRANSPORTS);
    while (span_split(&rest, '\n', &line)) {
        CLEANUP(str) char *setting = span_dup(span_trim(line));

        if (strchr(setting, '=') != NULL)
            add_option(access, "--vddk-setting", setting);
    }
}

static int use_vddk(struct vsphere_source *vsphere, const char *vm_id, const char *file,
                    const char *snapshot, struct source_disk_access *access, struct error **err)
{
    CLEANUP(url) struct url *url = NULL;
    CLEANUP(str) char *seen = vim_thumbprint(vsphere->vim);

    if (url_parse(vim_url(vsphere->vim), &url, err) == -1)
        return -1;
    access->uri = vddk_uri(url, vm_id, file, snapshot);
    add_login(vsphere, access);
    if (seen != NULL) /* the library knows SHA-1 alone, of the server that we have trusted */
        add_option(access, "--thumbprint", seen);
    add_library(vsphere, access);
    return 0;
}

static int use_https(struct vsphere_source *vsphere, const char *vm_id, const char *file,
                     struct source_disk_access *access, struct error **err)
{
    if (vsphere_folder_uri(vsphere->vim, vm_id, file, &access->uri, err) == -1)
        return -1;
    access->format = xstrdup("raw");
    add_login(vsphere, access);
    add_trust(vsphere, access);
    return 0;
}

static int use_export(struct vsphere_source *vsphere, const char *vm_id, const char *key,
                      struct source_disk_access *access)
{
    struct buf text = BUF_INIT(64 * 1024);
    bool first = true;

    buf_printf(&text, "export:%s", vim_url(vsphere->vim));
    url_add_param(&text, &first, "machine", vm_id);
    url_add_param(&text, &first, "disk", key);
    access->uri = buf_take(&text);
    access->format = xstrdup("vmdk");
    add_login(vsphere, access);
    add_trust(vsphere, access);
    return 0;
}

int vsphere_disk_access(struct source *source, const json_t *vm, const struct machine *machine,
                        size_t index, const char *snapshot, struct source_disk_access *access,
                        struct error **err)
{
    struct vsphere_source *vsphere = vsphere_of(source);
    const char *vm_id = obj_str(vm, "id", ""), *key = machine->disks.ptr[index].id;
    struct disk_facts facts = {.disk = find_disk(vm, key), .is_snapshot = snapshot != NULL};
    CLEANUP(str) char *file = NULL;
    CLEANUP(str) char *type = NULL;
    const char *why = NULL;

    if (facts.disk == NULL)
        return error_set(err, ERROR_NOT_FOUND, "the inventory has no such disk");
    if (read_datastore_type(vsphere->vim, machine->disks.ptr[index].storage_id, &type, err) == -1 ||
        read_backing(vsphere->vim, vm_id, snapshot, key, &file, &facts.is_whole, err) == -1)
        return -1;
    facts.datastore_type = type;
    enum way way = choose(vsphere, &facts, &why);
    if (way != WAY_NONE)
        access->reason = explain(vsphere, way);
    switch (way) {
    case WAY_VDDK:
        return use_vddk(vsphere, vm_id, file, snapshot, access, err);
    case WAY_HTTPS:
        return use_https(vsphere, vm_id, file, access, err);
    case WAY_EXPORT:
        return use_export(vsphere, vm_id, key, access);
    case WAY_NONE:
        break;
    }
    error_set(err, ERROR_UNSUPPORTED, "only VMware's library (VDDK) can read it: %s", why);
    return error_hint(err, HINT_VDDK);
}

/* By way of a host. */

/* What of SECRET and THUMBPRINT says whom to trust. */
static void trust_host(const json_t *secret, const char *thumbprint,
                       struct source_disk_access *access)
{
    const char *pin = obj_map_str(secret, "thumbprint");
    const char *ca = obj_map_str(secret, "ca.crt");

    if (pin == NULL)
        pin = str_is_empty(thumbprint) ? NULL : thumbprint;
    if (ca == NULL)
        ca = obj_map_str(secret, "cacert");
    if (pin != NULL)
        add_option(access, "--thumbprint", pin);
    else if (ca != NULL)
        obj_put_str(access->credentials, "ca", ca);
    else if (str_eq(obj_map_str(secret, "insecureSkipVerify"), "true"))
        add_option(access, "--insecure", NULL);
}

static int reroute_vddk(struct vsphere_source *vsphere, const char *base, const json_t *secret,
                        const char *thumbprint, struct source_disk_access *access,
                        struct error **err)
{
    CLEANUP(url) struct url *old = NULL;
    CLEANUP(url) struct url *host = NULL;
    struct vsphere_place place = {0};

    if (url_parse(access->uri, &old, err) == -1 || url_parse(base, &host, err) == -1)
        return -1;
    struct span rest = span_of(old->query);
    CLEANUP(str) char *file = NULL;
    CLEANUP(str) char *snapshot = NULL;
    for (;;) {
        CLEANUP(str) char *key = NULL;
        CLEANUP(str) char *value = NULL;

        if (url_next_param(&rest, &key, &value, err) != 1)
            break;
        free(*(str_eq(key, "disk") ? &file : &snapshot));
        *(str_eq(key, "disk") ? &file : &snapshot) = steal(&value);
    }
    if (*err != NULL || vsphere_find_on_host(vsphere->vim, old->path + 1, snapshot, base, secret,
                                             thumbprint, &place, err) == -1)
        return -1;
    free(access->uri);
    access->uri = vddk_uri(host, place.machine, file, place.snapshot);
    if (place.thumbprint != NULL)
        add_option(access, "--thumbprint", place.thumbprint);
    vsphere_place_reset(&place);
    return 0;
}

int vsphere_reroute(struct source *source, const char *base, const json_t *secret,
                    const char *thumbprint, struct source_disk_access *access, struct error **err)
{
    struct vsphere_source *vsphere = vsphere_of(source);
    bool is_vddk = str_starts_with(access->uri, "vddk:");
    const char *user = obj_map_str(secret, "user"), *password = obj_map_str(secret, "password");

    if (str_starts_with(access->uri, "export:"))
        return 0; /* the lease names the host's own address */
    json_decref(access->options);
    json_decref(access->credentials);
    access->options = json_array();
    access->credentials =
        obj_pack("{s:s, s:s}", "user", user ? user : "", "password", password ? password : "");
    if (is_vddk) {
        json_decref(access->volume);
        free(access->mount_path);
        free(access->init_image);
        add_library(vsphere, access);
    } else {
        trust_host(secret, thumbprint, access);
    }
    if ((is_vddk ? reroute_vddk(vsphere, base, secret, thumbprint, access, err)
                 : vsphere_folder_reroute(base, &access->uri, err)) == -1)
        return error_wrap(err, "host \"%s\"", base);
    char *reason = xasprintf("%s, by way of host %s", access->reason, base);
    free(access->reason);
    access->reason = reason;
    return 0;
}
