#include "cli/command.h"

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* set once by command_main */
static const char *program_name = "gantry";
static bool show_chain;

static void print_help(const struct command *commands, size_t count)
{
    printf("Usage: %s COMMAND [OPTION...]\n\n"
           "Moves virtual machines and applications to Kubernetes.\n\n"
           "Commands:\n",
           program_name);
    for (size_t i = 0; i < count; i++)
        printf("  %-14s %s\n", commands[i].name, commands[i].summary);
    printf("\nOptions before the command:\n"
           "  -v             errors with one line for each cause\n"
           "  --version      show the version\n\n"
           "\"%s COMMAND --help\" tells more; the manual is gantry(1).\n",
           program_name);
}

/* What the completion scripts ask for: the names of the commands, one a line. */
static int print_names(const struct command *commands, size_t count)
{
    for (size_t i = 0; i < count; i++)
        puts(commands[i].name);
    return EXIT_OK;
}

int command_main(const char *program, const struct command *commands, size_t count, int argc,
                 char **argv)
{
    program_name = program;
    while (argc > 1 && strcmp(argv[1], "-v") == 0) {
        show_chain = true;
        log_init(program, LOG_LEVEL_INFO, 2);
        argc--;
        argv++;
    }
    if (argc < 2 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0) {
        print_help(commands, count);
        return argc < 2 ? EXIT_USAGE : EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        printf("gantry %s\n", GANTRY_VERSION);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--list-commands") == 0)
        return print_names(commands, count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(commands[i].name, argv[1]) == 0)
            return commands[i].run(&commands[i], argc - 1, argv + 1);

    const char *nearest = options_nearest(argv[1], &commands[0].name, sizeof(commands[0]), count);

    fprintf(stderr, "%s: no command \"%s\"\n", program, argv[1]);
    if (nearest != NULL)
        fprintf(stderr, "did you mean \"%s %s\"?\n", program, nearest);
    else
        fprintf(stderr, "\"%s help\" lists the commands\n", program);
    return EXIT_USAGE;
}

static void print_usage(const struct command *self)
{
    fprintf(stderr, "usage: %s%s%s %s\n", program_name, self->name[0] == '\0' ? "" : " ",
            self->name, self->synopsis);
}

int command_single(const char *program, const struct command *command, int argc, char **argv)
{
    program_name = program;
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("%s %s\n", program, GANTRY_VERSION);
        return EXIT_OK;
    }
    return command->run(command, argc, argv);
}

int command_options(const struct command *self, const struct option_spec *specs, size_t count,
                    int argc, char **argv, struct word_list *words)
{
    struct error *err = NULL;

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0)
            continue;
        printf("Usage: %s%s%s %s\n\n%s.\n\n", program_name, self->name[0] == '\0' ? "" : " ",
               self->name, self->synopsis, self->summary);
        options_print_help(specs, count);
        return EXIT_OK;
    }
    if (options_parse(specs, count, argc, argv, words, &err) == 0)
        return -1;
    command_fail(err);
    print_usage(self);
    return EXIT_USAGE;
}

int command_fail(struct error *err)
{
    const char *hint = error_get_hint(err);
    CLEANUP(str) char *text = error_format(err);

    fprintf(stderr, "%s: %s\n", program_name, text);
    if (show_chain)
        for (const struct error *link = err; link != NULL; link = link->cause)
            fprintf(stderr, "  %s: %s\n", error_code_name(link->code), link->msg);
    if (hint != NULL)
        fprintf(stderr, "%s\n", hint);
    error_free(err);
    return EXIT_FAILED;
}

int command_usage(const struct command *self, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    CLEANUP(str) char *text = xvasprintf(format, args);
    va_end(args);
    fprintf(stderr, "%s: %s\n", program_name, text);
    print_usage(self);
    return EXIT_USAGE;
}
