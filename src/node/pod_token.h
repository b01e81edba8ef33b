/* The tokens of service accounts in a Pod's volumes.
 *
 * A volume with a token is a folder in memory, a mount of its own below the Pod's folder, that the
 * containers see read-only.  While the Pod runs, the agent replaces a token when 80 % of its life are
 * over, as a kubelet does: a new file takes the old one's name, so that who reads it gets one or the
 * other.  When it was issued tells the file's time, so that an agent that has just started goes on.
 *
 * May use: base, data, kube.  Threads: no shared state; a Pod belongs to one thread at a time.
 */
#pragma once

#include "data/obj.h"

#include <stdint.h>

struct agent;
struct error;

/* The folder of the volume that each Pod gets by itself; '_' is in no volume's name. */
#define POD_TOKEN_FOLDER "service_account"

/* A token bound to POD, as SOURCE wants it (a serviceAccountToken of a projected volume; NULL: the one
 * that each Pod gets).  Owned by the caller. */
char *pod_token_request(struct agent *agent, const json_t *pod, const json_t *source,
                        struct error **err);

/* The token's name in its volume.  Borrowed from SOURCE. */
const char *pod_token_path(const json_t *source);

/* Puts FILES ({path, data (base64), mode} each) into the folder of VOLUME below POD_DIR, mounted there
 * if it is not.  *FOLDER, owned by the caller, is NULL if this machine does not let us mount it: then
 * files that never change have to do. */
int pod_token_place(const char *pod_dir, const char *volume, const json_t *files, char **folder,
                    struct error **err);

/* Replaces those of POD's tokens whose time has come.  A failure is logged and tried again at the next
 * look. */
void pod_tokens_renew(struct agent *agent, const json_t *pod, const char *pod_dir, int64_t now_ms);
