#include "node/live/state.h"

#include "base/test.h"

static json_t *instance(const char *text)
{
    CLEANUP(error) struct error *err = NULL;
    json_t *vmi = obj_parse(text, strlen(text), &err);

    CHECK_OK(vmi == NULL ? -1 : 0, err);
    return vmi;
}

#define STATE(uid, more)                                                                           \
    "{\"metadata\": {\"uid\": \"1\"}, \"status\": {\"migrationState\": {\"sourceState\": "         \
    "{\"virtualMachineInstanceUID\": \"" uid "\"}" more "}}}"

TEST(tells_who_leaves_has_left_or_waits)
{
    static const struct {
        const char *vmi;
        bool receiver, leaving, left;
    } cases[] = {
        {"{\"metadata\": {\"uid\": \"1\"}}", false, false, false},
        {"{\"metadata\": {\"uid\": \"1\", \"annotations\": {\"kubevirt.io/create-migration-target\": "
         "\"true\"}}}",
         true, false, false},
        {STATE("1", ""), false, true, false},
        {STATE("1", ", \"completed\": true"), false, false, true},
        {STATE("1", ", \"failed\": true"), false, false, false},
        {STATE("1", ", \"failed\": true, \"completed\": true"), false, false, false},
        /* the target's own instance has another UID */
        {STATE("2", ""), false, false, false},
        {STATE("2", ", \"completed\": true"), false, false, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_auto_t *vmi = instance(cases[i].vmi);

        CHECK(live_is_receiver(vmi) == cases[i].receiver);
        CHECK(live_is_leaving(vmi) == cases[i].leaving);
        CHECK(live_has_left(vmi) == cases[i].left);
    }
}
