/* Inside of a query.  May use: base, lang. */
#pragma once

#include "lang/rego/plan.h"

struct query_var {
    const struct rval *name;
    uint32_t reg;
};

struct rego_query {
    struct rego *rego; /* a reference */
    struct arena arena;
    struct step *body;
    struct operand value; /* is_term */
    bool is_term;
    struct query_var *vars;
    size_t var_count;
    uint32_t frame_size;
};
