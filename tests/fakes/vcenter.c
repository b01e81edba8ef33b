/* vcenter [--listen ADDRESS:PORT] [--machines COUNT]: the fake vCenter of the tests as a program.
 *
 * Prints its URL, user and password, and serves until its standard input ends or a signal comes. */
#include "source/vsphere/fake_vcenter.h"

#include "base/error.h"
#include "base/text.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_MACHINES = 100000 };

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'}, {"machines", required_argument, NULL, 'm'}, {0}};
    const char *listen = "127.0.0.1:0";
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(fake_vcenter) struct fake_vcenter *fake = NULL;
    uint64_t count = 10;
    char byte;

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (c == 'l') {
            listen = optarg;
        } else if (c != 'm' || !span_u64(span_of(optarg), &count) || count > MAX_MACHINES) {
            fprintf(stderr, "usage: %s [--listen ADDRESS:PORT] [--machines COUNT]\n", argv[0]);
            return 2;
        }
    if (fake_vcenter_start(listen, count, &fake, &err) == -1) {
        CLEANUP(str) char *text = error_format(err);

        fprintf(stderr, "%s: %s\n", argv[0], text);
        return 1;
    }
    printf("%s\n%s\n%s\n", fake_vcenter_url(fake), FAKE_VCENTER_USER, FAKE_VCENTER_PASSWORD);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    return 0;
}
