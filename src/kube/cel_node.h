/* A CEL rule as a tree in an array; shared by cel_parse.c and cel_eval.c only. */
#pragma once

#include "base/vector.h"
#include "kube/cel.h"

#include <stdint.h>

struct regex;

enum cel_op {
    CEL_LITERAL,
    CEL_NAME,   /* self, oldSelf, or a macro's variable: text */
    CEL_MEMBER, /* a.text */
    CEL_INDEX,  /* a[b] */
    CEL_HAS,    /* has(a.text) */
    CEL_NOT,
    CEL_NEGATE,
    CEL_AND,
    CEL_OR,
    CEL_EQ,
    CEL_NE,
    CEL_LT,
    CEL_LE,
    CEL_GT,
    CEL_GE,
    CEL_IN,
    CEL_CHOOSE, /* a ? b : c */
    CEL_LIST,   /* elements from a on, chained by `next` */
    CEL_SIZE,
    CEL_STARTS_WITH,
    CEL_ENDS_WITH,
    CEL_CONTAINS,
    CEL_MATCHES, /* a matches regex */
    CEL_ALL,     /* a.all(text, b) */
    CEL_EXISTS,
};

enum { CEL_NONE = UINT16_MAX };

struct cel_node {
    enum cel_op op;
    uint16_t a, b, c, next; /* indexes of nodes, or CEL_NONE */
    char *text;
    json_t *literal;
    struct regex *regex;
};

DEFINE_VECTOR(cel_node_list, struct cel_node)

struct cel_rule {
    struct cel_node_list nodes;
    uint16_t root;
    bool uses_old;
};
