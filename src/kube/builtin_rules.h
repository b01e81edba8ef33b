/* Write-time rules of one kind; for builtin.c and builtin_rules.c only. */
#pragma once

#include "data/obj.h"
#include "kube/cause.h"

enum name_style {
    NAME_SUBDOMAIN,
    NAME_LABEL,
    NAME_LABEL_1035,
    NAME_SEGMENT, /* anything but ".", "..", '/' and '%' */
};

struct builtin_rules {
    const char *name;
    enum name_style names;
    /* Both may be NULL.  OLD is NULL on create; the status is already what will be kept. */
    void (*prepare)(json_t *object, const json_t *old);
    void (*validate)(const json_t *object, const json_t *old, struct cause_list *causes);
};

/* Checks metadata of any kind: meta_validate.c. */
void meta_validate(const json_t *object, const json_t *old, enum name_style names,
                   struct cause_list *causes);
