#include "node/pod_spec.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "data/obj.h"
#include "node/agent.h"

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
