/* The fake vCenter as a program: prints its URL, user and password, and serves until its standard
 * input ends or a signal comes.
 *
 *   fake-vcenter [--listen ADDRESS:PORT] [--machines COUNT] [--machine SPEC]... [--dir DIR]
 *                [--cert FILE --key FILE] [--task-ms N] [--shutdown-ms N] [--fault FAULT]...
 *                [--lease-ms N] [--esxi]
 *
 * SPEC: machine_spec.c, FAULT: faults.c, requests of tests while it runs: control.c. */
#include "fake_vcenter.h"

#include "base/error.h"
#include "base/text.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_MACHINES = 100000, MAX_WORDS = 256 };

struct words {
    const char *ptr[MAX_WORDS];
    size_t count;
};

static void usage(const char *name)
{
    fprintf(stderr,
            "usage: %s [--listen ADDRESS:PORT] [--machines COUNT] [--machine SPEC]... "
            "[--dir DIR] [--cert FILE --key FILE] [--task-ms N] [--shutdown-ms N] "
            "[--fault FAULT]... [--esxi]\n",
            name);
    exit(2);
}

static void add_word(struct words *words, const char *word, const char *name)
{
    if (words->count == MAX_WORDS)
        usage(name);
    words->ptr[words->count++] = word;
}

static void parse(int argc, char **argv, struct fake_vcenter_options *options,
                  struct words *machines, struct words *faults)
{
    static const struct option names[] = {{"listen", required_argument, NULL, 'l'},
                                          {"machines", required_argument, NULL, 'm'},
                                          {"machine", required_argument, NULL, 'M'},
                                          {"dir", required_argument, NULL, 'd'},
                                          {"cert", required_argument, NULL, 'c'},
                                          {"key", required_argument, NULL, 'k'},
                                          {"task-ms", required_argument, NULL, 't'},
                                          {"shutdown-ms", required_argument, NULL, 's'},
                                          {"lease-ms", required_argument, NULL, 'L'},
                                          {"fault", required_argument, NULL, 'f'},
                                          {"esxi", no_argument, NULL, 'e'},
                                          {0}};

    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;)
        switch (c) {
        case 'l': options->listen = optarg; break;
        case 'm': options->count = strtoul(optarg, NULL, 10); break;
        case 'M': add_word(machines, optarg, argv[0]); break;
        case 'd': options->dir = optarg; break;
        case 'c': options->cert_path = optarg; break;
        case 'k': options->key_path = optarg; break;
        case 't': options->task_ms = strtoll(optarg, NULL, 10); break;
        case 's': options->shutdown_ms = strtoll(optarg, NULL, 10); break;
        case 'L': options->lease_ms = strtoll(optarg, NULL, 10); break;
        case 'f': add_word(faults, optarg, argv[0]); break;
        case 'e': options->is_host = true; break;
        default: usage(argv[0]);
        }
    if (options->count > MAX_MACHINES)
        usage(argv[0]);
}

static int run(const struct fake_vcenter_options *options, const struct words *machines,
               const struct words *faults, struct error **err)
{
    CLEANUP(fake_vcenter) struct fake_vcenter *fake = NULL;
    char byte;

    if (fake_vcenter_start(options, &fake, err) == -1)
        return -1;
    for (size_t i = 0; i < machines->count; i++)
        if (fake_vcenter_add(fake, machines->ptr[i], err) == -1)
            return -1;
    for (size_t i = 0; i < faults->count; i++)
        if (!fake_vcenter_set_fault(fake, faults->ptr[i]))
            return error_set(err, ERROR_INVALID, "there is no fault \"%s\"", faults->ptr[i]);
    printf("%s\n%s\n%s\n", fake_vcenter_url(fake), FAKE_VCENTER_USER, FAKE_VCENTER_PASSWORD);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    return 0;
}

int main(int argc, char **argv)
{
    struct fake_vcenter_options options = {
        .listen = "127.0.0.1:0", .task_ms = 50, .shutdown_ms = 300};
    struct words machines = {.count = 0}, faults = {.count = 0};
    CLEANUP(error) struct error *err = NULL;

    parse(argc, argv, &options, &machines, &faults);
    if (run(&options, &machines, &faults, &err) == -1) {
        CLEANUP(str) char *text = error_format(err);

        fprintf(stderr, "%s: %s\n", argv[0], text);
        return 1;
    }
    return 0;
}
