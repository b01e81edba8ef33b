#include "apiserver/pki.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/tls.h"

#include <string.h>
#include <unistd.h>

enum { MAX_HOSTS = 12, MAX_HOST_NAME = 256 };

static char *listen_host(const char *listen)
{
    const char *colon = strrchr(listen, ':');
    size_t len = colon == NULL ? strlen(listen) : (size_t)(colon - listen);

    if (len >= 2 && listen[0] == '[' && listen[len - 1] == ']')
        return xstrndup(listen + 1, len - 2);
    return xstrndup(listen, len);
}

int pki_prepare(const char *dir, const char *listen, struct error **err)
{
    CLEANUP(str) char *pki = path_join(dir, "pki");
    CLEANUP(str) char *ca_cert = path_join(pki, "ca.crt");
    CLEANUP(str) char *ca_key = path_join(pki, "ca.key");
    CLEANUP(str) char *cert = path_join(pki, "server.crt");
    CLEANUP(str) char *key = path_join(pki, "server.key");
    CLEANUP(str) char *admin_cert = path_join(pki, "admin.crt");
    CLEANUP(str) char *admin_key = path_join(pki, "admin.key");
    CLEANUP(str) char *host = listen_host(listen);
    char own[MAX_HOST_NAME] = "localhost";
    const char *hosts[MAX_HOSTS] = {"localhost",
                                    "127.0.0.1",
                                    "::1",
                                    "kubernetes",
                                    "kubernetes.default",
                                    "kubernetes.default.svc",
                                    "kubernetes.default.svc.cluster.local",
                                    own};
    const struct tls_cert_spec server = {.common_name = "gantry-apiserver", .hosts = hosts};
    const char *const masters[] = {"system:masters", NULL};
    const struct tls_cert_spec admin = {
        .common_name = "gantry-admin", .organizations = masters, .client = true};

    gethostname(own, sizeof(own) - 1); /* without a name, localhost is enough */
    if (*host != '\0' && !str_eq(host, "127.0.0.1") && !str_eq(host, "localhost"))
        hosts[8] = host;
    if (dir_make(pki, 0700, err) == -1 || tls_ensure_ca(ca_cert, ca_key, "gantry", err) == -1 ||
        tls_ensure_cert(ca_cert, ca_key, cert, key, &server, err) == -1)
        return error_wrap(err, "certificates in \"%s\"", pki);
    return tls_ensure_cert(ca_cert, ca_key, admin_cert, admin_key, &admin, err);
}
