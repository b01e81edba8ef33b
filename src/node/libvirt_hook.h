/* The hook of our own libvirtd: gantry-libvirt-hook, put where that daemon looks for it, with the
 * socket of the agent's hook server beside it.
 *
 * May use: base.  Threads: no shared state.
 */
#pragma once

struct error;

/* Where the server listens, in libvirtd's mount namespace: LIVE_RUN_DIR/hook. */
#define LIBVIRT_HOOK_SOCKET "hook"

/* Puts PROGRAM_DIR/gantry-libvirt-hook under DIR (a keeper's) unless the same is there already. */
int libvirt_hook_install(const char *dir, const char *program_dir, struct error **err);
