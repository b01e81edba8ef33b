/* gantry status: does it run, where, and how it does, in a few lines. */
#include "cli/commands.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/home.h"
#include "data/obj.h"
#include "kube/client.h"
#include "kube/kinds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One line for a kind: how many there are, and how many have the condition TYPE. */
static int print_kind(struct kube_client *client, const struct kube_kind *kind, const char *title,
                      const char *type, struct error **err)
{
    json_auto_t *items = NULL;
    size_t ready = 0, i;
    json_t *item;

    if (kube_list(client, kind, NULL, NULL, &items, err) == -1)
        return -1;
    json_array_foreach (items, i, item) {
        json_t *conditions = obj_arr(item, "status.conditions");
        bool is_true = false;
        json_t *condition;
        size_t j;

        json_array_foreach (conditions, j, condition)
            is_true |= strcmp(obj_str(condition, "type", ""), type) == 0 &&
                       strcmp(obj_str(condition, "status", ""), "True") == 0;
        ready += is_true;
    }
    printf("%-12s %zu, %zu %s\n", title, json_array_size(items), ready, type);
    return 0;
}

static int print_server(struct kube_client *client, struct error **err)
{
    const struct kube_request request = {.method = "GET", .path = "/version", .timeout_ms = 5000};
    json_auto_t *version = NULL;

    if (kube_raw(client, &request, &version, err) == -1)
        return -1;
    printf("%-12s %s\n", "API", obj_str(version, "gitVersion", "unknown"));
    return 0;
}

int cmd_status(const struct command *self, int argc, char **argv)
{
    static const struct {
        const struct kube_kind *kind;
        const char *title;
        const char *condition;
    } kinds[] = {
        {&KIND_PROVIDER, "providers", "Ready"},
        {&KIND_PLAN, "plans", "Ready"},
        {&KIND_MIGRATION, "migrations", "Succeeded"},
        {&KIND_VM, "machines", "Ready"},
    };
    const char *dir_arg = NULL;
    const struct option_spec specs[] = {
        {"dir", 0, OPTION_TEXT, &dir_arg, "DIR", "the folder given to gantry up"},
    };
    CLEANUP(word_list) struct word_list words = {0};
    struct error *err = NULL;
    int status = command_options(self, specs, ARRAY_SIZE(specs), argc, argv, &words);

    if (status != -1)
        return status;
    if (words.len > 0)
        return command_usage(self, "\"%s\" is not expected", words.ptr[0]);

    CLEANUP(str) char *dir = home_find_dir(dir_arg, &err);
    pid_t pid = dir == NULL ? -1 : home_get_daemon(dir, &err);
    if (pid == -1)
        return command_fail(err);
    if (pid == 0) {
        printf("gantry does not run in %s\n", dir);
        return EXIT_FAILED;
    }
    printf("%-12s %s\n%-12s %d\n%-12s %s/%s\n%-12s %s/%s\n", "folder", dir, "process", (int)pid,
           "kubeconfig", dir, HOME_KUBECONFIG, "log", dir, HOME_LOG);

    CLEANUP(kube_client) struct kube_client *client = home_open_client(dir, &err);
    if (client == NULL || print_server(client, &err) == -1)
        return command_fail(err);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (print_kind(client, kinds[i].kind, kinds[i].title, kinds[i].condition, &err) == -1)
            return command_fail(err);
    return EXIT_OK;
}
