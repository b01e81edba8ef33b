/* A user's declarative hook, run on a small definition. */
#include "base/error.h"
#include "data/dom.h"
#include "hook/premigration/facts.h"
#include "hook/premigration/user_hooks.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char definition[] =
    "<domain type='kvm'><name>demo_web</name><metadata><m:own xmlns:m='urn:m'>a</m:own></metadata>"
    "<devices><disk type='file'><driver name='qemu' cache='writeback'/><source file='/a'/>"
    "<alias name='ua-root'/></disk><!-- left --><interface type='bridge'/></devices></domain>";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    CLEANUP(user_hooks) struct user_hooks *hooks = NULL;
    CLEANUP(error) struct error *err = NULL;
    struct dom *dom = NULL;
    const struct facts facts = {0};

    if (user_hooks_parse("fuzz.yaml", (const char *)data, len, &hooks, &err) == -1) {
        if (err == NULL)
            __builtin_trap();
        return 0;
    }
    if (dom_parse(definition, strlen(definition), &dom, &err) == -1 ||
        (user_hooks_run(hooks, 0, &facts, &dom, &err) == -1 && err == NULL))
        __builtin_trap();
    free(dom_format(dom));
    dom_free(dom);
    return 0;
}
