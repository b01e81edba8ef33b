/* Images at home: the names of container images and the local programs that stand in for them.
 *
 * Nothing is pulled.  An image is known by the last part of its repository, whatever the registry,
 * tag or digest: "quay.io/kubev2v/hook-runner:v2" is the machine's own Ansible.
 *
 * May use: base, data.  Threads: constant data.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

struct error;

struct image {
    const char *name;              /* hook-runner */
    const char *const *entrypoint; /* goes before the words of a container, NULL at the end */
    const char *const *command;    /* if the container has no words of its own */
    const char *network;           /* sandbox.h: "host" or "api" */
    bool is_ours;                  /* may use io_uring */
};

/* The folder in a container where gantry's programs are. */
#define IMAGE_PROGRAM_DIR "/opt/gantry"

#define IMAGE_PATH IMAGE_PROGRAM_DIR ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Finds what stands in for REFERENCE; ERROR_NOT_FOUND tells what is served. */
int image_resolve(const char *reference, const struct image **out, struct error **err);

/* The words to run: COMMAND and ARGS are a container's (arrays or NULL).  Owned by the caller. */
json_t *image_argv(const struct image *image, const json_t *command, const json_t *args);
