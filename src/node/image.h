/* Images at home: the names of container images and the local programs that stand in for them.
 *
 * Nothing is pulled.  An image is known by the last part of its repository, whatever the registry,
 * tag or digest: "quay.io/kubev2v/hook-runner:v2" is the machine's own Ansible.
 *
 * May use: base, data.  Threads: constant data.
 */
#pragma once

#include "data/obj.h"

#include <stdbool.h>

struct error;

struct image {
    const char *name;              /* hook-runner */
    const char *program;           /* ours, goes before the words of a container; or NULL */
    const char *const *command;    /* if the container has no words of its own */
    const char *network;           /* sandbox.h: "host" or "api" */
    bool io_uring;                 /* may use it: our own programs */
    int uid;                       /* unless the Pod says another */
    bool converts;                 /* gets libguestfs' appliance, and KVM where it works */
    const char *folder;            /* of the home, that the image has at its root; or NULL */
};

/* The folders in a container where gantry's programs and helpers are. */
#define IMAGE_PROGRAM_DIR "/opt/gantry/bin"
#define IMAGE_HELPER_DIR "/opt/gantry/libexec"

#define IMAGE_PATH IMAGE_PROGRAM_DIR ":" IMAGE_HELPER_DIR ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Finds what stands in for REFERENCE; ERROR_NOT_FOUND tells what is served. */
int image_resolve(const char *reference, const struct image **out, struct error **err);

/* The words to run: PROGRAM_PATH is where the image's program is in the container (unused without
 * one), COMMAND and ARGS are a container's (arrays or NULL).  Owned by the caller. */
json_t *image_argv(const struct image *image, const char *program_path, const json_t *command,
                   const json_t *args);
