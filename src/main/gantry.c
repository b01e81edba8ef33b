/* The command line: the table of commands, each of which is a file of src/cli. */
#include "base/array.h"
#include "cli/command.h"
#include "cli/commands.h"

#include <signal.h>

/* clang-format off */
static const struct command commands[] = {
    {"up", "[--dir DIR] [--listen ADDR:PORT] [--policy-dir DIR]",
     "start gantry at home and return when it is ready", cmd_up},
    {"down", "[--dir DIR] [--all]",
     "stop gantry at home", cmd_down},
    {"policy", "COMMAND [OPTION...]",
     "evaluate, test, check and explain policies", cmd_policy},
    {"status", "[--dir DIR]",
     "show whether gantry runs, where, and how it does", cmd_status},
    {"get", "inventory NOUN [PROVIDER] [-q QUERY] [-o FORMAT]",
     "list what a source has: machines, networks, storage, hosts", cmd_get},
    {"create", "plan NAME --source PROVIDER --vms VMS [OPTION...]",
     "make a plan of machines that are named or found by a query", cmd_create},
    {"backup", "FILE [--dir DIR]",
     "write everything that gantry at home knows to a file, and its key to FILE.key", cmd_backup},
    {"restore", "FILE [--key FILE] [--dir DIR]",
     "put back what a backup holds, now or at the next start", cmd_restore},
    {"rotate-key", "[--dir DIR]",
     "seal the secrets at rest with a new key", cmd_rotate_key},
    {"migrate", "FILE.ova [--name N] [--pre-hook PLAYBOOK] [--post-hook PLAYBOOK] [--raw]",
     "move the machine in an OVA file and follow it until it is there", cmd_migrate},
    {"follow", "MIGRATION [-n NAMESPACE]",
     "show a migration's progress until it has ended", cmd_follow},
    {"premigration", "apply --context FILE [XML] | check BEFORE AFTER | bench --context FILE [XML]",
     "try the hooks of a live migration's target on files", cmd_premigration},
    {"template", "TEXT [--data FILE] [--map]",
     "print what a Go template of names makes of data", cmd_template},
    {"query", "QUERY [--data FILE] [--lenient] [--json]",
     "select rows of a list by the query language", cmd_query},
};
/* clang-format on */

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    return command_main("gantry", commands, ARRAY_SIZE(commands), argc, argv);
}
