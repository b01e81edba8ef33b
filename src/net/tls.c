#include "net/tls.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/vector.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct tls_context {
    SSL_CTX *ctx;
    bool client;
};

struct tls_conn {
    SSL *ssl;
};

static int tls_error(struct error **err, const char *what)
{
    unsigned long code = ERR_get_error();
    char text[256];

    ERR_error_string_n(code, text, sizeof(text));
    ERR_clear_error();
    return error_set(err, ERROR_INVALID, "%s: %s", what, text);
}

static int load_files(SSL_CTX *ctx, const char *cert_path, const char *key_path,
                      const char *client_ca_path, struct error **err)
{
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_path) != 1)
        return tls_error(err, "cannot load the certificate");
    if (SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1)
        return tls_error(err, "cannot load the key");
    if (client_ca_path == NULL)
        return 0;

    if (SSL_CTX_load_verify_locations(ctx, client_ca_path, NULL) != 1)
        return tls_error(err, "cannot load the clients' authority");
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(client_ca_path);
    if (names == NULL)
        return tls_error(err, "cannot load the clients' authority");
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    return 0;
}

static SSL_CTX *new_ctx(const SSL_METHOD *method, struct error **err)
{
    SSL_CTX *ctx = SSL_CTX_new(method);

    if (ctx == NULL) {
        tls_error(err, "cannot start TLS");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Connections hold no record buffers between calls; one read call fetches a whole record. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
    return ctx;
}

static struct tls_context *new_context(SSL_CTX *ctx, bool client)
{
    struct tls_context *context = xmalloc(sizeof(*context));

    *context = (struct tls_context){ctx, client};
    return context;
}

struct tls_context *tls_context_new(const char *cert_path, const char *key_path,
                                    const char *client_ca_path, struct error **err)
{
    SSL_CTX *ctx = new_ctx(TLS_server_method(), err);

    if (ctx == NULL)
        return NULL;
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"gantry", 6);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 1);
    if (load_files(ctx, cert_path, key_path, client_ca_path, err) == -1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return new_context(ctx, false);
}

struct tls_context *tls_context_new_client(const char *cert_path, const char *key_path,
                                           const char *server_ca_path, struct error **err)
{
    SSL_CTX *ctx = new_ctx(TLS_client_method(), err);

    if (ctx == NULL)
        return NULL;
    if (load_files(ctx, cert_path, key_path, server_ca_path, err) == -1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return new_context(ctx, true);
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ctx);
    free(context);
}

struct tls_conn *tls_conn_new(struct tls_context *context, int fd)
{
    SSL *ssl = SSL_new(context->ctx);

    if (ssl == NULL)
        return NULL;
    if (SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    if (context->client)
        SSL_set_connect_state(ssl);
    else
        SSL_set_accept_state(ssl);
    struct tls_conn *conn = xmalloc(sizeof(*conn));
    conn->ssl = ssl;
    return conn;
}

void tls_conn_free(struct tls_conn *conn)
{
    if (conn == NULL)
        return;
    SSL_free(conn->ssl);
    free(conn);
}

static ssize_t result_of(struct tls_conn *conn, int result)
{
    if (result > 0)
        return result;

    int why = SSL_get_error(conn->ssl, result);
    ERR_clear_error();
    switch (why) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    default:
        return TLS_FAILED;
    }
}

ssize_t tls_handshake(struct tls_conn *conn)
{
    return result_of(conn, SSL_do_handshake(conn->ssl));
}

ssize_t tls_read(struct tls_conn *conn, void *data, size_t len)
{
    return result_of(conn, SSL_read(conn->ssl, data, len > INT_MAX ? INT_MAX : (int)len));
}

ssize_t tls_write(struct tls_conn *conn, const void *data, size_t len)
{
    return result_of(conn, SSL_write(conn->ssl, data, len > INT_MAX ? INT_MAX : (int)len));
}

void tls_keep_buffers(struct tls_conn *conn, bool keep)
{
    if (keep) {
        SSL_clear_mode(conn->ssl, SSL_MODE_RELEASE_BUFFERS);
    } else {
        SSL_set_mode(conn->ssl, SSL_MODE_RELEASE_BUFFERS);
        SSL_free_buffers(conn->ssl); /* those that hold something stay for now */
    }
}

bool tls_has_pending(const struct tls_conn *conn)
{
    return SSL_has_pending(conn->ssl) == 1;
}

void tls_close(struct tls_conn *conn)
{
    SSL_shutdown(conn->ssl);
    ERR_clear_error();
}

/* One value of a name entry as UTF-8, owned by the caller, or NULL; also for one that holds a NUL,
 * which we would read as a shorter name than who signed it did. */
static char *entry_text(X509_NAME *name, int index)
{
    unsigned char *utf8 = NULL;
    ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index));
    int len = ASN1_STRING_to_UTF8(&utf8, value);

    if (len < 0)
        return NULL;
    char *text = memchr(utf8, '\0', (size_t)len) == NULL
                     ? xstrndup((const char *)utf8, (size_t)len)
                     : NULL;
    OPENSSL_free(utf8);
    return text;
}

char *tls_peer_name(const struct tls_conn *conn, char ***organizations, size_t *count)
{
    X509 *cert = SSL_get0_peer_certificate(conn->ssl);
    struct str_list list = {0};
    char *common_name = NULL;

    *organizations = NULL;
    *count = 0;
    if (cert == NULL || SSL_get_verify_result(conn->ssl) != X509_V_OK)
        return NULL;

    X509_NAME *name = X509_get_subject_name(cert);
    int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (index >= 0)
        common_name = entry_text(name, index);
    if (common_name == NULL)
        return NULL;
    index = -1;
    while ((index = X509_NAME_get_index_by_NID(name, NID_organizationName, index)) >= 0) {
        char *text = entry_text(name, index);
        if (text != NULL)
            str_list_push(&list, text);
    }
    *organizations = list.ptr;
    *count = list.len;
    return common_name;
}
