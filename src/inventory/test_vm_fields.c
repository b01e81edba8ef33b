#include "inventory/vm_fields.h"

#include "base/array.h"
#include "base/error.h"
#include "base/test.h"
#include "data/obj.h"
#include "inventory/rest_query.h"
#include "inventory/routes.h"

#include <string.h>

static json_t *parse(const char *text)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *value = obj_parse(text, strlen(text), &err);

    CHECK(value != NULL);
    return value;
}

TEST(every_provider_spells_the_fields_its_own_way)
{
    static const struct {
        const char *vm, *memory, *disk, *power;
        int64_t cpus;
    } cases[] = {
        {"{\"memoryMB\": 4096, \"cpuCount\": 2, \"powerState\": \"poweredOn\","
         " \"disks\": [{\"capacity\": 1073741824}, {\"capacity\": 536870912}]}",
         "4.0", "1.5", "On", 2},
        {"{\"memoryMb\": 512, \"cpuCount\": 1, \"powerState\": \"\","
         " \"disks\": [{\"Capacity\": 1073741824}]}",
         "0.5", "1.0", "Unknown", 1},
        {"{\"memory\": 2147483648, \"status\": \"down\"}", "2.0", "0.0", "Off", 1},
        {"{\"object\": {\"spec\": {\"template\": {\"spec\": {\"domain\": {\"cpu\":"
         " {\"sockets\": 2, \"cores\": 3, \"threads\": 2}}}}}}}",
         "0.0", "0.0", "Unknown", 12},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_auto_t *vm = parse(cases[i].vm);

        vm_fields_add(vm, "vc");
        CHECK_STR(obj_str(vm, "memoryGB", ""), cases[i].memory);
        CHECK_STR(obj_str(vm, "diskCapacity", ""), cases[i].disk);
        CHECK_STR(obj_str(vm, "powerStateHuman", ""), cases[i].power);
        CHECK_INT(obj_int(vm, "cpuCount", 0), cases[i].cpus);
        CHECK_STR(obj_str(vm, "provider", ""), "vc");
        CHECK_STR(obj_str(vm, "concernsHuman", ""), "0/0/0");
    }
}

TEST(concerns_are_counted_by_category)
{
    json_auto_t *vm =
        parse("{\"concerns\": [{\"category\": \"Critical\"}, {\"category\": \"Warning\"},"
              " {\"category\": \"Warning\"}, {\"category\": \"Information\"}]}");

    vm_fields_add(vm, NULL);
    CHECK_STR(obj_str(vm, "concernsHuman", ""), "1/2/1 (*)");
    CHECK_INT(obj_int(vm, "warningConcerns", 0), 2);
    CHECK(json_object_get(vm, "provider") == NULL);
}

static const char rows[] =
    "[{\"id\": \"1\", \"name\": \"web\", \"memoryMB\": 4096, \"concerns\": []},"
    " {\"id\": \"2\", \"name\": \"db\", \"memoryMB\": 8192, \"concerns\": [{\"category\": "
    "\"Critical\"}]}, {\"id\": \"3\", \"name\": \"old\", \"memoryMB\": 1024}]";

/* The answer to QUERY as text, or the error's. */
static char *ask(const char *text, int detail)
{
    const struct route_type *type = route_find_type("vsphere");
    const struct rest_query query = {.text = text,
                                     .provider = "vc",
                                     .type = type,
                                     .collection = route_find_collection(type, "vms"),
                                     .detail = detail};
    CLEANUP(error) struct error *err = NULL;
    json_auto_t *objects = parse(rows);
    json_auto_t *found = NULL;

    return rest_query_run(&query, objects, &found, &err) == 0 ? obj_format(found)
                                                              : error_format(err);
}

TEST(a_query_selects_orders_and_cuts)
{
    static const struct {
        const char *query, *answer;
    } cases[] = {
        {"select name where memoryMB > 2000 order by name", "[{\"name\":\"db\"},{\"name\":\"web\"}]"},
        {"select name, memoryGB as gb where criticalConcerns = 1", "[{\"name\":\"db\",\"gb\":\"8.0\"}]"},
        {"select id order by memoryMB desc limit 1", "[{\"id\":\"2\"}]"},
        {"select id where name = 'none'", "[]"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(str) char *answer = ask(cases[i].query, 0);
        CHECK_STR(answer, cases[i].answer);
    }
}

TEST(a_query_that_is_wrong_says_where)
{
    CLEANUP(str) char *syntax = ask("name = = 'x'", 0);
    CLEANUP(str) char *types = ask("name > 3 and name + 1 > 2", 0);

    CHECK(strncmp(syntax, "q: ", 3) == 0);
    CHECK(strncmp(types, "q: ", 3) == 0);
}
