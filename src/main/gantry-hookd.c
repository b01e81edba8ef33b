/* gantry-hookd: the pre-migration hook server as a program of its own, for a launcher's image or a
 * trial.  See gantry-hookd(1). */
#define LOG_COMPONENT "hookd"

#include "base/array.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "hook/premigration/facts.h"
#include "hook/premigration/gate.h"
#include "hook/premigration/server.h"
#include "hook/premigration/user_hooks.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET_PATH "/var/run/kubevirt/migration-hook-socket"

/* Where contexts come from: one file for every machine, or a folder with UUID.json or NAME.json. */
struct contexts {
    const char *file;
    const char *dir;
};

static int read_context(const char *path, struct facts **out, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len = 0;

    if (file_read(path, FACTS_MAX_BYTES, &text, &len, err) == -1 ||
        facts_parse(text, len, out, err) == -1)
        return error_wrap(err, "context \"%s\"", path);
    return 0;
}

/* The path of WHAT's context if it may be part of one and is there. */
static char *find_in_dir(const char *dir, const char *what)
{
    if (str_is_empty(what) || !path_is_plain_relative(what, strlen(what)) ||
        path_base(what) != what)
        return NULL;

    char *path = xasprintf("%s/%s.json", dir, what);
    if (file_exists(path))
        return path;
    free(path);
    return NULL;
}

/* Read anew for each exchange: a repeated preparation replaces the context. */
static int find_facts(void *arg, const char *uuid, const char *name, struct facts **out,
                      struct error **err)
{
    const struct contexts *contexts = arg;
    CLEANUP(str) char *path = NULL;

    if (contexts->file != NULL)
        return read_context(contexts->file, out, err);
    path = find_in_dir(contexts->dir, uuid);
    if (path == NULL)
        path = find_in_dir(contexts->dir, name);
    if (path == NULL)
        return error_set(err, ERROR_NOT_FOUND, "machine \"%s\" (%s) is not expected here",
                         name == NULL ? "?" : name, uuid == NULL ? "no uuid" : uuid);
    return read_context(path, out, err);
}

static int serve(const struct hook_server_options *options, int64_t timeout_s, struct error **err)
{
    CLEANUP(cancel) struct cancel *cancel = cancel_new();
    struct hook_server *server = NULL;
    uint64_t edited = 0, refused = 0;

    if (cancel_on_signals(cancel, err) == -1 || hook_server_start(options, &server, err) == -1)
        return -1;
    log_info("listening: socket=%s", options->socket_path);

    struct deadline deadline =
        timeout_s == 0 ? DEADLINE_NONE : deadline_after(timeout_s * 1000);
    bool done = hook_server_wait(server, deadline, cancel);
    bool stopped = cancel_is_requested(cancel);

    hook_server_count(server, &edited, &refused);
    hook_server_stop(server);
    log_info("stopped: edited=%" PRIu64 " refused=%" PRIu64, edited, refused);
    if (!done && !stopped)
        return error_set(err, ERROR_TIMEOUT, "no machine came within %" PRId64 " s", timeout_s);
    if (refused > 0 && !stopped)
        return error_set(err, ERROR_INVALID, "%" PRIu64 " of %" PRIu64 " definitions were refused",
                         refused, edited + refused);
    return 0;
}

static int hookd_main(const struct command *self, int argc, char **argv)
{
    const char *socket_path = SOCKET_PATH;
    struct contexts contexts = {0};
    const char *hooks_dir = NULL, *gates = "";
    int64_t exchanges = 1, timeout_s = 0, also_uid = 0;
    bool quiet = false, gate_on = true;
    const struct option_spec specs[] = {
        {"socket", 0, OPTION_TEXT, &socket_path, "PATH", "listen there (default " SOCKET_PATH ")"},
        {"context", 0, OPTION_TEXT, &contexts.file, "FILE", "the target's facts, as JSON"},
        {"context-dir", 0, OPTION_TEXT, &contexts.dir, "DIR",
         "facts by machine: DIR/UUID.json or DIR/NAME.json"},
        {"hooks-dir", 0, OPTION_TEXT, &hooks_dir, "DIR", "users' hooks, run after the built-in ones"},
        {"exchanges", 0, OPTION_INT, &exchanges, "N",
         "stop after N definitions (default 1; 0: never)"},
        {"timeout", 0, OPTION_INT, &timeout_s, "SECONDS",
         "give up when they did not come by then (default 0: never)"},
        {"allow-uid", 0, OPTION_INT, &also_uid, "UID",
         "let that user connect too (107 in KubeVirt's image)"},
        {"feature-gates", 0, OPTION_TEXT, &gates, "TEXT",
         "GATE=false turns LibvirtHooksServerAndClient off (default: on)"},
        {"quiet", 'q', OPTION_FLAG, &quiet, NULL, "log only refusals"},
    };
    CLEANUP(word_list) struct word_list words = {0};
    struct error *err = NULL;
    int status = command_options(self, specs, ARRAY_SIZE(specs), argc, argv, &words);

    if (status != -1)
        return status;
    if (words.len > 0)
        return command_usage(self, "\"%s\" is not expected", words.ptr[0]);
    if ((contexts.file == NULL) == (contexts.dir == NULL))
        return command_usage(self, "one of --context and --context-dir is needed");
    if (premigration_gate(gates, &gate_on, &err) == -1)
        return command_fail(err);

    log_init("gantry-hookd", quiet ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, 2);

    struct user_hooks *loaded = NULL;
    if (hooks_dir != NULL && user_hooks_load(hooks_dir, &loaded, &err) == -1)
        return command_fail(err);
    CLEANUP(user_hooks) struct user_hooks *user_hooks = loaded;
    const struct hook_server_options options = {
        .socket_path = socket_path,
        .user_hooks = user_hooks,
        .gate_off = !gate_on,
        .exchanges = (uint64_t)exchanges,
        .also_uid = (uid_t)also_uid,
        .find = find_facts,
        .arg = &contexts,
    };
    if (serve(&options, timeout_s, &err) == -1)
        return command_fail(err);
    return EXIT_OK;
}

int main(int argc, char **argv)
{
    static const struct command self = {
        "", "--context FILE [OPTION...]",
        "edit the definitions of machines that migrate to this host", hookd_main};

    signal(SIGPIPE, SIG_IGN);
    mallopt(M_ARENA_MAX, 2);               /* else each exchange's thread keeps memory of its own */
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024); /* what one edit takes is not given back and asked for anew */
    return command_single("gantry-hookd", &self, argc, argv);
}
