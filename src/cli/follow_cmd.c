/* gantry follow: the progress display of gantry migrate for any Migration. */
#include "cli/commands.h"

#include "base/array.h"
#include "base/cancel.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/follow.h"
#include "cli/home.h"
#include "kube/client.h"

#include <stdlib.h>

int cmd_follow(const struct command *self, int argc, char **argv)
{
    const char *dir_arg = NULL, *ns = HOME_NAMESPACE;
    const struct option_spec specs[] = {
        {"dir", 0, OPTION_TEXT, &dir_arg, "DIR", "the folder given to gantry up"},
        {"namespace", 'n', OPTION_TEXT, &ns, "NAME", "the migration's (default: gantry's own)"},
    };
    CLEANUP(word_list) struct word_list words = {0};
    struct error *err = NULL;
    int status = command_options(self, specs, ARRAY_SIZE(specs), argc, argv, &words);

    if (status != -1)
        return status;
    if (words.len != 1)
        return command_usage(self, "the name of one migration is expected");

    CLEANUP(cancel) struct cancel *cancel = cancel_new();
    CLEANUP(str) char *dir = home_find_dir(dir_arg, &err);
    CLEANUP(kube_client) struct kube_client *client = NULL;
    enum follow_result result;

    if (dir == NULL)
        return command_fail(err);
    client = home_open_client(dir, &err);
    if (client == NULL ||
        follow_migration(client, ns, words.ptr[0], stdout, cancel, &result, &err) == -1)
        return command_fail(err);
    return result == FOLLOW_SUCCEEDED ? EXIT_OK : EXIT_FAILED;
}
