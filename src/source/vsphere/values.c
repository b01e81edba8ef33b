#include "source/vsphere/tree.h"

#include "base/array.h"
#include "base/mem.h"
#include "data/obj.h"
#include "net/crypto.h"
#include "source/vsphere/vim.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Reading values of answers.  Texts of more than VIM_MAX_TEXT bytes are cut: nothing that we show
 * is so long. */

enum { ID_DIGEST_BYTES = 16 };

char *vsphere_text(struct dom_node *node, const char *path)
{
    struct dom_node *found = node && *path ? dom_find(node, path) : node;
    char *text = found ? dom_text(found) : xstrdup("");

    if (strlen(text) > VIM_MAX_TEXT)
        text[VIM_MAX_TEXT] = '\0';
    return text;
}

int64_t vsphere_int(struct dom_node *node, const char *path, int64_t fallback)
{
    CLEANUP(str) char *text = vsphere_text(node, path);
    char *end = text;
    long long value = strtoll(text, &end, 10);

    return end != text && *end == '\0' ? value : fallback;
}

bool vsphere_bool(struct dom_node *node, const char *path)
{
    CLEANUP(str) char *text = vsphere_text(node, path);

    return str_eq(text, "true") || str_eq(text, "1");
}

char *vsphere_type_of(struct dom_node *node)
{
    /* A reference has its own type beside xsi:type, which only says that it is one. */
    CLEANUP(str) char *own = dom_attr_plain(node, "type");
    CLEANUP(str) char *type = own ? steal(&own) : dom_attr(node, "type");
    const char *colon = type ? strchr(type, ':') : NULL;

    return xstrdup(colon ? colon + 1 : type ? type : "");
}

/* Single hosts call their datastores by path or URL. */
char *vsphere_id(struct dom_node *reference)
{
    char *id = dom_text(reference);
    unsigned char digest[CRYPTO_SHA256_SIZE];

    for (const char *p = id; *p != '\0'; p++) {
        if (isalnum((unsigned char)*p) || strchr("-._~:", *p) != NULL)
            continue;
        struct buf text = BUF_INIT(2 * ID_DIGEST_BYTES);
        crypto_sha256(id, strlen(id), digest);
        for (size_t i = 0; i < ID_DIGEST_BYTES; i++)
            buf_printf(&text, "%02x", digest[i]);
        free(id);
        return buf_take(&text);
    }
    return id;
}

const char *vsphere_kind(const char *vim)
{
    const struct vsphere_type *type = vsphere_find_type(vim);

    return type ? type->kind : vim;
}

json_t *vsphere_ref(struct dom_node *reference)
{
    CLEANUP(str) char *type = reference ? vsphere_type_of(reference) : NULL;
    CLEANUP(str) char *id = reference ? vsphere_id(reference) : NULL;

    return obj_pack("{s:s, s:s}", "kind", type ? vsphere_kind(type) : "", "id", id ? id : "");
}
