/* The parts of the XML in libvirt's own order: identity, memory, processors, firmware, features,
 * clock, devices (domain_devices.c). */
#include "node/domain_internal.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "data/obj.h"
#include "kube/meta.h"
#include "kube/quantity.h"

#include <inttypes.h>
#include <string.h>

enum { MAX_VCPUS = 512 };

static const uint64_t min_memory = 1 << 20;

void domain_add_escaped(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<': buf_add(out, "&lt;"); break;
        case '>': buf_add(out, "&gt;"); break;
        case '&': buf_add(out, "&amp;"); break;
        case '\'': buf_add(out, "&apos;"); break;
        case '"': buf_add(out, "&quot;"); break;
        default:
            /* other control characters are not XML at all */
            buf_add_char(out, (unsigned char)*text < ' ' && *text != '\t' ? ' ' : *text);
        }
    }
}

void domain_add_attribute(struct buf *out, const char *name, const char *value)
{
    if (value == NULL)
        return;
    buf_printf(out, " %s='", name);
    domain_add_escaped(out, value);
    buf_add(out, "'");
}

static void add_element(struct buf *out, const char *indent, const char *name, const char *value)
{
    buf_printf(out, "%s<%s>", indent, name);
    domain_add_escaped(out, value);
    buf_printf(out, "</%s>\n", name);
}

char *domain_name(const json_t *vmi)
{
    return xasprintf("%s_%s", meta_ns(vmi), meta_name(vmi));
}

static void add_identity(struct buf *out, const struct domain_input *in)
{
    CLEANUP(str) char *name = domain_name(in->vmi);

    buf_printf(out, "<domain type='%s'>\n", in->kvm ? "kvm" : "qemu");
    add_element(out, "  ", "name", name);
    add_element(out, "  ", "uuid", in->uuid);
    buf_add(out, "  <metadata>\n    <gantry:vmi xmlns:gantry='urn:gantry:1'");
    domain_add_attribute(out, "namespace", meta_ns(in->vmi));
    domain_add_attribute(out, "name", meta_name(in->vmi));
    domain_add_attribute(out, "uid", meta_uid(in->vmi));
    buf_add(out, "/>\n  </metadata>\n");
}

static int add_memory(struct buf *out, const json_t *domain, struct error **err)
{
    static const char *const paths[] = {"memory.guest", "resources.requests.memory",
                                        "resources.limits.memory"};
    uint64_t bytes = 0;

    for (size_t i = 0; i < ARRAY_SIZE(paths) && bytes == 0; i++) {
        const json_t *value = obj_at(domain, paths[i]);
        struct quantity quantity;

        if (value != NULL && (quantity_from_json(value, &quantity, err) == -1 ||
                              quantity_to_u64(quantity, &bytes, err) == -1))
            return error_wrap(err, "spec.domain.%s", paths[i]);
    }
    if (bytes < min_memory)
        return error_set(err, ERROR_INVALID,
                         "spec.domain.memory.guest: %" PRIu64 " bytes are too little", bytes);
    buf_printf(out, "  <memory unit='KiB'>%" PRIu64 "</memory>\n", (bytes + 1023) / 1024);
    return 0;
}

static int64_t at_least_one(const json_t *cpu, const char *path)
{
    int64_t value = obj_int(cpu, path, 1);

    return value < 1 ? 1 : value > MAX_VCPUS ? MAX_VCPUS + 1 : value;
}

static void add_features_of_cpu(struct buf *out, const json_t *cpu)
{
    const json_t *feature;
    size_t i;

    json_array_foreach(obj_arr(cpu, "features"), i, feature)
    {
        const char *policy = obj_str(feature, "policy", "require");

        buf_add(out, "    <feature");
        domain_add_attribute(out, "policy", policy[0] == '\0' ? "require" : policy);
        domain_add_attribute(out, "name", obj_str(feature, "name", ""));
        buf_add(out, "/>\n");
    }
}

/* Without KVM the emulator's "max" stands in for models that need the host's processor. */
static void add_cpu_model(struct buf *out, const struct domain_input *in, const char *model)
{
    bool host = str_is_empty(model) || str_eq(model, "host-model") ||
                str_eq(model, "host-passthrough");

    if (host && !in->kvm) {
        buf_add(out, "  <cpu mode='maximum' check='none'>\n");
    } else if (host) {
        buf_printf(out, "  <cpu mode='%s' check='none'>\n",
                   str_eq(model, "host-model") ? "host-model" : "host-passthrough");
    } else {
        buf_add(out, "  <cpu mode='custom' match='exact' check='none'>\n"
                     "    <model fallback='allow'>");
        domain_add_escaped(out, model);
        buf_add(out, "</model>\n");
    }
}

static int add_cpu(struct buf *out, const struct domain_input *in, const json_t *domain,
                   struct error **err)
{
    const json_t *cpu = obj_obj(domain, "cpu");
    int64_t sockets = at_least_one(cpu, "sockets"), cores = at_least_one(cpu, "cores");
    int64_t threads = at_least_one(cpu, "threads"), count = sockets * cores * threads;

    if (count > MAX_VCPUS)
        return error_set(err, ERROR_INVALID,
                         "spec.domain.cpu: %" PRId64 " processors are more than %d", count, MAX_VCPUS);
    buf_printf(out, "  <vcpu>%" PRId64 "</vcpu>\n", count);
    return 0;
}

static void add_cpu_details(struct buf *out, const struct domain_input *in, const json_t *domain)
{
    const json_t *cpu = obj_obj(domain, "cpu");

    add_cpu_model(out, in, obj_str(cpu, "model", NULL));
    buf_printf(out,
               "    <topology sockets='%" PRId64 "' cores='%" PRId64 "' threads='%" PRId64 "'/>\n",
               at_least_one(cpu, "sockets"), at_least_one(cpu, "cores"),
               at_least_one(cpu, "threads"));
    add_features_of_cpu(out, cpu);
    buf_add(out, "  </cpu>\n");
}

/* SMBIOS: the serial number by which licences and agents know a machine. */
static void add_sysinfo(struct buf *out, const json_t *domain, const char *uuid)
{
    const char *serial = obj_str(domain, "firmware.serial", NULL);
    const char *asset = obj_str(domain, "chassis.asset", NULL);

    buf_add(out, "  <sysinfo type='smbios'>\n    <system>\n");
    buf_add(out, "      <entry name='manufacturer'>KubeVirt</entry>\n"
                 "      <entry name='product'>None</entry>\n");
    if (!str_is_empty(serial)) {
        buf_add(out, "      <entry name='serial'>");
        domain_add_escaped(out, serial);
        buf_add(out, "</entry>\n");
    }
    buf_printf(out, "      <entry name='uuid'>%s</entry>\n    </system>\n", uuid);
    if (!str_is_empty(asset)) {
        buf_add(out, "    <chassis>\n      <entry name='asset'>");
        domain_add_escaped(out, asset);
        buf_add(out, "</entry>\n    </chassis>\n");
    }
    buf_add(out, "  </sysinfo>\n");
}

bool domain_is_efi(const json_t *domain)
{
    return obj_obj(domain, "firmware.bootloader.efi") != NULL;
}

/* As in KubeVirt, EFI means secure boot unless it is switched off. */
static bool is_secure(const json_t *domain)
{
    return domain_is_efi(domain) && obj_bool(domain, "firmware.bootloader.efi.secureBoot", true);
}

static void add_os(struct buf *out, const struct domain_input *in, const json_t *domain)
{
    bool secure = is_secure(domain);
    const char *machine = obj_str(domain, "machine.type", "q35");

    buf_add(out, "  <os>\n    <type arch='x86_64'");
    domain_add_attribute(out, "machine", machine[0] == '\0' ? "q35" : machine);
    buf_add(out, ">hvm</type>\n");
    if (domain_is_efi(domain)) {
        buf_printf(out,
                   "    <loader readonly='yes' secure='%s' type='pflash'>"
                   "/usr/share/OVMF/OVMF_CODE_4M%s.fd</loader>\n"
                   "    <nvram template='/usr/share/OVMF/OVMF_VARS_4M%s.fd'>",
                   secure ? "yes" : "no", secure ? ".secboot" : "", secure ? ".ms" : "");
        domain_add_escaped(out, in->dir);
        buf_add(out, "/nvram.fd</nvram>\n");
    }
    buf_add(out, "    <smbios mode='sysinfo'/>\n");
    if (obj_bool(domain, "firmware.bootloader.bios.useSerial", false))
        buf_add(out, "    <bios useserial='yes'/>\n");
    buf_add(out, "  </os>\n");
}

static void add_features(struct buf *out, const json_t *domain)
{
    buf_add(out, "  <features>\n");
    if (obj_bool(domain, "features.acpi.enabled", true))
        buf_add(out, "    <acpi/>\n");
    if (obj_bool(domain, "features.apic.enabled", true))
        buf_add(out, "    <apic/>\n");
    if (is_secure(domain) ||
        (obj_obj(domain, "features.smm") != NULL && obj_bool(domain, "features.smm.enabled", true)))
        buf_add(out, "    <smm state='on'/>\n");
    if (obj_obj(domain, "features.hyperv") != NULL)
        buf_add(out, "    <hyperv>\n      <relaxed state='on'/>\n      <vapic state='on'/>\n"
                     "      <spinlocks state='on' retries='8191'/>\n    </hyperv>\n");
    buf_add(out, "  </features>\n");
}

static void add_clock(struct buf *out, const json_t *domain)
{
    const char *zone = obj_str(domain, "clock.timezone", NULL);

    if (zone != NULL) {
        buf_add(out, "  <clock offset='timezone'");
        domain_add_attribute(out, "timezone", zone);
    } else if (obj_at(domain, "clock.utc.offsetSeconds") != NULL) {
        buf_printf(out, "  <clock offset='variable' adjustment='%" PRId64 "' basis='utc'",
                   obj_int(domain, "clock.utc.offsetSeconds", 0));
    } else {
        buf_add(out, "  <clock offset='utc'");
    }
    buf_add(out, ">\n    <timer name='rtc' tickpolicy='catchup'/>\n"
                 "    <timer name='pit' tickpolicy='delay'/>\n    <timer name='hpet' present='no'/>\n"
                 "  </clock>\n");
}

char *domain_format(const struct domain_input *in, struct error **err)
{
    CLEANUP(buf) struct buf out = BUF_INIT(DOMAIN_XML_MAX);
    const json_t *domain = obj_obj(in->vmi, "spec.domain");

    if (domain == NULL) {
        error_set(err, ERROR_INVALID, "spec.domain is missing");
        return NULL;
    }
    add_identity(&out, in);
    if (add_memory(&out, domain, err) == -1 || add_cpu(&out, in, domain, err) == -1)
        return NULL;
    add_sysinfo(&out, domain, in->uuid);
    add_os(&out, in, domain);
    add_features(&out, domain);
    add_cpu_details(&out, in, domain);
    add_clock(&out, domain);
    buf_add(&out, "  <on_poweroff>destroy</on_poweroff>\n  <on_reboot>restart</on_reboot>\n"
                  "  <on_crash>destroy</on_crash>\n");
    if (domain_add_devices(&out, in, domain, err) == -1)
        return NULL;
    buf_add(&out, "</domain>\n");
    if (buf_check(&out, err) == -1)
        return NULL;
    return buf_take(&out);
}
