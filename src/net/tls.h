/* TLS for our own servers and between our own programs: a certificate authority of our own,
 * certificates, and connections.
 *
 * May use: base, data.  Threads: a context is frozen after creation; a connection belongs to one
 * thread at a time.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct error;
struct tls_conn;
struct tls_context;

/* What a certificate says.  Lists end with NULL and may be NULL. */
struct tls_cert_spec {
    const char *common_name;
    const char *const *organizations;
    const char *const *hosts; /* DNS names and addresses; a server's */
    bool client;              /* for clients instead of servers */
};

/* Makes the authority's certificate and key (P-256, ten years, mode 0600) unless they are there. */
int tls_ensure_ca(const char *cert_path, const char *key_path, const char *name,
                  struct error **err);

/* Makes a certificate signed by the authority unless there is one that is good for 30 more days. */
int tls_ensure_cert(const char *ca_cert_path, const char *ca_key_path, const char *cert_path,
                    const char *key_path, const struct tls_cert_spec *spec, struct error **err);

/* A server's side.  Clients may show a certificate of CLIENT_CA_PATH (or NULL: none is asked). */
struct tls_context *tls_context_new(const char *cert_path, const char *key_path,
                                    const char *client_ca_path, struct error **err);
/* A client's side: the server must show a certificate of SERVER_CA_PATH.  Whose it is tells
 * tls_peer_name; host names are not compared. */
struct tls_context *tls_context_new_client(const char *cert_path, const char *key_path,
                                           const char *server_ca_path, struct error **err);
void tls_context_free(struct tls_context *context);

/* A connection over FD, a non-blocking socket that stays the caller's. */
struct tls_conn *tls_conn_new(struct tls_context *context, int fd);
void tls_conn_free(struct tls_conn *conn);

enum { TLS_CLOSED = 0, TLS_WANT_READ = -1, TLS_WANT_WRITE = -2, TLS_FAILED = -3 };

/* Each returns bytes moved (1 for the finished handshake), or one of the values above: wait for
 * the socket and call again with the same arguments. */
ssize_t tls_handshake(struct tls_conn *conn);
ssize_t tls_read(struct tls_conn *conn, void *data, size_t len);
ssize_t tls_write(struct tls_conn *conn, const void *data, size_t len);

/* Whether CONN keeps its record buffers (32 KiB) from one call to the next, or, as at first, takes
 * them anew each time: those of a connection that is idle are better used elsewhere. */
void tls_keep_buffers(struct tls_conn *conn, bool keep);

/* True if decrypted bytes wait, which poll(2) does not see. */
bool tls_has_pending(const struct tls_conn *conn);

void tls_close(struct tls_conn *conn); /* says goodbye, without waiting for an answer */

/* The names in the peer's verified certificate, owned by the caller, or NULL and nothing. */
char *tls_peer_name(const struct tls_conn *conn, char ***organizations, size_t *count);

DEFINE_CLEANUP(tls_context, struct tls_context *, tls_context_free)
