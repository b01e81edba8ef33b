/* A parsed template, and the values that flow through it.  Internal to lang/template.
 *
 * May use: base, data, lang. */
#pragma once

#include "base/map.h"
#include "base/text.h"
#include "lang/arena.h"
#include "lang/template/template.h"

struct regex;

/* Values: what Go would have as reflect.Value. */

enum value_kind {
    VALUE_NONE, /* nothing: a missing key ("<no value>") */
    VALUE_NIL,  /* null */
    VALUE_BOOL,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_TEXT,
    VALUE_LIST,
    VALUE_MAP,
};

/* Which of Go's types a VALUE_INT has: they print alike but are not interchangeable as arguments.
 */
enum int_type { INT_PLAIN, INT_64, INT_RUNE, INT_BYTE };

struct value {
    enum value_kind kind;
    enum int_type int_type;
    union {
        bool b;
        int64_t i;
        double f;
        struct span text; /* borrowed from template, data or the rendering's arena */
        const json_t *json;
    };
    size_t from, to; /* of a VALUE_LIST: its elements */
};

/* Expressions. */

enum expr_kind {
    EXPR_DOT,
    EXPR_NIL,
    EXPR_BOOL,
    EXPR_NUMBER,
    EXPR_TEXT,
    EXPR_FIELD,    /* .a.b: of the dot */
    EXPR_VARIABLE, /* $x.a.b */
    EXPR_FUNCTION,
    EXPR_PIPE,  /* ( ... ) */
    EXPR_CHAIN, /* ( ... ).a.b */
};

struct number {
    bool is_int, is_float, is_rune;
    bool prefers_float; /* written with a point or an exponent */
    int64_t i;
    double f;
};

struct function;

struct expr {
    enum expr_kind kind;
    size_t offset;
    struct span *fields; /* FIELD, VARIABLE, CHAIN */
    size_t field_count;
    union {
        bool b;
        struct number number;
        struct span text;
        size_t slot;                     /* VARIABLE */
        const struct function *function; /* FUNCTION */
        struct pipe *pipe;               /* PIPE, CHAIN */
    };
};

/* A function or operand with its arguments. */
struct command {
    struct expr *args;
    size_t count;
    struct regex *regex; /* of a regular expression that is a literal, or NULL */
};

struct pipe {
    size_t offset;
    size_t slots[2]; /* variables that take the result */
    int slot_count;
    bool is_assign; /* with "=" */
    struct command *commands;
    size_t count;
};

/* Statements. */

enum node_kind {
    NODE_TEXT,
    NODE_ACTION,
    NODE_IF,
    NODE_WITH,
    NODE_RANGE,
    NODE_TEMPLATE,
    NODE_BREAK,
    NODE_CONTINUE,
};

struct node_list {
    struct node *first, *last;
};

struct node {
    enum node_kind kind;
    size_t offset;
    struct span text; /* TEXT, or the name of a TEMPLATE */
    struct pipe *pipe;
    struct node_list body, otherwise;
    struct node *next;
};

/* A defined template. */
struct tree {
    struct node_list body;
    size_t slot_count; /* variables, $ included */
    bool is_empty;     /* blanks only: may be defined again */
};

struct template
{
    char *what;
    char *text;
    size_t len;
    struct arena arena; /* all nodes */
    struct map *trees;  /* struct tree by name; the main one is "" */
    struct tree *main;
    struct regex **regexes; /* owned, of literals */
    size_t regex_count;
};

/* A rendering. */
struct render {
    const struct template *template;
    enum template_mode mode;
    const json_t *data;
    struct buf *out;
    size_t out_start;
    struct arena arena; /* intermediate texts */
    uint64_t steps;
    int depth;
    size_t offset; /* of what is evaluated, for errors */
    struct error **err;
};

/* Fails at the current offset.  Returns -1. */
int render_fail(struct render *render, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* LEN bytes for a text, or NULL after failing because the memory is used up. */
/* Counts STEPS more of work, about 20 ns each; fails when there have been TEMPLATE_MAX_STEPS. */
int render_spend(struct render *render, uint64_t steps);
char *render_alloc(struct render *render, size_t len);

/* Functions. */

/* Types of parameters, one letter each: s string, i int, f float64, a any value (nothing becomes
 * nil), v any value as it is.  A '*' behind the last one repeats it. */
struct function {
    const char *name;
    const char *params;
    int (*call)(struct render *render, const struct command *command, struct value *args,
                size_t count, struct value *result);
};

/* "and" and "or" have no call: they evaluate their arguments themselves. */
const struct function *template_function_find(struct span name);

bool value_is_true(const struct value *value);
/* Appends VALUE as %v does. */
void value_print(const struct value *value, struct buf *out);
/* Go's name of its type. */
const char *value_type(const struct value *value);
struct value value_of_json(const json_t *json);
/* The text of a float as %v has it. */
void value_print_float(double value, struct buf *out);

/* printf: appends FORMAT with ARGS. */
void template_printf(struct span format, const struct value *args, size_t count, struct buf *out);

/* Makes a text value of what BUF holds, in the rendering's memory; empties BUF. */
int value_take_buf(struct render *render, struct buf *buf, struct value *result);
