/* Devices that are called otherwise on the target: taps and bridges of secondary networks, mediated
 * devices, PCI devices handed through, and the identity of the instance. */
#include "hook/premigration/edits.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/text.h"
#include "data/dom.h"
#include "hook/premigration/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAP_HASH_DIGITS = 11 };

static struct dom_node *first_device(struct dom_node *domain, const char *name)
{
    struct dom_node *devices = dom_first(domain, "devices");

    return devices == NULL ? NULL : dom_first(devices, name);
}

static const struct fact_network *find_network(const struct facts *facts, const char *name)
{
    for (size_t i = 0; name != NULL && i < facts->networks.len; i++)
        if (strcmp(facts->networks.ptr[i].name, name) == 0)
            return &facts->networks.ptr[i];
    return NULL;
}

/* --- taps named by order become taps named by network (VEP 111) ------------------------------- */

bool tap_name_applies(const struct facts *facts, struct dom_node *domain)
{
    return facts->hash_taps;
}

/* "tap" and digits, but not tap0, which is the pod network's. */
static bool is_ordinal_tap(const char *dev)
{
    uint64_t number;

    return dev != NULL && str_starts_with(dev, "tap") && strcmp(dev, "tap0") != 0 &&
           span_u64(span_of(dev + strlen("tap")), &number);
}

int tap_name_edit(const struct facts *facts, struct dom *dom, struct error **err)
{
    for (struct dom_node *nic = first_device(dom_root(dom), "interface"); nic != NULL;
         nic = dom_next(nic, "interface")) {
        struct dom_node *target = dom_first(nic, "target");
        CLEANUP(str) char *dev = target == NULL ? NULL : dom_attr(target, "dev");
        CLEANUP(str) char *network = edit_alias(nic);
        unsigned char digest[SHA256_SIZE];
        char name[sizeof("tap") + TAP_HASH_DIGITS + 1];

        if (!is_ordinal_tap(dev))
            continue;
        if (network == NULL)
            return error_set(err, ERROR_INVALID,
                             "the interface of \"%s\" has no alias that names its network", dev);
        if (find_network(facts, network) == NULL)
            return error_set(err, ERROR_INVALID, "the interface of \"%s\" is on network \"%s\", "
                             "which the machine does not have here", dev, network);

        sha256(network, strlen(network), digest);
        size_t len = (size_t)snprintf(name, sizeof(name), "tap");
        for (size_t i = 0; len < strlen("tap") + TAP_HASH_DIGITS; i++)
            len += (size_t)snprintf(name + len, sizeof(name) - len, "%02x", digest[i]);
        name[strlen("tap") + TAP_HASH_DIGITS] = '\0';
        dom_set_attr(target, "dev", name);
    }
    return 0;
}

/* --- networks on other bridges ------------------------------------------------------------------ */

bool network_applies(const struct facts *facts, struct dom_node *domain)
{
    for (size_t i = 0; i < facts->networks.len; i++)
        if (facts->networks.ptr[i].bridge != NULL || facts->networks.ptr[i].tap != NULL)
            return true;
    return false;
}

int network_edit(const struct facts *facts, struct dom *dom, struct error **err)
{
    for (struct dom_node *nic = first_device(dom_root(dom), "interface"); nic != NULL;
         nic = dom_next(nic, "interface")) {
        CLEANUP(str) char *alias = edit_alias(nic);
        const struct fact_network *network = find_network(facts, alias);

        if (network == NULL)
            continue;
        /* libvirt's check lets a change of the interface's type pass, and QEMU fails later */
        if (network->bridge != NULL && !dom_attr_is(nic, "type", "bridge"))
            return error_set(err, ERROR_INVALID,
                             "network \"%s\" is to be on bridge \"%s\", but its interface is not "
                             "of type bridge", network->name, network->bridge);
        if (network->bridge != NULL)
            dom_set_attr(dom_need(nic, "source"), "bridge", network->bridge);
        if (network->tap != NULL)
            dom_set_attr(dom_need(nic, "target"), "dev", network->tap);
    }
    return 0;
}

/* --- vGPUs (VEP 109) ------------------------------------------------------------------------------ */

bool mdev_applies(const struct facts *facts, struct dom_node *domain)
{
    return facts->mdevs.len > 0 && first_device(domain, "hostdev") != NULL;
}

int mdev_edit(const struct facts *facts, struct dom *dom, struct error **err)
{
    struct dom_node *device = first_device(dom_root(dom), "hostdev");

    if (facts->mdevs.len > 1 || dom_next(device, "hostdev") != NULL)
        return error_set(err, ERROR_UNSUPPORTED,
                         "more than one vGPU: only a machine with one can be moved");
    if (str_is_empty(facts->mdevs.ptr[0]))
        return error_set(err, ERROR_INVALID, "the target's GPU is no mediated device");
    if (!dom_attr_is(device, "type", "mdev"))
        return error_set(err, ERROR_INVALID, "the machine's host device is no mediated device");
    dom_set_attr(dom_need(device, "source/address"), "uuid", facts->mdevs.ptr[0]);
    return 0;
}

/* --- PCI devices by alias ------------------------------------------------------------------------- */

bool host_device_applies(const struct facts *facts, struct dom_node *domain)
{
    return facts->host_devices.len > 0;
}

static const struct fact_host_device *find_host_device(const struct facts *facts,
                                                       const char *alias)
{
    for (size_t i = 0; alias != NULL && i < facts->host_devices.len; i++)
        if (strcmp(facts->host_devices.ptr[i].alias, alias) == 0)
            return &facts->host_devices.ptr[i];
    return NULL;
}

/* "0000:65:00.0" as the four attributes of an address. */
static int put_pci_address(struct dom_node *address, const char *text, struct error **err)
{
    unsigned domain, bus, slot, function;
    int end = 0;
    const struct {
        const char *name;
        const unsigned *value;
        int width;
    } parts[] = {{"domain", &domain, 4}, {"bus", &bus, 2}, {"slot", &slot, 2},
                 {"function", &function, 1}};

    if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4 ||
        text[end] != '\0' || slot > 31 || function > 7)
        return error_set(err, ERROR_INVALID, "\"%s\" is no PCI address like 0000:65:00.0", text);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        char value[16];

        snprintf(value, sizeof(value), "0x%0*x", parts[i].width, *parts[i].value);
        dom_set_attr(address, parts[i].name, value);
    }
    return 0;
}

int host_device_edit(const struct facts *facts, struct dom *dom, struct error **err)
{
    for (struct dom_node *device = first_device(dom_root(dom), "hostdev"); device != NULL;
         device = dom_next(device, "hostdev")) {
        CLEANUP(str) char *alias = edit_alias(device);
        const struct fact_host_device *fact = find_host_device(facts, alias);

        if (fact == NULL)
            continue;
        if (!dom_attr_is(device, "type", "pci"))
            return error_set(err, ERROR_INVALID, "host device \"%s\" is no PCI device", alias);
        if (put_pci_address(dom_need(device, "source/address"), fact->address, err) == -1)
            return error_wrap(err, "host device \"%s\"", alias);
    }
    return 0;
}

/* --- the instance's identity ---------------------------------------------------------------------- */

bool identity_applies(const struct facts *facts, struct dom_node *domain)
{
    return !str_is_empty(facts->source_uid) && !str_is_empty(facts->target_uid) &&
           !str_eq(facts->source_uid, facts->target_uid);
}

int identity_edit(const struct facts *facts, struct dom *dom, struct error **err)
{
    /* a short text would be found everywhere */
    if (strlen(facts->source_uid) < 32)
        return error_set(err, ERROR_INVALID, "\"%s\" is no UID", facts->source_uid);
    dom_replace_text(dom, facts->source_uid, facts->target_uid);
    return 0;
}
