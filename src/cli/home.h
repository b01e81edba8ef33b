/* Where gantry at home lives, and whether it runs.
 *
 * DIR holds gantryd's lock (held as long as it runs, with its process number inside), its log, the
 * kubeconfig, and the rest of its state.  May use: base, kube.  Threads: main only.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct command;
struct error;
struct kube_client;
struct option_spec;

/* Names inside DIR; gantryd uses the same. */
#define HOME_LOCK       "gantryd.lock"
#define HOME_LOG        "gantryd.log"
#define HOME_KUBECONFIG "kubeconfig"
#define HOME_LISTEN     "listen"
#define HOME_API        "api"        /* the API server's folder */
#define HOME_VALIDATION "validation" /* that of the Validation service */

/* The namespace of the objects that gantry makes for itself and of the host provider. */
#define HOME_NAMESPACE "konveyor-forklift"

/* The folder GIVEN (may be NULL), else $GANTRY_DIR, else $XDG_DATA_HOME/gantry or
 * ~/.local/share/gantry, as an absolute path owned by the caller. */
char *home_find_dir(const char *given, struct error **err);

/* The process that holds DIR's lock, or 0 if none does. */
pid_t home_get_daemon(const char *dir, struct error **err);

/* Takes DIR's lock for this process and writes its number.  The descriptor is to be kept open; -1 on
 * failure (ERROR_BUSY if another holds it). */
int home_take_lock(const char *dir, struct error **err);

/* Where DIR's server listened the last time, "HOST:PORT" owned by the caller, or NULL.  Pods that
 * outlive gantryd, and whoever copied the kubeconfig, go on with that address. */
char *home_last_listen(const char *dir);

/* Keeps for the next start that LISTEN ("HOST:PORT", the port perhaps 0) became PORT. */
int home_keep_listen(const char *dir, const char *listen, int port, struct error **err);

/* What up, down and status begin with: reads the arguments by SPECS, one of which sets *DIR_ARG, allows
 * no others, and finds the folder (owned by the caller) and the process that holds it (0: none).
 * -1 to go on, else the exit status. */
int home_begin(const struct command *self, const struct option_spec *specs, size_t count,
               const char **dir_arg, int argc, char **argv, char **dir, pid_t *pid);

/* A client for the server of DIR; a hint says how to start it if it does not run. */
struct kube_client *home_open_client(const char *dir, struct error **err);
