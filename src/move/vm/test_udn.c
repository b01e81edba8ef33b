#include "move/vm/udn.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/conditions.h"
#include "kube/kinds.h"
#include "move/vm/fake_source.h"
#include "move/vm/scene.h"

#include <stdlib.h>

static void put_network(struct scene *scene, const char *config)
{
    fake_cluster_put(scene->cluster, &KIND_NETWORK_ATTACHMENT,
                     obj_pack("{s:{s:s, s:s, s:{s:s}}, s:{s:s}}", "metadata", "namespace", "target",
                              "name", "net", "labels", "k8s.ovn.org/user-defined-network", "",
                              "spec", "config", config));
}

TEST(subnets_have_the_addresses_that_their_bits_say)
{
    static const struct {
        const char *subnets, *address;
        bool covered;
    } cases[] = {
        {"10.1.0.0/16", "10.1.255.7", true},     {"10.1.0.0/16", "10.2.0.1", false},
        {"10.1.0.0/17", "10.1.127.1", true},     {"10.1.0.0/17", "10.1.128.1", false},
        {"0.0.0.0/0", "203.0.113.9", true},      {"10.0.0.1/32", "10.0.0.1", true},
        {"10.0.0.1/32", "10.0.0.2", false},      {"10.1.0.0/16, fd00::/60", "fd00:0:0:f::1", true},
        {"10.1.0.0/16,fd00::/60", "fd00:0:0:10::1", false},
        {"10.1.0.0/16", "fd00::1", true}, /* nothing is said about its family */
        {"10.1.0.0/40", "10.9.0.1", true},       {"nonsense", "10.9.0.1", true},
        {"", "10.9.0.1", true},                  {"10.1.0.0/16", "no address", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(scene) struct scene scene;
        CLEANUP(str)
        char *config = xasprintf("{\"topology\":\"layer2\",\"role\":\"primary\",\"subnets\":\"%s\"}",
                                 cases[i].subnets);
        struct udn udn = {0};

        scene_init(&scene, 1, 1, 0);
        put_network(&scene, config);
        CHECK_OK(udn_load(&scene.room, "target", &udn, &err), err);
        CHECK(udn.has_primary);
        CHECK(!udn.has_layer3);
        if (udn_covers(&udn, cases[i].address) != cases[i].covered)
            test_fail(__FILE__, __LINE__, "%s in %s", cases[i].address, cases[i].subnets);
        udn_reset(&udn);
    }
}

TEST(a_secondary_network_or_none_is_no_primary_one)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(scene) struct scene scene;
    struct udn none = {0}, secondary = {0};

    scene_init(&scene, 1, 1, 0);
    CHECK_OK(udn_load(&scene.room, "target", &none, &err), err);
    CHECK(!none.has_primary);
    put_network(&scene, "{\"topology\":\"layer3\",\"role\":\"secondary\",\"subnets\":\"10.0.0.0/8\"}");
    CHECK_OK(udn_load(&scene.room, "target", &secondary, &err), err);
    CHECK(!secondary.has_primary && secondary.has_layer3 && secondary.subnets.len == 0);
    udn_reset(&secondary);
}

TEST(an_address_belongs_to_the_nic_with_its_mac)
{
    CLEANUP(str) char *own = udn_address_of("00:50:56:AB:00:01:ip:fd00::5,,64", "00:50:56:ab:00:01");
    CLEANUP(str) char *other = udn_address_of("00:50:56:AB:00:01:ip:10.0.0.5,,8", "00:50:56:ab:00:02");

    CHECK_STR(own, "fd00::5");
    CHECK(other == NULL);
}
