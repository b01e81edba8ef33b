/* From a Pod's specification to what a sandbox runs: environment, files, mounts, limits.
 *
 * Reads the secrets, config maps and claims that the Pod names; makes its folders and NFS mounts.
 * May use: base, data, kube.  Threads: no shared state.
 */
#pragma once

#include "data/obj.h"
#include "node/container.h"

struct agent;
struct error;
struct image;

/* Makes the Pod's volumes below POD_DIR.  *VOLUMES, owned by the caller, maps each volume's name to
 * {path} for a folder (or {path, device} for a block device) or {files[]{path, data, mode}}.
 * ERROR_UNAVAILABLE or ERROR_NOT_FOUND: something the Pod names is not there (yet). */
int pod_volumes_make(struct agent *agent, const json_t *pod, const char *pod_dir, json_t **volumes,
                     struct error **err);

/* Undoes mounts below POD_DIR.  ERROR_BUSY if something still uses them. */
int pod_volumes_release(const char *pod_dir, struct error **err);

/* What the sandbox of CONTAINER (an element of the Pod's spec) is told: sandbox.h's description.
 * Owned by the caller. */
json_t *pod_container_spec(struct agent *agent, const json_t *pod, const json_t *container,
                           const struct image *image, const json_t *volumes, struct error **err);

/* Its environment as {NAME: value}. */
json_t *pod_environment(struct agent *agent, const json_t *pod, const json_t *container,
                        struct error **err);

/* Puts values in place of $(NAME); $$ is $, unknown names stay.  Owned by the caller. */
char *pod_expand(const char *text, const json_t *env);

/* The value that a fieldRef names, or NULL for one that we do not know.  Owned by the caller. */
char *pod_field(const struct agent *agent, const json_t *pod, const char *field_path);

int pod_limits(const json_t *container, struct container_limits *limits, struct error **err);
