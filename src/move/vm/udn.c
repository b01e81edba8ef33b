#include "move/vm/udn.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/kinds.h"
#include "kube/meta.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NETWORK_LABEL "k8s.ovn.org/user-defined-network"

enum { MAX_SUBNETS = 64, ADDRESS_BYTES = 16 };

/* ---- reading ----------------------------------------------------------------------------- */

static void add_subnets(struct udn *udn, const char *text)
{
    struct span rest = span_of(text), part = {0};

    while (udn->subnets.len < MAX_SUBNETS && span_split(&rest, ',', &part)) {
        struct span subnet = span_trim(part);
        if (subnet.len > 0)
            str_list_push(&udn->subnets, xstrndup(subnet.ptr, subnet.len));
    }
}

static void look_at(const json_t *definition, struct udn *udn)
{
    const char *text = obj_str(definition, "spec.config", "");
    CLEANUP(error) struct error *ignored = NULL; /* somebody else's; it says nothing to us then */
    json_auto_t *config = obj_parse(text, strlen(text), &ignored);

    udn->has_layer3 = udn->has_layer3 || str_eq(obj_str(config, "topology", ""), "layer3");
    if (!str_eq(obj_str(config, "role", ""), "primary"))
        return;
    udn->has_primary = true;
    add_subnets(udn, obj_str(config, "subnets", ""));
}

int udn_load(struct room *room, const char *ns, struct udn *udn, struct error **err)
{
    const struct kube_list_options options = {.label_selector = NETWORK_LABEL};
    CLEANUP(error) struct error *failure = NULL;
    json_auto_t *definitions = NULL;

    if (str_is_empty(ns))
        return 0;
    if (kube_list(room->client, &KIND_NETWORK_ATTACHMENT, ns, &options, &definitions, &failure) ==
        -1) {
        if (failure->code == ERROR_NOT_FOUND)
            return 0;
        *err = steal(&failure);
        return error_wrap(err, "cannot look for networks in namespace \"%s\"", ns);
    }
    for (size_t i = 0; i < json_array_size(definitions); i++)
        look_at(json_array_get(definitions, i), udn);
    return 0;
}

void udn_reset(struct udn *udn)
{
    str_list_free_all(&udn->subnets);
    *udn = (struct udn){0};
}

/* ---- addresses --------------------------------------------------------------------------- */

/* The family of an address' text, AF_UNSPEC for what is none. */
static int parse_address(const char *text, unsigned char bytes[ADDRESS_BYTES])
{
    if (inet_pton(AF_INET, text, bytes) == 1)
        return AF_INET;
    return inet_pton(AF_INET6, text, bytes) == 1 ? AF_INET6 : AF_UNSPEC;
}

static bool has_prefix(const unsigned char *address, const unsigned char *net, uint64_t bits)
{
    size_t whole = (size_t)bits / 8;
    unsigned rest = (unsigned)bits % 8;

    if (memcmp(address, net, whole) != 0)
        return false;
    return rest == 0 || (address[whole] ^ net[whole]) >> (8 - rest) == 0;
}

bool udn_covers(const struct udn *udn, const char *address)
{
    unsigned char bytes[ADDRESS_BYTES], net[ADDRESS_BYTES];
    int family = parse_address(address, bytes);
    bool has_family = false;

    for (size_t i = 0; family != AF_UNSPEC && i < udn->subnets.len; i++) {
        const char *slash = strchr(udn->subnets.ptr[i], '/');
        uint64_t bits = 0;
        if (slash == NULL || !span_u64(span_of(slash + 1), &bits))
            continue;
        CLEANUP(str)
        char *base = xstrndup(udn->subnets.ptr[i], (size_t)(slash - udn->subnets.ptr[i]));
        if (parse_address(base, net) != family || bits > (family == AF_INET ? 32 : 128))
            continue;
        if (has_prefix(bytes, net, bits))
            return true;
        has_family = true;
    }
    return !has_family;
}

char *udn_address_of(const char *entry, const char *mac)
{
    size_t len = strlen(mac);
    static const char mark[] = ":ip:";

    if (strncasecmp(entry, mac, len) != 0 || !str_starts_with(entry + len, mark))
        return NULL;
    const char *address = entry + len + strlen(mark);
    return xstrndup(address, strcspn(address, ","));
}
