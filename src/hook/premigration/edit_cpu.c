/* Dedicated processors: topology, vcpu count, pinning, NUMA and the features that go with it, from the
 * target's own cpuset.  What is guest-visible and not ours to change (CPU model, guest NUMA cells,
 * other features) stays as the source had it. */
#include "hook/premigration/edits.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/dom.h"
#include "hook/premigration/cpu_fit.h"
#include "hook/premigration/facts.h"

#include <stdio.h>
#include <stdlib.h>

enum { CPUSET_TEXT_MAX = 64 * 1024 };

bool cpu_applies(const struct facts *facts, struct dom_node *domain)
{
    return facts->cpu.dedicated;
}

static uint32_t total_sockets(const struct fact_topology *cpu)
{
    return cpu->max_sockets > 0 ? cpu->max_sockets : cpu->sockets;
}

/* Sockets of which every vCPU is switched off in the definition; they are not pinned. */
static uint32_t disabled_sockets(struct dom_node *domain, const struct fact_topology *cpu)
{
    struct dom_node *vcpus = dom_find(domain, "vcpus");
    uint32_t disabled = 0;

    if (vcpus == NULL || cpu->max_sockets == 0)
        return 0;
    for (struct dom_node *vcpu = dom_first(vcpus, "vcpu"); vcpu != NULL;
         vcpu = dom_next(vcpu, "vcpu"))
        disabled += !dom_attr_is(vcpu, "enabled", "yes");
    return disabled / (cpu->cores * cpu->threads);
}

static void put_topology(struct dom_node *domain, const struct fact_topology *cpu)
{
    struct dom_node *topology = dom_need(domain, "cpu/topology");
    struct dom_node *vcpu = dom_renew(domain, "vcpu");
    char count[16];

    dom_set_attr_int(topology, "sockets", total_sockets(cpu));
    dom_set_attr_int(topology, "cores", cpu->cores);
    dom_set_attr_int(topology, "threads", cpu->threads);
    snprintf(count, sizeof(count), "%u", total_sockets(cpu) * cpu->cores * cpu->threads);
    dom_set_attr(vcpu, "placement", "static");
    dom_set_text(vcpu, count);
}

static void add_pin(struct dom_node *cputune, const char *element, const char *key, uint32_t value,
                    const char *cpuset)
{
    struct dom_node *pin = dom_add(cputune, element);

    if (key != NULL)
        dom_set_attr_int(pin, key, value);
    dom_set_attr(pin, "cpuset", cpuset);
}

/* The processors FROM to FROM + COUNT of LIST as "1,2,5". */
static char *format_cpus(const struct cpu_list *list, size_t from, size_t count)
{
    struct buf text = BUF_INIT(CPUSET_TEXT_MAX);

    for (size_t i = from; i < from + count && i < list->len; i++)
        buf_printf(&text, "%s%u", i == from ? "" : ",", list->ptr[i]);
    return buf_take(&text);
}

static uint32_t io_threads(struct dom_node *domain)
{
    struct dom_node *node = dom_find(domain, "iothreads");
    CLEANUP(str) char *text = node == NULL ? NULL : dom_text(node);
    uint64_t count = 0;

    if (text == NULL || !span_u64(span_trim(span_of(text)), &count) || count > FACTS_MAX_CPUS)
        return 0;
    return (uint32_t)count;
}

/* IO threads share the emulator's thread if it has one of its own; otherwise there is one host thread
 * for each, or they share the cpuset in parts whose sizes differ by one at the most. */
static void pin_io_threads(struct dom_node *domain, struct dom_node *cputune,
                           const struct fact_topology *cpu, const struct cpu_fit *fit)
{
    uint32_t count = io_threads(domain);
    uint32_t vcpus = total_sockets(cpu) * cpu->cores * cpu->threads;
    size_t next = 0;

    for (uint32_t i = 1; i <= count; i++) {
        CLEANUP(str) char *cpuset = NULL;

        if (cpu->io_cpuset.len > 0) {
            cpuset = format_cpus(&cpu->io_cpuset, 0, cpu->io_cpuset.len);
        } else if (cpu->isolate_emulator) {
            if (i > 1)
                break;
            cpuset = xasprintf("%u", fit->emulator);
        } else if (count >= vcpus) {
            cpuset = format_cpus(&cpu->cpuset, (i % vcpus) % cpu->cpuset.len, 1);
        } else {
            size_t share = vcpus / count + (i <= vcpus % count ? 1 : 0);

            cpuset = format_cpus(&cpu->cpuset, next, share);
            next += share;
        }
        add_pin(cputune, "iothreadpin", "iothread", i, cpuset);
    }
}

/* The host cell that a host thread lies in, -1 if none. */
static int64_t cell_of(const struct fact_topology *cpu, uint32_t thread)
{
    for (size_t i = 0; i < cpu->cells.len; i++)
        for (size_t j = 0; j < cpu->cells.ptr[i].cpus.len; j++)
            if (cpu->cells.ptr[i].cpus.ptr[j].id == thread)
                return (int64_t)i;
    return -1;
}

static size_t count_guest_cells(struct dom_node *domain)
{
    struct dom_node *numa = dom_find(domain, "cpu/numa");
    size_t count = 0;

    for (struct dom_node *cell = numa == NULL ? NULL : dom_first(numa, "cell"); cell != NULL;
         cell = dom_next(cell, "cell"))
        count++;
    return count;
}

/* Memory of each guest cell from the host cell its vCPUs are pinned to. */
static int put_numatune(struct dom_node *domain, const struct fact_topology *cpu,
                        const struct cpu_fit *fit, struct error **err)
{
    CLEANUP(buf) struct buf nodeset = BUF_INIT(CPUSET_TEXT_MAX);
    struct dom_node *numatune = dom_renew(domain, "numatune");
    struct dom_node *memory = dom_add(numatune, "memory");
    uint32_t guest_cell = 0;

    for (size_t i = 0; i < cpu->cells.len; i++) {
        bool involved = false;
        char cell[16];

        for (size_t j = 0; j < fit->pins.len; j++)
            involved |= cell_of(cpu, fit->pins.ptr[j]) == (int64_t)i;
        if (!involved)
            continue;
        snprintf(cell, sizeof(cell), "%u", cpu->cells.ptr[i].id);
        buf_printf(&nodeset, "%s%s", nodeset.len == 0 ? "" : ",", cell);

        struct dom_node *memnode = dom_add(numatune, "memnode");
        dom_set_attr_int(memnode, "cellid", guest_cell++);
        dom_set_attr(memnode, "mode", "strict");
        dom_set_attr(memnode, "nodeset", cell);
    }
    dom_set_attr(memory, "mode", "strict");
    dom_set_attr(memory, "nodeset", buf_span(&nodeset).ptr);

    size_t cells = count_guest_cells(domain);
    if (cells > 0 && cells != guest_cell)
        return error_set(err, ERROR_INVALID,
                         "the guest has %zu NUMA cells, its threads lie in %u of the target's",
                         cells, guest_cell);
    return 0;
}

static void put_features(struct dom_node *domain, const struct fact_topology *cpu)
{
    if (str_eq(cpu->architecture, "amd64"))
        dom_set_attr(dom_need(domain, "features/kvm/hint-dedicated"), "state", "on");
    if (cpu->realtime)
        dom_set_attr(dom_need(domain, "features/pmu"), "state", "off");
}

int cpu_edit(const struct facts *facts, struct dom *dom, struct error **err)
{
    const struct fact_topology *cpu = &facts->cpu;
    struct dom_node *domain = dom_root(dom);
    const struct cpu_fit_request request = {
        .cores = (total_sockets(cpu) - disabled_sockets(domain, cpu)) * cpu->cores,
        .threads = cpu->threads,
        .strict = cpu->numa_passthrough,
        .emulator = cpu->isolate_emulator,
    };
    struct cpu_fit fit = {0};
    int result = 0;

    if (cpu->cpuset.len == 0 || cpu->cells.len == 0)
        return error_set(err, ERROR_INVALID, "dedicated processors, but no cpuset or no topology");
    if (cpu_fit(&request, cpu, &fit, err) == -1)
        return -1;

    put_topology(domain, cpu);
    struct dom_node *cputune = dom_renew(domain, "cputune");
    for (size_t i = 0; i < fit.pins.len; i++) {
        char thread[16];

        snprintf(thread, sizeof(thread), "%u", fit.pins.ptr[i]);
        add_pin(cputune, "vcpupin", "vcpu", (uint32_t)i, thread);
    }
    if (cpu->isolate_emulator) {
        CLEANUP(str) char *thread = xasprintf("%u", fit.emulator);

        add_pin(cputune, "emulatorpin", NULL, 0, thread);
    }
    pin_io_threads(domain, cputune, cpu, &fit);
    put_features(domain, cpu);
    if (cpu->numa_passthrough)
        result = put_numatune(domain, cpu, &fit, err);
    else if (dom_find(domain, "numatune") != NULL)
        dom_remove(dom_find(domain, "numatune")); /* it names cells of the source's host */
    cpu_fit_reset(&fit);
    return result;
}
