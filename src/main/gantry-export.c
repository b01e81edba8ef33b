/* gantry-copy's helper for export leases: reads what to export as JSON from standard input, writes the
 * disk to standard output, and why it cannot to standard error.  See source/vsphere/export.h. */
#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "data/obj.h"
#include "source/vsphere/export.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ORDER = 64 * 1024, MAX_CERTIFICATES = 1024 * 1024 };

static struct cancel *cancel;

static void on_signal(int number)
{
    cancel_request(cancel);
}

/* Reads what is on standard input and wipes it from memory. */
static int read_order(json_t **order, struct error **err)
{
    CLEANUP(str) char *text = xmalloc(MAX_ORDER);
    size_t len = 0;
    ssize_t got;

    while (len < MAX_ORDER && (got = read(STDIN_FILENO, text + len, MAX_ORDER - len)) > 0)
        len += (size_t)got;
    *order = obj_parse(text, len, err);
    secret_wipe(text, len);
    return *order != NULL ? 0 : -1;
}

static int run(struct error **err)
{
    json_auto_t *order = NULL;
    CLEANUP(secret) struct secret *password = NULL;
    CLEANUP(str) char *ca_pem = NULL;
    const char *hidden = NULL, *ca_file;
    struct vsphere_export export = {0};

    if (read_order(&order, err) == -1 || obj_need_str(order, "url", &export.url, err) == -1 ||
        obj_need_str(order, "user", &export.user, err) == -1 ||
        obj_need_str(order, "password", &hidden, err) == -1 ||
        obj_need_str(order, "machine", &export.machine, err) == -1 ||
        obj_need_str(order, "disk", &export.disk, err) == -1)
        return -1;
    password = secret_new(hidden, strlen(hidden));
    secret_wipe((char *)(uintptr_t)hidden, strlen(hidden));
    export.password = password;
    export.thumbprint = obj_str(order, "thumbprint", NULL);
    export.insecure = obj_bool(order, "insecure", false);
    export.timeout_ms = obj_int(order, "timeout", 0);
    ca_file = obj_str(order, "caFile", NULL);
    if (ca_file != NULL && file_read(ca_file, MAX_CERTIFICATES, &ca_pem, NULL, err) == -1)
        return -1;
    export.ca_pem = ca_pem;
    return vsphere_export_disk(&export, STDOUT_FILENO, cancel, err);
}

int main(void)
{
    CLEANUP(error) struct error *err = NULL;
    const struct sigaction action = {.sa_handler = on_signal};

    secret_protect_process();
    cancel = cancel_new();
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGTERM, &action, NULL);
    int result = run(&err);
    if (result == -1) {
        CLEANUP(str) char *text = error_format(err);
        fprintf(stderr, "%s\n", text);
    }
    cancel_free(cancel);
    return result == 0 ? 0 : 1;
}
