#include "hook/premigration/cpu_fit.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* Hosts as "cell|cell", a cell as cores parted by blanks, a core as its threads: "0,4 1,5|2,6 3,7". */
static void add_cell(struct fact_topology *topology, struct span text)
{
    struct fact_cell cell = {.id = (uint32_t)topology->cells.len};
    struct span core, thread;

    while (span_split(&text, ' ', &core)) {
        struct cpu_list siblings = {0};
        uint64_t number;

        while (span_split(&core, ',', &thread)) {
            CHECK(span_u64(thread, &number));
            cpu_list_push(&siblings, (uint32_t)number);
        }
        /* every thread is listed, each with all its siblings, as libvirt's capabilities have it */
        for (size_t i = 0; i < siblings.len; i++) {
            struct fact_cpu cpu = {.id = siblings.ptr[i]};

            for (size_t j = 0; j < siblings.len; j++)
                cpu_list_push(&cpu.siblings, siblings.ptr[j]);
            fact_cpu_list_push(&cell.cpus, cpu);
        }
        cpu_list_reset(&siblings);
    }
    fact_cell_list_push(&topology->cells, cell);
}

static struct facts *host(const char *cells, const char *cpuset)
{
    struct facts *facts = xcalloc(1, sizeof(*facts));
    struct span rest = span_of(cells), part;
    uint64_t number;

    while (span_split(&rest, '|', &part))
        add_cell(&facts->cpu, part);
    rest = span_of(cpuset);
    while (span_split(&rest, ',', &part)) {
        CHECK(span_u64(part, &number));
        cpu_list_push(&facts->cpu.cpuset, (uint32_t)number);
    }
    return facts;
}

static char *format_fit(const struct cpu_fit *fit, bool emulator)
{
    struct buf text = BUF_INIT(4096);

    for (size_t i = 0; i < fit->pins.len; i++)
        buf_printf(&text, "%s%u", i == 0 ? "" : ",", fit->pins.ptr[i]);
    if (emulator)
        buf_printf(&text, " e%u", fit->emulator);
    return buf_take(&text);
}

#define FLAT   "0 1 2 3 4 5 6 7"
#define SMT    "0,4 1,5 2,6 3,7"
#define TWO    "0,4 1,5|2,6 3,7"
#define TWO_1T "0 1 2 3|4 5 6 7"
#define FOUR   "0,8 1,9|2,10 3,11|4,12 5,13|6,14 7,15"

/* WANT: the pins, " eN" for the emulator's thread; "cross" and "few" are the two refusals. */
static const struct {
    const char *cells, *cpuset;
    uint32_t cores, threads;
    bool strict, emulator;
    const char *want;
} cases[] = {
    /* cores of one thread */
    {FLAT, "0", 1, 1, false, false, "0"},
    {FLAT, "7", 1, 1, false, false, "7"},
    {FLAT, "2,3", 2, 1, false, false, "2,3"},
    {FLAT, "3,2", 2, 1, false, false, "2,3"},
    {FLAT, "0,2,4,6", 4, 1, false, false, "0,2,4,6"},
    {FLAT, "0,1,2,3,4,5,6,7", 8, 1, false, false, "0,1,2,3,4,5,6,7"},
    {FLAT, "0,1,2", 2, 1, false, false, "0,1"},
    {FLAT, "0,1", 3, 1, false, false, "few"},
    {FLAT, "5", 2, 1, false, false, "few"},
    {FLAT, "0,1,2", 2, 1, false, true, "0,1 e2"},
    {FLAT, "0,1", 2, 1, false, true, "few"},
    /* guest cores of two threads on host cores of one: all are fragments */
    {FLAT, "0,1", 1, 2, false, false, "0,1"},
    {FLAT, "0,1,2,3", 2, 2, false, false, "0,1,2,3"},
    {FLAT, "0,1,2", 2, 2, false, false, "few"},
    {FLAT, "0,1,2", 1, 2, false, true, "0,1 e2"},
    /* hyperthreads, guest cores of one thread */
    {SMT, "0,4", 1, 1, false, false, "0"},
    {SMT, "0,4", 2, 1, false, false, "0,4"},
    {SMT, "0,1,4,5", 3, 1, false, false, "0,4,1"},
    {SMT, "0,1,4,5", 4, 1, false, false, "0,4,1,5"},
    {SMT, "0,1,2,3", 4, 1, false, false, "0,1,2,3"},
    {SMT, "4,5,6,7", 4, 1, false, false, "4,5,6,7"},
    {SMT, "0,1,4,5", 3, 1, false, true, "0,4,1 e5"},
    {SMT, "0,1,4,5", 4, 1, false, true, "few"},
    /* hyperthreads, guest cores of two */
    {SMT, "0,4", 1, 2, false, false, "0,4"},
    {SMT, "0,1,4,5", 2, 2, false, false, "0,4,1,5"},
    {SMT, "0,1,4,5", 1, 2, false, false, "0,4"},
    {SMT, "0,1,2,3,4,5,6,7", 4, 2, false, false, "0,4,1,5,2,6,3,7"},
    {SMT, "0,1", 1, 2, false, false, "0,1"},
    {SMT, "0,1,2,3", 2, 2, false, false, "0,1,2,3"},
    {SMT, "0,4,1,2", 2, 2, false, false, "0,4,1,2"},
    {SMT, "1,0,2,4", 2, 2, false, false, "0,4,1,2"},
    {SMT, "3,7,0,1", 2, 2, false, false, "3,7,0,1"},
    {SMT, "0,1,4", 1, 2, false, true, "0,4 e1"},
    {SMT, "0,1,4,5", 1, 2, false, true, "0,4 e1"},
    {SMT, "0,4", 1, 2, false, true, "few"},
    {SMT, "0,1,2", 2, 2, false, false, "few"},
    /* guest cores of four threads: host cores of two are fragments */
    {SMT, "0,1,4,5", 1, 4, false, false, "0,4,1,5"},
    {SMT, "0,1,2,3,4,5,6,7", 2, 4, false, false, "0,4,1,5,2,6,3,7"},
    {SMT, "0,1,4", 1, 4, false, false, "few"},
    /* two cells */
    {TWO, "0,4,2,6", 2, 2, false, false, "0,4,2,6"},
    {TWO, "2,6", 1, 2, false, false, "2,6"},
    {TWO, "0,2", 2, 1, false, false, "0,2"},
    {TWO, "0,2", 1, 2, false, false, "0,2"},
    {TWO, "0,2", 1, 2, true, false, "cross"},
    {TWO, "0,1", 1, 2, true, false, "0,1"},
    {TWO, "2,3", 1, 2, true, false, "2,3"},
    {TWO, "0,1,2,3", 2, 2, true, false, "0,1,2,3"},
    {TWO, "0,1,4,2,6", 2, 2, true, false, "0,4,2,6"},
    {TWO, "0,4,1,2", 2, 2, false, false, "0,4,1,2"},
    {TWO, "0,4,1,2", 2, 2, true, false, "cross"},
    {TWO, "0,4,1,2", 1, 2, true, true, "0,4 e1"},
    {TWO, "0,4,2", 1, 2, true, true, "0,4 e2"},
    {TWO, "0,1,4,5,2,6,3,7", 2, 4, true, false, "0,4,1,5,2,6,3,7"},
    {TWO, "0,4,2,6", 1, 4, true, false, "cross"},
    {TWO, "0,4,2,6", 1, 4, false, false, "0,4,2,6"},
    {TWO, "0", 1, 2, true, false, "few"},
    {TWO_1T, "3,4", 2, 1, true, false, "3,4"},
    {TWO_1T, "3,4", 1, 2, true, false, "cross"},
    {TWO_1T, "3,4", 1, 2, false, false, "3,4"},
    {TWO_1T, "2,3,4,5", 2, 2, true, false, "2,3,4,5"},
    {TWO_1T, "1,2,3,4,5,6", 3, 2, true, false, "cross"},
    {TWO_1T, "1,2,3,4,5,6", 3, 2, false, false, "1,2,4,5,3,6"},
    /* four cells */
    {FOUR, "0,8,4,12,6,14", 3, 2, true, false, "0,8,4,12,6,14"},
    {FOUR, "0,2,4,6", 4, 1, true, false, "0,2,4,6"},
    {FOUR, "0,2,4,6", 2, 2, false, false, "0,2,4,6"},
    {FOUR, "0,2,4,6", 2, 2, true, false, "cross"},
    {FOUR, "0,8,2,3,7,15", 3, 2, false, false, "0,8,7,15,2,3"},
    {FOUR, "0,8,2,3,7", 2, 2, true, true, "0,8,2,3 e7"},
};

TEST(fits_cores_onto_threads_as_the_passes_say)
{
    static_assert(ARRAY_SIZE(cases) >= 60, "the table covers the layouts");

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(facts) struct facts *facts = host(cases[i].cells, cases[i].cpuset);
        const struct cpu_fit_request request = {cases[i].cores, cases[i].threads, cases[i].strict,
                                                cases[i].emulator};
        struct cpu_fit fit = {0};
        const char *got;
        CLEANUP(str) char *pins = NULL;

        if (cpu_fit(&request, &facts->cpu, &fit, &err) == -1) {
            CLEANUP(str) char *text = error_format(err);

            got = strstr(text, "across NUMA cells") != NULL ? "cross" : "few";
        } else {
            got = pins = format_fit(&fit, cases[i].emulator);
        }
        if (strcmp(got, cases[i].want) != 0)
            test_fail(__FILE__, __LINE__, "case %zu (%s of %s, %u x %u): %s, not %s", i,
                      cases[i].cpuset, cases[i].cells, cases[i].cores, cases[i].threads, got,
                      cases[i].want);
        cpu_fit_reset(&fit);
    }
}
