#include "base/error.h"
#include "base/mem.h"
#include "data/obj.h"
#include "kube/selector.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void try_labels(const char *text)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(selector) struct selector *selector = selector_parse(text, &err);
    json_auto_t *labels = obj_pack("{s:s,s:s}", "app", "web", "tier", "1");

    if (selector == NULL) {
        if (err == NULL)
            __builtin_trap();
        return;
    }
    CLEANUP(str) char *printed = selector_format(selector);
    CLEANUP(selector) struct selector *again = selector_parse(printed, &err);
    if (again == NULL || selector_matches(selector, labels) != selector_matches(again, labels))
        __builtin_trap();
}

static void try_fields(const char *text)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(field_selector) struct field_selector *selector = field_selector_parse(text, &err);
    json_auto_t *object = obj_pack("{s:{s:s}}", "metadata", "name", "web");

    if (selector != NULL)
        field_selector_matches(selector, object);
    else if (err == NULL)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(str) char *text = xstrndup((const char *)data, len);

    try_labels(text);
    try_fields(text);
    return 0;
}
