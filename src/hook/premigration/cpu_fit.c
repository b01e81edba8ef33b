/* Each cell keeps a queue of whole cores (those with at least as many allowed threads as a guest core
 * has) and a queue of loose threads.  Taking threads off the front of a core may leave it with too
 * few: what is left then joins the loose ones. */
#include "hook/premigration/cpu_fit.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

struct core {
    struct cpu_list threads;
    size_t used; /* threads taken off its front */
};
DEFINE_VECTOR(core_list, struct core)

struct cell {
    struct core_list cores;
    size_t first_core; /* those before are used up */
    struct cpu_list loose;
    size_t loose_used;
};
DEFINE_VECTOR(cell_list, struct cell)

struct pool {
    struct cell_list cells;
    uint32_t threads; /* of a guest core */
};

static void pool_reset(struct pool *pool)
{
    for (size_t i = 0; i < pool->cells.len; i++) {
        struct cell *cell = &pool->cells.ptr[i];

        for (size_t j = 0; j < cell->cores.len; j++)
            cpu_list_reset(&cell->cores.ptr[j].threads);
        core_list_reset(&cell->cores);
        cpu_list_reset(&cell->loose);
    }
    cell_list_reset(&pool->cells);
}

DEFINE_CLEANUP_IN_PLACE(pool, struct pool, pool_reset)

/* Adds the allowed threads of the core that CPU belongs to, unless it was met before. */
static void add_core(struct pool *pool, struct cell *cell, const struct fact_cpu *cpu,
                     const bool *allowed, bool *met)
{
    const struct cpu_list self = {.ptr = (uint32_t *)(uintptr_t)&cpu->id, .len = 1};
    const struct cpu_list *siblings = cpu->siblings.len > 0 ? &cpu->siblings : &self;
    struct core core = {0};

    if (met[cpu->id])
        return;
    for (size_t i = 0; i < siblings->len; i++) {
        uint32_t thread = siblings->ptr[i];

        met[thread] = true;
        if (allowed[thread])
            cpu_list_push(&core.threads, thread);
    }
    if (core.threads.len >= pool->threads) {
        core_list_push(&cell->cores, core);
        return;
    }
    for (size_t i = 0; i < core.threads.len; i++)
        cpu_list_push(&cell->loose, core.threads.ptr[i]);
    cpu_list_reset(&core.threads);
}

static void pool_fill(struct pool *pool, const struct fact_topology *topology)
{
    bool allowed[FACTS_MAX_CPUS] = {false};
    bool met[FACTS_MAX_CPUS] = {false};

    for (size_t i = 0; i < topology->cpuset.len; i++)
        allowed[topology->cpuset.ptr[i]] = true;
    for (size_t i = 0; i < topology->cells.len; i++) {
        const struct fact_cell *fact = &topology->cells.ptr[i];

        cell_list_push(&pool->cells, (struct cell){0});
        for (size_t j = 0; j < fact->cpus.len; j++)
            add_core(pool, &pool->cells.ptr[i], &fact->cpus.ptr[j], allowed, met);
    }
}

/* Takes COUNT threads off the cell's first whole core; false if there is none. */
static bool take_from_core(struct pool *pool, struct cell *cell, uint32_t count,
                           struct cpu_list *to)
{
    if (cell->first_core == cell->cores.len)
        return false;

    struct core *core = &cell->cores.ptr[cell->first_core];

    for (uint32_t i = 0; i < count; i++)
        cpu_list_push(to, core->threads.ptr[core->used++]);
    if (core->threads.len - core->used >= pool->threads)
        return true;
    while (core->used < core->threads.len)
        cpu_list_push(&cell->loose, core->threads.ptr[core->used++]);
    cell->first_core++;
    return true;
}

/* Takes COUNT loose threads of the cell, all or none. */
static bool take_loose(struct cell *cell, uint32_t count, struct cpu_list *to)
{
    if (cell->loose.len - cell->loose_used < count)
        return false;
    for (uint32_t i = 0; i < count; i++)
        cpu_list_push(to, cell->loose.ptr[cell->loose_used++]);
    return true;
}

/* What is still needed after the three passes, in guest cores. */
static uint32_t fill(struct pool *pool, const struct cpu_fit_request *request, struct cpu_list *to)
{
    uint32_t left = request->cores;

    for (size_t i = 0; i < pool->cells.len; i++)
        while (left > 0 && take_from_core(pool, &pool->cells.ptr[i], pool->threads, to))
            left--;
    for (size_t i = 0; i < pool->cells.len; i++)
        while (left > 0 && take_loose(&pool->cells.ptr[i], pool->threads, to))
            left--;
    if (left == 0 || request->strict)
        return left;

    uint64_t threads = (uint64_t)left * pool->threads;
    for (size_t i = 0; i < pool->cells.len; i++)
        while (threads > 0 && take_loose(&pool->cells.ptr[i], 1, to))
            threads--;
    return (uint32_t)((threads + pool->threads - 1) / pool->threads);
}

/* A thread for the emulator: a loose one of the first cell that has anything left, else one of its
 * whole cores. */
static bool take_one(struct pool *pool, struct cpu_list *to)
{
    for (size_t i = 0; i < pool->cells.len; i++)
        if (take_loose(&pool->cells.ptr[i], 1, to) ||
            take_from_core(pool, &pool->cells.ptr[i], 1, to))
            return true;
    return false;
}

int cpu_fit(const struct cpu_fit_request *request, const struct fact_topology *topology,
            struct cpu_fit *out, struct error **err)
{
    CLEANUP(pool) struct pool pool = {.threads = request->threads};
    struct cpu_fit fit = {0};
    struct cpu_list emulator = {0};

    pool_fill(&pool, topology);
    uint32_t left = fill(&pool, request, &fit.pins);
    if (left > 0) {
        bool crossing = request->strict && topology->cpuset.len >=
                                               (uint64_t)request->cores * request->threads;

        cpu_fit_reset(&fit);
        error_set(err, ERROR_INVALID,
                  crossing ? "%u guest cores fit on %zu host threads only across NUMA cells"
                           : "%u guest cores do not fit on %zu host threads",
                  left, topology->cpuset.len);
        return error_hint(err, "the target needs %u dedicated host threads",
                          request->cores * request->threads + (request->emulator ? 1 : 0));
    }
    if (request->emulator && !take_one(&pool, &emulator)) {
        cpu_fit_reset(&fit);
        return error_set(err, ERROR_INVALID,
                         "no host thread is left for the emulator of %u guest cores",
                         request->cores);
    }
    fit.emulator = request->emulator ? emulator.ptr[0] : 0;
    cpu_list_reset(&emulator);
    *out = fit;
    return 0;
}

void cpu_fit_reset(struct cpu_fit *fit)
{
    cpu_list_reset(&fit->pins);
}
