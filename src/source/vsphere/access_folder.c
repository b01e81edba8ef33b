#include "source/vsphere/access.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/url.h"
#include "source/vsphere/tree.h"
#include "source/vsphere/vim.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 32 /* of folders */ };

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

int vsphere_folder_uri(struct vim *vim, const char *vm_id, const char *file, char **uri,
                       struct error **err)
{
    CLEANUP(str) char *datacenter = NULL;
    CLEANUP(place) struct place place = {0};

    return parse_place(file, &place, err) == -1 ||
                   read_datacenter(vim, vm_id, &datacenter, err) == -1 ||
                   make_uri(vim_url(vim), &place, datacenter, uri, err) == -1
               ? -1
               : 0;
}

/* On a host the datacenter has a name of its own, and datastores the same as in the vCenter. */
int vsphere_folder_reroute(const char *base, char **uri, struct error **err)
{
    const char *folder = strstr(*uri, "/folder/"), *query = strchr(*uri, '?');
    const char *datastore = query != NULL ? strstr(query, "&dsName=") : NULL;

    if (folder == NULL || datastore == NULL)
        return error_set(err, ERROR_BUG, "no URL of a datastore");
    char *other = xasprintf("%s%.*s?dcPath=ha-datacenter%s", base, (int)(query - folder), folder,
                            datastore);
    free(*uri);
    *uri = other;
    return 0;
}
