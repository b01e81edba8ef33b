#include "hook/premigration/facts.h"

#include "base/error.h"
#include "data/obj.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A field that may be absent but not of another type. */
static int get_str(const json_t *o, const char *path, char **to, struct error **err)
{
    const json_t *value = obj_at(o, path);

    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return error_set(err, ERROR_INVALID, "\"%s\" is no text", path);
    *to = xstrdup(json_string_value(value));
    return 0;
}

static int get_u64(const json_t *o, const char *path, uint64_t max, uint64_t *to,
                   struct error **err)
{
    const json_t *value = obj_at(o, path);

    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (uint64_t)json_integer_value(value) > max)
        return error_set(err, ERROR_INVALID, "\"%s\" is no number from 0 to %" PRIu64, path, max);
    *to = (uint64_t)json_integer_value(value);
    return 0;
}

static int get_u32(const json_t *o, const char *path, uint32_t max, uint32_t *to,
                   struct error **err)
{
    uint64_t value = *to;

    if (get_u64(o, path, max, &value, err) == -1)
        return -1;
    *to = (uint32_t)value;
    return 0;
}

static int get_bool(const json_t *o, const char *path, bool *to, struct error **err)
{
    const json_t *value = obj_at(o, path);

    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_boolean(value))
        return error_set(err, ERROR_INVALID, "\"%s\" is neither true nor false", path);
    *to = json_is_true(value);
    return 0;
}

/* The list at PATH, NULL if absent. */
static int get_list(const json_t *o, const char *path, size_t max, const json_t **to,
                    struct error **err)
{
    const json_t *value = obj_at(o, path);

    *to = NULL;
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_array(value))
        return error_set(err, ERROR_INVALID, "\"%s\" is no list", path);
    if (json_array_size(value) > max)
        return error_set(err, ERROR_INVALID, "\"%s\" has more than %zu entries", path, max);
    *to = value;
    return 0;
}

static int get_cpus(const json_t *o, const char *path, struct cpu_list *to, struct error **err)
{
    const json_t *list;

    if (get_list(o, path, FACTS_MAX_CPUS, &list, err) == -1)
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *cpu = json_array_get(list, i);

        if (!json_is_integer(cpu) || json_integer_value(cpu) < 0 ||
            json_integer_value(cpu) >= FACTS_MAX_CPUS)
            return error_set(err, ERROR_INVALID, "\"%s[%zu]\" is no processor number", path, i);
        cpu_list_push(to, (uint32_t)json_integer_value(cpu));
    }
    return 0;
}

static int get_cells(const json_t *o, struct fact_cell_list *to, struct error **err)
{
    const json_t *cells, *cpus;

    if (get_list(o, "cpu.topology.cells", FACTS_MAX_DEVICES, &cells, err) == -1)
        return -1;
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);

        fact_cell_list_push(to, (struct fact_cell){0});
        struct fact_cell *fact = &to->ptr[to->len - 1];
        if (get_u32(cell, "id", FACTS_MAX_CPUS, &fact->id, err) == -1 ||
            get_list(cell, "cpus", FACTS_MAX_CPUS, &cpus, err) == -1)
            return error_wrap(err, "cpu.topology.cells[%zu]", i);
        for (size_t j = 0; j < json_array_size(cpus); j++) {
            const json_t *cpu = json_array_get(cpus, j);

            fact_cpu_list_push(&fact->cpus, (struct fact_cpu){0});
            struct fact_cpu *one = &fact->cpus.ptr[fact->cpus.len - 1];
            if (get_u32(cpu, "id", FACTS_MAX_CPUS - 1, &one->id, err) == -1 ||
                get_cpus(cpu, "siblings", &one->siblings, err) == -1)
                return error_wrap(err, "cpu.topology.cells[%zu].cpus[%zu]", i, j);
        }
    }
    return 0;
}

static int get_cpu(const json_t *o, struct fact_topology *to, struct error **err)
{
    to->sockets = to->cores = to->threads = 1;
    if (get_bool(o, "cpu.dedicated", &to->dedicated, err) == -1 ||
        get_bool(o, "cpu.isolateEmulatorThread", &to->isolate_emulator, err) == -1 ||
        get_bool(o, "cpu.realtime", &to->realtime, err) == -1 ||
        get_bool(o, "cpu.numaPassthrough", &to->numa_passthrough, err) == -1 ||
        get_str(o, "cpu.architecture", &to->architecture, err) == -1 ||
        get_u32(o, "cpu.sockets", FACTS_MAX_CPUS, &to->sockets, err) == -1 ||
        get_u32(o, "cpu.cores", FACTS_MAX_CPUS, &to->cores, err) == -1 ||
        get_u32(o, "cpu.threads", FACTS_MAX_CPUS, &to->threads, err) == -1 ||
        get_u32(o, "cpu.maxSockets", FACTS_MAX_CPUS, &to->max_sockets, err) == -1 ||
        get_cpus(o, "cpu.cpuset", &to->cpuset, err) == -1 ||
        get_cpus(o, "cpu.ioThreadCpuset", &to->io_cpuset, err) == -1)
        return -1;
    if (to->sockets == 0 || to->cores == 0 || to->threads == 0)
        return error_set(err, ERROR_INVALID, "cpu.sockets, cpu.cores and cpu.threads start at 1");
    return get_cells(o, &to->cells, err);
}

static int get_networks(const json_t *o, struct fact_network_list *to, struct error **err)
{
    const json_t *list;

    if (get_list(o, "networks", FACTS_MAX_DEVICES, &list, err) == -1)
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *network = json_array_get(list, i);
        const char *name;

        if (obj_need_str(network, "name", &name, err) == -1)
            return error_wrap(err, "networks[%zu]", i);
        fact_network_list_push(to, (struct fact_network){.name = xstrdup(name)});
        struct fact_network *fact = &to->ptr[to->len - 1];
        if (get_str(network, "tap", &fact->tap, err) == -1 ||
            get_str(network, "bridge", &fact->bridge, err) == -1)
            return error_wrap(err, "networks[%zu]", i);
    }
    return 0;
}

static int get_volumes(const json_t *o, struct fact_volume_list *to, struct error **err)
{
    const json_t *list;

    if (get_list(o, "volumes", FACTS_MAX_DEVICES, &list, err) == -1)
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *volume = json_array_get(list, i);
        const char *name;

        if (obj_need_str(volume, "name", &name, err) == -1)
            return error_wrap(err, "volumes[%zu]", i);
        fact_volume_list_push(to, (struct fact_volume){.name = xstrdup(name)});
        struct fact_volume *fact = &to->ptr[to->len - 1];
        if (get_str(volume, "file", &fact->file, err) == -1 ||
            get_str(volume, "block", &fact->block, err) == -1 ||
            get_u64(volume, "sliceBytes", INT64_MAX, &fact->slice_bytes, err) == -1 ||
            get_str(volume, "cache", &fact->cache, err) == -1 ||
            get_str(volume, "discard", &fact->discard, err) == -1 ||
            get_str(volume, "io", &fact->io, err) == -1)
            return error_wrap(err, "volumes[%zu]", i);
        if (fact->file != NULL && fact->block != NULL)
            return error_set(err, ERROR_INVALID, "volumes[%zu]: both a file and a block device",
                             i);
    }
    return 0;
}

static int get_devices(const json_t *o, struct facts *to, struct error **err)
{
    const json_t *list;

    if (get_list(o, "gpus", FACTS_MAX_DEVICES, &list, err) == -1)
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++)
        str_list_push(&to->mdevs, xstrdup(obj_str(json_array_get(list, i), "mdev", "")));

    if (get_list(o, "hostDevices", FACTS_MAX_DEVICES, &list, err) == -1)
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *alias, *address;

        if (obj_need_str(json_array_get(list, i), "alias", &alias, err) == -1 ||
            obj_need_str(json_array_get(list, i), "address", &address, err) == -1)
            return error_wrap(err, "hostDevices[%zu]", i);
        fact_host_device_list_push(&to->host_devices, (struct fact_host_device){
                                                          xstrdup(alias), xstrdup(address)});
    }
    return 0;
}

/* The gate under its name and its older one, as premigration_gate reads them from a text. */
static int get_gate(const json_t *o, bool *off, struct error **err)
{
    static const char *const paths[] = {"featureGates.LibvirtHooksServerAndClient",
                                        "featureGates.TargetSideMigrationHooks"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        bool on = true;

        if (get_bool(o, paths[i], &on, err) == -1)
            return -1;
        *off |= !on;
    }
    return 0;
}

int facts_parse(const char *text, size_t len, struct facts **out, struct error **err)
{
    CLEANUP(facts) struct facts *facts = xcalloc(1, sizeof(*facts));

    if (len > FACTS_MAX_BYTES)
        return error_set(err, ERROR_INVALID, "a context of %zu bytes, more than %d", len,
                         FACTS_MAX_BYTES);

    json_auto_t *o = obj_parse(text, len, err);
    if (o == NULL)
        return -1;
    if (!json_is_object(o))
        return error_set(err, ERROR_INVALID, "the context is no JSON object");
    if (get_str(o, "vm.namespace", &facts->ns, err) == -1 ||
        get_str(o, "vm.name", &facts->name, err) == -1 ||
        get_str(o, "vm.uid", &facts->uid, err) == -1 ||
        get_str(o, "node", &facts->node, err) == -1 ||
        get_str(o, "source.domainNamespace", &facts->source_ns, err) == -1 ||
        get_str(o, "source.vmiUID", &facts->source_uid, err) == -1 ||
        get_str(o, "target.domainNamespace", &facts->target_ns, err) == -1 ||
        get_str(o, "target.vmiUID", &facts->target_uid, err) == -1 ||
        get_str(o, "source.folder", &facts->source_folder, err) == -1 ||
        get_str(o, "target.folder", &facts->target_folder, err) == -1 ||
        get_gate(o, &facts->gate_off, err) == -1 ||
        get_bool(o, "hashTapNames", &facts->hash_taps, err) == -1 ||
        get_cpu(o, &facts->cpu, err) == -1 || get_networks(o, &facts->networks, err) == -1 ||
        get_volumes(o, &facts->volumes, err) == -1 || get_devices(o, facts, err) == -1)
        return -1;
    facts->json = xstrndup(text, len);
    *out = steal(&facts);
    return 0;
}

static void topology_reset(struct fact_topology *topology)
{
    for (size_t i = 0; i < topology->cells.len; i++) {
        struct fact_cell *cell = &topology->cells.ptr[i];

        for (size_t j = 0; j < cell->cpus.len; j++)
            cpu_list_reset(&cell->cpus.ptr[j].siblings);
        fact_cpu_list_reset(&cell->cpus);
    }
    fact_cell_list_reset(&topology->cells);
    cpu_list_reset(&topology->cpuset);
    cpu_list_reset(&topology->io_cpuset);
    free(topology->architecture);
}

void facts_free(struct facts *facts)
{
    if (facts == NULL)
        return;

    char *const texts[] = {facts->json,      facts->ns,         facts->name,      facts->uid, facts->node,
                           facts->source_ns, facts->source_uid, facts->target_ns, facts->target_uid,
                           facts->source_folder, facts->target_folder};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
    topology_reset(&facts->cpu);
    for (size_t i = 0; i < facts->networks.len; i++) {
        free(facts->networks.ptr[i].name);
        free(facts->networks.ptr[i].tap);
        free(facts->networks.ptr[i].bridge);
    }
    fact_network_list_reset(&facts->networks);
    for (size_t i = 0; i < facts->volumes.len; i++) {
        struct fact_volume *volume = &facts->volumes.ptr[i];

        free(volume->name);
        free(volume->file);
        free(volume->block);
        free(volume->cache);
        free(volume->discard);
        free(volume->io);
    }
    fact_volume_list_reset(&facts->volumes);
    str_list_free_all(&facts->mdevs);
    for (size_t i = 0; i < facts->host_devices.len; i++) {
        free(facts->host_devices.ptr[i].alias);
        free(facts->host_devices.ptr[i].address);
    }
    fact_host_device_list_reset(&facts->host_devices);
    free(facts);
}
