#include "node/image.h"

#include "base/test.h"
#include "data/obj.h"

TEST(knows_images_by_the_last_part_of_their_name)
{
    static const struct {
        const char *reference, *name;
    } cases[] = {
        {"quay.io/kubev2v/hook-runner", "hook-runner"},
        {"quay.io/konveyor/hook-runner:latest", "hook-runner"},
        {"localhost:5000/kubev2v/hook-runner@sha256:00", "hook-runner"},
        {"gantry/copy", "copy"},
        {"docker.io/library/busybox:1.36", "busybox"},
        {"busybox", "busybox"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        const struct image *image = NULL;

        CHECK_OK(image_resolve(cases[i].reference, &image, &err), err);
        CHECK_STR(image->name, cases[i].name);
    }
}

TEST(refuses_an_unknown_image_and_names_those_there_are)
{
    static const char *const cases[] = {"quay.io/example/nginx:1", "hook-runner-2", "other/copy", ""};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(error) struct error *err = NULL;
        const struct image *image = NULL;

        CHECK_FAILS(image_resolve(cases[i], &image, &err), err, ERROR_NOT_FOUND, "hook-runner");
    }
}

TEST(puts_the_image_s_program_before_a_container_s_words)
{
    CLEANUP(error) struct error *err = NULL;
    const struct image *image = NULL;
    json_auto_t *command = obj_pack("[s,s]", "/bin/entrypoint", "ansible-runner");

    CHECK_OK(image_resolve("kubev2v/hook-runner", &image, &err), err);
    json_auto_t *argv = image_argv(image, "/opt/x/gantry-hook-runner", command, NULL);
    CLEANUP(str) char *text = obj_format(argv);
    CHECK_STR(text, "[\"/opt/x/gantry-hook-runner\",\"/bin/entrypoint\",\"ansible-runner\"]");
}

TEST(runs_the_image_s_own_words_where_a_container_has_none)
{
    CLEANUP(error) struct error *err = NULL;
    const struct image *image = NULL;

    CHECK_OK(image_resolve("busybox", &image, &err), err);
    json_auto_t *argv = image_argv(image, NULL, NULL, NULL);
    CLEANUP(str) char *text = obj_format(argv);
    CHECK_STR(text, "[\"sh\"]");
}
