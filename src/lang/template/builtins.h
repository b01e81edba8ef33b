/* The functions that text/template has itself.  Internal to lang/template. */
#pragma once

#include "base/text.h"

struct function;

/* The function NAME, or NULL. */
const struct function *template_builtin_find(struct span name);
