/* The command line: the table of commands, each of which is a file of src/cli. */
#include "base/array.h"
#include "cli/command.h"
#include "cli/commands.h"

#include <signal.h>

static const struct command commands[] = {
    {"up", "[--dir DIR] [--listen ADDR]", "start gantry at home and return when it is ready",
     cmd_up},
    {"down", "[--dir DIR] [--all]", "stop gantry at home", cmd_down},
    {"status", "[--dir DIR]", "show whether gantry runs, where, and how it does", cmd_status},
    {"migrate", "FILE.ova [--name N] [--pre-hook PLAYBOOK] [--post-hook PLAYBOOK] [--raw]",
     "move the machine in an OVA file and follow it until it is there", cmd_migrate},
};

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    return command_main("gantry", commands, ARRAY_SIZE(commands), argc, argv);
}
