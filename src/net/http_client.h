/* An HTTP/1.1 client that keeps connections: the door to libcurl.
 *
 * A client is one server's worth of settings (trust, credentials) and a pool of connections.  A
 * call blocks its thread until the answer is there, its deadline is over or its cancel is
 * requested. Redirects are not followed unless the call says so, and never with credentials to
 * another host.
 *
 * May use: base, data.  Threads: a client may be used from any thread; a call and its reply belong
 * to one.
 */
#pragma once

#include "base/cleanup.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cancel;
struct error;
struct http_client;
struct secret;

enum {
    HTTP_REPLY_MAX_BYTES = 64 * 1024 * 1024, /* of a body kept in memory, unless a call says less */
    HTTP_REPLY_MAX_HEADERS = 256,
};

/* Everything may be left zero; texts and secrets are copied. */
struct http_client_options {
    const char *ca_pem;           /* certificates that are trusted instead of the system's */
    const char *ca_file;          /* the same from a file */
    const char *cert_pem;         /* shown to the server */
    const struct secret *key_pem; /* its private key */
    /* SHA-1 or SHA-256 of the server's own certificate, in hexadecimal with or without colons: this
     * certificate is accepted, whoever signed it and whatever its names; no other one is. */
    const char *thumbprint;
    bool insecure;              /* any certificate */
    const struct secret *token; /* Authorization: Bearer */
    const char *user;           /* with PASSWORD: Authorization: Basic */
    const struct secret *password;
    const char *user_agent;     /* NULL: gantry/VERSION */
    const char *proxy;          /* NULL: what the environment says (https_proxy, no_proxy) */
    int64_t connect_timeout_ms; /* 0: 15 s */
};

/* ERROR_INVALID for a thumbprint that is none. */
int http_client_new(const struct http_client_options *options, struct http_client **out,
                    struct error **err);
void http_client_free(struct http_client *client); /* no call may be running */

/* Replaces the token (NULL: none) for calls that start from now on. */
void http_client_set_token(struct http_client *client, const struct secret *token);

/* The SHA-1 thumbprint that the server showed last, "AA:BB:...", or NULL.  Owned by the caller. */
char *http_client_thumbprint(struct http_client *client);

/* What is asked. */
struct http_call {
    const char *method; /* NULL: GET */
    const char *url;
    const char *const *headers; /* "Name: value", NULL at the end; or NULL */
    const void *body;           /* or NULL; a Content-Type is up to HEADERS */
    size_t body_len;
    uint64_t range_offset, range_len; /* RANGE_LEN bytes from there; 0: everything */
    int64_t timeout_ms;               /* for all of it; 0: no such limit, only for streams */
    int64_t stall_ms;      /* at least one byte must come in this time; 0: no such limit */
    int max_redirects;     /* 0: a redirect is an answer like any other */
    size_t max_body;       /* of what is kept; 0: HTTP_REPLY_MAX_BYTES */
    struct cancel *cancel; /* or NULL */

    /* Gets the body of an answer below 300 as it comes, instead of the reply; false ends the call,
     * which is no failure.  The status and headers of the reply are there before. */
    bool (*on_data)(void *arg, const char *data, size_t len);
    void *arg;
};

struct http_reply {
    int status;
    char *body; /* NUL behind it; never NULL after success */
    size_t body_len;
    struct buf headers; /* of the last answer: "Name: value\n" each */
    bool ended;         /* ON_DATA ended the call */
    int64_t wait_us;    /* from the request to the answer's first byte, 0 if there was none */
};

/* Sends CALL.  Any status is a success, but for a range: an answer without exactly the bytes asked
 * for is ERROR_UNSUPPORTED (the server ignores ranges) or ERROR_CORRUPT.  Trust that fails is
 * ERROR_DENIED, no connection or a broken one ERROR_UNAVAILABLE.  REPLY is zeroed first. */
int http_client_send(struct http_client *client, const struct http_call *call,
                     struct http_reply *reply, struct error **err);

/* The value of a header in any case of letters, or an empty span.  Borrowed. */
struct span http_reply_header(const struct http_reply *reply, const char *name);

void http_reply_reset(struct http_reply *reply);

/* Makes a status of 400 or above an error by its class, with the body's first line: 401 and 403
 * DENIED, 404 NOT_FOUND, 409 CONFLICT, 410 EXPIRED, 429 BUSY, 5xx UNAVAILABLE, others INVALID. */
int http_reply_check(const struct http_reply *reply, struct error **err);

DEFINE_CLEANUP(http_client, struct http_client *, http_client_free)
DEFINE_CLEANUP_IN_PLACE(http_reply, struct http_reply, http_reply_reset)
