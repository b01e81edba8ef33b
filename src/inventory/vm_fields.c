#include "inventory/vm_fields.h"

#include "base/array.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"

#include <inttypes.h>
#include <strings.h>

static const double GIB = 1024.0 * 1024.0 * 1024.0;

static void put_if_absent(json_t *vm, const char *key, json_t *value)
{
    if (json_object_get(vm, key) == NULL)
        json_object_set_new(vm, key, value);
    else
        json_decref(value);
}

static void add_concerns(json_t *vm)
{
    static const char *const categories[] = {"Critical", "Warning", "Information"};
    static const char *const keys[] = {"criticalConcerns", "warningConcerns", "infoConcerns"};
    const json_t *concerns = obj_arr(vm, "concerns"), *concern = NULL;
    int64_t counts[ARRAY_SIZE(categories)] = {0};
    size_t i = 0;

    json_array_foreach(concerns, i, concern) for (size_t k = 0; k < ARRAY_SIZE(categories); k++)
        counts[k] += str_eq(obj_str(concern, "category", ""), categories[k]);
    for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
        put_if_absent(vm, keys[k], json_integer(counts[k]));
    put_if_absent(vm, "concernsHuman",
                  json_sprintf("%" PRId64 "/%" PRId64 "/%" PRId64 "%s", counts[0], counts[1],
                               counts[2], counts[0] > 0 ? " (*)" : ""));
}

/* Bytes of all disks: each provider has its own spelling. */
static double disk_bytes(const json_t *vm)
{
    static const char *const keys[] = {"capacity", "Capacity", "provisionedSize", "size"};
    const json_t *disks = obj_arr(vm, "disks"), *disk = NULL;
    double sum = 0;
    size_t i = 0;

    json_array_foreach(disks, i, disk) for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
    {
        const json_t *size = json_object_get(disk, keys[k]);
        if (json_is_number(size)) {
            sum += json_number_value(size);
            break;
        }
    }
    return sum;
}

static int64_t memory_mib(const json_t *vm)
{
    const json_t *bytes = json_object_get(vm, "memory"); /* oVirt */

    if (json_is_integer(bytes))
        return json_integer_value(bytes) / 1024 / 1024;
    return obj_int(vm, "memoryMB", obj_int(vm, "memoryMb", 0));
}

static const char *power(const json_t *vm)
{
    static const char *const on[] = {"poweredOn", "On", "up", "ACTIVE", "Running", "running"};
    static const char *const off[] = {"poweredOff", "Off",     "down",    "SHUTOFF",
                                      "Stopped",    "stopped", "shutdown"};
    const char *state = obj_str(vm, "powerState", obj_str(vm, "status", ""));

    for (size_t i = 0; i < ARRAY_SIZE(on); i++)
        if (str_eq(state, on[i]))
            return "On";
    for (size_t i = 0; i < ARRAY_SIZE(off); i++)
        if (str_eq(state, off[i]))
            return "Off";
    return state[0] != '\0' ? state : "Unknown";
}

static json_t *gigabytes(double bytes)
{
    return json_sprintf("%.1f", bytes / GIB);
}

/* KubeVirt has its topology inside of the object. */
static int64_t cpus(const json_t *vm)
{
#define CPU "object.spec.template.spec.domain.cpu."
    int64_t sockets = obj_int(vm, CPU "sockets", 1), cores = obj_int(vm, CPU "cores", 1),
            threads = obj_int(vm, CPU "threads", 1);
#undef CPU
    return sockets > 0 && sockets < 4096 && cores > 0 && cores < 4096 && threads > 0 &&
                   threads < 4096
               ? sockets * cores * threads
               : 0;
}

void vm_fields_add(json_t *vm, const char *provider)
{
    const char *os = obj_str(vm, "osType", obj_str(vm, "guestName", obj_str(vm, "guestOS", "")));

    add_concerns(vm);
    put_if_absent(vm, "memoryGB",
                  json_sprintf("%.1f", (double)memory_mib(vm) / 1024.0));
    put_if_absent(vm, "diskCapacity", gigabytes(disk_bytes(vm)));
    put_if_absent(vm, "storageUsedGB",
                  gigabytes((double)obj_int(vm, "storageUsed", 0)));
    put_if_absent(vm, "powerStateHuman", json_string(power(vm)));
    put_if_absent(vm, "cpuCount", json_integer(cpus(vm)));
    put_if_absent(vm, "guestId", json_string(os));
    if (provider != NULL)
        put_if_absent(vm, "provider", json_string(provider));
}
