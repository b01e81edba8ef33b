#include "node/image.h"

#include "base/array.h"
#include "base/error.h"
#include "base/text.h"

#include <string.h>

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
static const char *const none[] = {NULL};

/* As VMware's archive is unpacked. */
#define VDDK_FOLDER "vmware-vix-disklib-distrib"

/* The hook runner has the machine's network: its playbooks reach machines by ssh and load
 * balancers by HTTP, as they do in a cluster.  A plain shell gets the API server only.  A conversion
 * is not root, as in Forklift: tar and others then do not try to give files away.  What is called
 * something with "vddk" has VMware's library, which the home keeps in a folder. */
static const struct image images[] = {
    {"hook-runner", "gantry-hook-runner", none, "host", false, 0, false},
    {"copy", "gantry-copy", none, "host", true, 0, false},
    {"convert", "gantry-convert", none, "api", false, 107, true},
    {"busybox", NULL, WORDS("sh"), "api", false, 0, false},
    {"alpine", NULL, WORDS("sh"), "api", false, 0, false},
    {"debian", NULL, WORDS("bash"), "api", false, 0, false},
    {"bash", NULL, WORDS("bash"), "api", false, 0, false},
    {"python", NULL, WORDS("python3"), "api", false, 0, false},
    {"vddk", NULL, WORDS("cp", "-r", "--no-preserve=mode", "/" VDDK_FOLDER, "/opt"), "none", false, 0,
     false, VDDK_FOLDER},
};

/* The last part of the repository: behind the last slash, before a tag or digest. */
static struct span short_name(const char *reference)
{
    const char *slash = strrchr(reference, '/');
    const char *name = slash == NULL ? reference : slash + 1;

    return (struct span){name, strcspn(name, ":@")};
}

static bool belongs_to(const char *reference, const struct image *image)
{
    struct span name = short_name(reference);

    if (image->folder != NULL)
        return memmem(name.ptr, name.len, image->name, strlen(image->name)) != NULL;
    if (!span_eq_str(name, image->name))
        return false;
    /* our own names are too ordinary to stand alone */
    return !(str_eq(image->name, "copy") || str_eq(image->name, "convert")) ||
           strstr(reference, "gantry/") != NULL;
}

int image_resolve(const char *reference, const struct image **out, struct error **err)
{
    for (size_t i = 0; i < ARRAY_SIZE(images); i++)
        if (belongs_to(reference, &images[i])) {
            *out = &images[i];
            return 0;
        }
    error_set(err, ERROR_NOT_FOUND,
              "image \"%s\" is not served at home: there are hook-runner, gantry/copy, "
              "gantry/convert, busybox, alpine, debian, bash, python and vddk",
              reference);
    return error_hint(err, "use one of these images; they run the programs of this machine");
}

static void add_words(json_t *argv, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++)
        json_array_append_new(argv, json_string(words[i]));
}

json_t *image_argv(const struct image *image, const char *program_path, const json_t *command,
                   const json_t *args)
{
    json_t *argv = json_array();
    const json_t *word;
    size_t i;

    if (image->program != NULL)
        json_array_append_new(argv, json_string(program_path));
    json_array_foreach(command, i, word) json_array_append_new(argv, json_deep_copy(word));
    json_array_foreach(args, i, word) json_array_append_new(argv, json_deep_copy(word));
    if (json_array_size(command) == 0 && json_array_size(args) == 0)
        add_words(argv, image->command);
    return argv;
}
