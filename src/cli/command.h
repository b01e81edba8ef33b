/* The commands of gantry: a table of names, help and functions.
 *
 * A command is one function in one file; the table in src/main/gantry.c lists them.  Exit status: 0
 * done, 1 failed, 2 the words were wrong.
 *
 * May use: base.  Threads: main only.
 */
#pragma once

#include "cli/options.h"

#include <stddef.h>

struct error;

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
    const char *name;     /* "up" */
    const char *synopsis; /* "[--dir DIR]" */
    const char *summary;  /* one line for the list of commands */
    /* ARGV[0] is the command's name.  Returns the exit status. */
    int (*run)(const struct command *self, int argc, char **argv);
};

/* Runs the command that ARGV[1] names, or shows help; returns the exit status. */
int command_main(const char *program, const struct command *commands, size_t count, int argc,
                 char **argv);

/* The same for a program that is one command: shows --version, else runs it. */
int command_single(const char *program, const struct command *command, int argc, char **argv);

/* Parses a command's options, --help included.  Returns -1 to go on, else the exit status. */
int command_options(const struct command *self, const struct option_spec *specs, size_t count,
                    int argc, char **argv, struct word_list *words);

/* Shows ERR on standard error as users see it, with its hint, and frees it.  Returns the status. */
int command_fail(struct error *err);

/* The same for wrong words: status EXIT_USAGE. */
int command_usage(const struct command *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
