#include "base/error.h"
#include "base/mem.h"
#include "net/url.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(url) struct url *url = NULL;
    CLEANUP(url) struct url *again = NULL;
    CLEANUP(str) char *text = xstrndup((const char *)data, len);

    free(url_join("https://host/a/b?c", text, &err));
    error_clear(&err);
    if (url_parse(text, &url, &err) == -1) {
        if (err == NULL)
            __builtin_trap();
        return 0;
    }
    /* What is put together is taken apart in the same way. */
    CLEANUP(str) char *printed = url_format(url);
    if (url_parse(printed, &again, &err) == -1 || strcmp(again->host, url->host) != 0 ||
        strcmp(again->path, url->path) != 0 || again->port != url->port)
        __builtin_trap();
    return 0;
}
