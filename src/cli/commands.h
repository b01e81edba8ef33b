/* Every command of gantry, one function a file.  See cli/command.h.
 *
 * May use: base.  Threads: main only.
 */
#pragma once

struct command;

int cmd_up(const struct command *self, int argc, char **argv);
int cmd_down(const struct command *self, int argc, char **argv);
int cmd_policy(const struct command *self, int argc, char **argv);
int cmd_backup(const struct command *self, int argc, char **argv);
int cmd_restore(const struct command *self, int argc, char **argv);
int cmd_rotate_key(const struct command *self, int argc, char **argv);
int cmd_status(const struct command *self, int argc, char **argv);
int cmd_migrate(const struct command *self, int argc, char **argv);
int cmd_follow(const struct command *self, int argc, char **argv);
int cmd_premigration(const struct command *self, int argc, char **argv);
int cmd_create(const struct command *self, int argc, char **argv);
int cmd_get(const struct command *self, int argc, char **argv);
int cmd_template(const struct command *self, int argc, char **argv);
int cmd_query(const struct command *self, int argc, char **argv);
