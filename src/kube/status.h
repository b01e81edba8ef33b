/* What an API server's refusals mean.  May use: base, data.  Threads: pure functions. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;

/* Makes the answer of an HTTP STATUS of 400 or above an error: the code by status and reason, the
 * text of the Status object in BODY where there is one.  Returns -1. */
int status_to_error(int status, const char *body, size_t body_len, struct error **err);

/* The retryAfterSeconds of the Status object in BODY as milliseconds, or FALLBACK_MS. */
int64_t status_retry_after_ms(const char *body, size_t body_len, int64_t fallback_ms);
