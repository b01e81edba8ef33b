/* What a container sees of the machine: bubblewrap's command line for it.
 *
 * The root is an empty read-only file system with the machine's programs and the parts of /etc that
 * they need, bound read-only; /tmp, /var/tmp, /run and /root are private; files given as data
 * (secrets, config maps) exist in memory only.  Capabilities are dropped, no-new-privileges is set,
 * a filter of system calls applies, and each container has its own process, ipc, host name and
 * (unless it may use the machine's) network namespace.
 *
 * May use: base, data.  Threads: no shared state.
 */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"
#include "data/obj.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

enum {
    SANDBOX_MAX_ARGS = 4096,
    SANDBOX_MAX_MOUNTS = 256,
    SANDBOX_MAX_FILES = 512,
    SANDBOX_MAX_FILE_BYTES = 4 * 1024 * 1024,
};

/* What this machine lets us use; sandbox_probe finds out by running something. */
struct sandbox_abilities {
    bool works;      /* bubblewrap runs at all: mount namespaces can be made */
    bool pid;        /* an own process namespace: nothing outlives its container */
    bool network;    /* an own network namespace */
    bool ipc;
    bool user;       /* an own user namespace: root is not the machine's, and other uids can be had */
    bool new_proc;   /* a fresh /proc; else the machine's, read-only */
};

/* Runs trial sandboxes, each asking for less.  WHY, unless NULL, gets the reason if not even the
 * last works; owned by the caller. */
void sandbox_probe(struct sandbox_abilities *abilities, char **why);

/* A container as the agent describes it to its supervisor: a JSON object (see supervisor.h) with
 *   argv[], env{}, cwd, uid, gid, hostname, network ("host", "api" or "none"), ioUring,
 *   mounts[] {from, to, readOnly, device}, dirs[], files[] {path, data (base64), mode}. */

/* The command line, ready to run. */
struct sandbox_command {
    struct str_list argv;   /* owned; without the terminating NULL */
    int *fds;               /* owned descriptors that bwrap must inherit */
    size_t fd_count;
    int info_fd;            /* we read bwrap's information here */
    int block_fd;           /* closing it (or writing) lets the program start */
};

void sandbox_command_reset(struct sandbox_command *command);

/* Builds it.  Arguments and environment travel in a memory file, not on the command line, where
 * every user of the machine could read them. */
int sandbox_build(const struct sandbox_abilities *abilities, const json_t *container,
                  struct sandbox_command *out, struct error **err);

/* The container's own program, given bwrap's child: the first child of the container's process 1,
 * or that process itself. */
pid_t sandbox_program_of(pid_t inner);

DEFINE_CLEANUP_IN_PLACE(sandbox_command, struct sandbox_command, sandbox_command_reset)
