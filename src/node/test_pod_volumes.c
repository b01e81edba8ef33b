#include "node/pod_spec.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "data/obj.h"
#include "node/agent.h"
#include "node/image.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static json_t *pod_with_volume(const char *volume)
{
    return obj_pack("{s:{s:s,s:s},s:{s:b,s:[{s:s,s:{}}]}}", "metadata", "name", "p", "namespace",
                    "ns", "spec", "automountServiceAccountToken", 0, "volumes", "name", volume,
                    "emptyDir");
}

static char *new_dir(const char *name)
{
    CLEANUP(error) struct error *err = NULL;
    char *dir = path_join(test_dir(), name);

    CHECK_OK(dir_make(dir, 0755, &err), err);
    return dir;
}

TEST(a_volume_stays_in_the_folder_of_its_pod)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *dir = new_dir("names");
    CLEANUP(str) char *outside = new_dir("outside");
    json_auto_t *good = pod_with_volume("data");
    json_auto_t *bad = pod_with_volume("../../outside");
    json_auto_t *volumes = NULL;
    struct agent agent = {0};
    struct stat st;

    CHECK_OK(pod_volumes_make(&agent, good, dir, &volumes, &err), err);
    CHECK(strstr(obj_str(volumes, "data.path", ""), "/names/volumes/data") != NULL);
    CHECK_FAILS(pod_volumes_make(&agent, bad, dir, &volumes, &err), err, ERROR_INVALID,
                "not valid");
    CHECK_INT(stat(outside, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0755);
}

/* The specification of a container that mounts SUB of its only volume. */
static json_t *mount_sub(const char *dir, const char *sub, struct error **err)
{
    struct agent agent = {
        .runtime = {.program_dir = (char *)(uintptr_t) "/bin", .helper_dir = (char *)(uintptr_t) "/bin"}};
    const struct image image = {.network = "none"};
    json_auto_t *pod = pod_with_volume("data");
    json_auto_t *container =
        obj_pack("{s:[s],s:[{s:s,s:s,s:s}]}", "command", "true", "volumeMounts", "name", "data",
                 "mountPath", "/data", "subPath", sub);
    json_t *volumes = NULL;

    CHECK_OK(pod_volumes_make(&agent, pod, dir, &volumes, err), *err);
    json_auto_t *owned = volumes;
    return pod_container_spec(&agent, pod, container, &image, owned, err);
}

TEST(a_sub_path_follows_no_link_out_of_its_volume)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *dir = new_dir("links");
    CLEANUP(str) char *link = path_join(dir, "volumes/data/out");
    json_auto_t *good = mount_sub(dir, "a/b", &err);

    CHECK(good != NULL);
    CHECK_INT(symlink("/etc", link), 0);
    CHECK(mount_sub(dir, "out", &err) == NULL);
    CHECK(err != NULL && err->code == ERROR_DENIED);
    error_clear(&err);
    CHECK(mount_sub(dir, "out/ssl", &err) == NULL);
    CHECK(err != NULL && err->code == ERROR_DENIED);
}
