/* Evaluates a rule's tree.  Values are JSON values with a reference each; an error is NULL with
 * the evaluation's `failure` set, which && and || may clear again. */
#include "kube/cel_node.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"
#include "lang/regex.h"

#include <string.h>

struct variable {
    const char *name;
    json_t *value;
    const struct variable *outer;
};

struct evaluation {
    const struct cel_rule *rule;
    unsigned steps;
    struct error *failure;
};

static json_t *eval(struct evaluation *e, uint16_t index, const struct variable *scope);

static json_t *fail(struct evaluation *e, const char *what, const char *name)
{
    error_clear(&e->failure);
    error_set(&e->failure, ERROR_INVALID, "%s%s%s", what, name != NULL ? ": " : "",
              name != NULL ? name : "");
    return NULL;
}

/* jansson counts references of values that we only read, too. */
static json_t *keep(const json_t *value)
{
    return json_incref((json_t *)(uintptr_t)value);
}

static json_t *eval_name(struct evaluation *e, const char *name, const struct variable *scope)
{
    for (; scope != NULL; scope = scope->outer)
        if (strcmp(scope->name, name) == 0)
            return scope->value != NULL ? keep(scope->value) : fail(e, "no such value", name);
    return fail(e, "no such value", name);
}

/* AND and OR decide by either side, so an error on one side does not matter if the other says
 * enough. */
static json_t *eval_logic(struct evaluation *e, const struct cel_node *node,
                          const struct variable *scope)
{
    bool decides = node->op == CEL_OR;
    json_auto_t *left = eval(e, node->a, scope);

    if (left != NULL && !json_is_boolean(left))
        return fail(e, "no such overload", "a side of && or || is not a bool");
    if (left != NULL && json_is_true(left) == decides)
        return json_boolean(decides);

    json_auto_t *right = eval(e, node->b, scope);

    if (right == NULL)
        return NULL;
    if (!json_is_boolean(right))
        return fail(e, "no such overload", "a side of && or || is not a bool");
    if (json_is_true(right) == decides) {
        error_clear(&e->failure);
        return json_boolean(decides);
    }
    return left != NULL ? json_boolean(!decides) : NULL;
}

static json_t *compare(struct evaluation *e, enum cel_op op, const json_t *a, const json_t *b)
{
    double order;

    if (json_is_number(a) && json_is_number(b))
        order = json_number_value(a) - json_number_value(b);
    else if (json_is_string(a) && json_is_string(b))
        order = strcmp(json_string_value(a), json_string_value(b));
    else
        return fail(e, "no such overload", "values that have no order are compared");
    if (op == CEL_LT)
        return json_boolean(order < 0);
    if (op == CEL_LE)
        return json_boolean(order <= 0);
    return json_boolean(op == CEL_GT ? order > 0 : order >= 0);
}

static json_t *is_in(struct evaluation *e, const json_t *item, const json_t *set)
{
    size_t i;
    json_t *candidate;

    if (json_is_object(set))
        return json_boolean(json_is_string(item) &&
                            json_object_get(set, json_string_value(item)) != NULL);
    if (!json_is_array(set))
        return fail(e, "no such overload", "the right side of in is no list or map");
    json_array_foreach(set, i, candidate)
    {
        e->steps++;
        if (obj_eq(candidate, item))
            return json_true();
    }
    return json_false();
}

static json_t *eval_text_test(struct evaluation *e, enum cel_op op, const json_t *a,
                              const json_t *b)
{
    if (!json_is_string(a) || !json_is_string(b))
        return fail(e, "no such overload", "a function of text is called with something else");

    const char *text = json_string_value(a), *part = json_string_value(b);

    if (op == CEL_STARTS_WITH)
        return json_boolean(str_starts_with(text, part));
    if (op == CEL_ENDS_WITH)
        return json_boolean(str_ends_with(text, part));
    return json_boolean(strstr(text, part) != NULL);
}

static json_t *eval_pair(struct evaluation *e, const struct cel_node *node,
                         const struct variable *scope)
{
    json_auto_t *a = eval(e, node->a, scope);

    if (a == NULL)
        return NULL;

    json_auto_t *b = eval(e, node->b, scope);

    if (b == NULL)
        return NULL;
    if (node->op == CEL_EQ || node->op == CEL_NE)
        return json_boolean(obj_eq(a, b) == (node->op == CEL_EQ));
    if (node->op == CEL_IN)
        return is_in(e, a, b);
    if (node->op == CEL_STARTS_WITH || node->op == CEL_ENDS_WITH || node->op == CEL_CONTAINS)
        return eval_text_test(e, node->op, a, b);
    if (node->op != CEL_INDEX)
        return compare(e, node->op, a, b);

    json_t *found = NULL;

    if (json_is_array(a) && json_is_integer(b) && json_integer_value(b) >= 0)
        found = json_array_get(a, (size_t)json_integer_value(b));
    else if (json_is_object(a) && json_is_string(b))
        found = json_object_get(a, json_string_value(b));
    return found != NULL ? keep(found) : fail(e, "no such key", NULL);
}

static json_t *eval_member(struct evaluation *e, const struct cel_node *node,
                           const struct variable *scope)
{
    json_auto_t *object = eval(e, node->a, scope);

    if (object == NULL)
        return NULL;

    json_t *member = json_object_get(object, node->text);

    if (node->op == CEL_HAS)
        return json_boolean(member != NULL);
    return member != NULL ? keep(member) : fail(e, "no such key", node->text);
}

static json_t *eval_size(struct evaluation *e, const json_t *value)
{
    json_int_t size = 0;

    if (json_is_string(value)) {
        for (const char *text = json_string_value(value); *text != '\0'; text++)
            size += ((unsigned char)*text & 0xc0) != 0x80;
        return json_integer(size);
    }
    if (json_is_array(value))
        return json_integer((json_int_t)json_array_size(value));
    if (json_is_object(value))
        return json_integer((json_int_t)json_object_size(value));
    return fail(e, "no such overload", "size() of a value that has none");
}

static json_t *eval_unary(struct evaluation *e, const struct cel_node *node,
                          const struct variable *scope)
{
    json_auto_t *value = eval(e, node->a, scope);
    bool found = false;

    if (value == NULL)
        return NULL;
    if (node->op == CEL_SIZE)
        return eval_size(e, value);
    if (node->op == CEL_NOT)
        return json_is_boolean(value) ? json_boolean(!json_is_true(value))
                                      : fail(e, "no such overload",
                                             "! of something else than a "
                                             "bool");
    if (node->op == CEL_NEGATE) {
        if (json_is_integer(value) && json_integer_value(value) != INT64_MIN)
            return json_integer(-json_integer_value(value));
        return json_is_real(value) ? json_real(-json_real_value(value))
                                   : fail(e, "no such overload",
                                          "- of something else than a "
                                          "number");
    }
    if (!json_is_string(value))
        return fail(e, "no such overload", "matches() of something else than text");
    error_clear(&e->failure);
    if (regex_search(node->regex,
                     (struct span){json_string_value(value), json_string_length(value)}, 0, &found,
                     NULL, 0, &e->failure) == -1)
        return NULL;
    return json_boolean(found);
}

/* all() is && over the items, exists() is ||, also in how they treat errors. */
static json_t *eval_macro(struct evaluation *e, const struct cel_node *node,
                          const struct variable *scope)
{
    bool decides = node->op == CEL_EXISTS, failed = false;
    json_auto_t *list = eval(e, node->a, scope);
    size_t i;
    json_t *item;

    if (list == NULL)
        return NULL;
    if (!json_is_array(list))
        return fail(e, "no such overload", "a macro over something else than a list");
    json_array_foreach(list, i, item)
    {
        struct variable inner = {node->text, item, scope};
        json_auto_t *result = eval(e, node->b, &inner);

        if (e->steps > CEL_MAX_STEPS)
            return NULL;
        if (result == NULL || !json_is_boolean(result))
            failed = true;
        else if (json_is_true(result) == decides) {
            error_clear(&e->failure);
            return json_boolean(decides);
        }
    }
    if (!failed)
        return json_boolean(!decides);
    return e->failure != NULL ? NULL : fail(e, "no such overload", "a macro's body is not a bool");
}

static json_t *eval_list(struct evaluation *e, uint16_t first, const struct variable *scope)
{
    json_auto_t *list = json_array();

    for (uint16_t i = first; i != CEL_NONE; i = e->rule->nodes.ptr[i].next) {
        json_t *item = eval(e, i, scope);

        if (item == NULL)
            return NULL;
        json_array_append_new(list, item);
    }
    return steal(&list);
}

static json_t *eval(struct evaluation *e, uint16_t index, const struct variable *scope)
{
    const struct cel_node *node = &e->rule->nodes.ptr[index];

    if (++e->steps > CEL_MAX_STEPS)
        return fail(e, "the rule takes too many steps", NULL);
    switch (node->op) {
    case CEL_LITERAL:
        return json_incref(node->literal);
    case CEL_NAME:
        return eval_name(e, node->text, scope);
    case CEL_MEMBER:
    case CEL_HAS:
        return eval_member(e, node, scope);
    case CEL_AND:
    case CEL_OR:
        return eval_logic(e, node, scope);
    case CEL_NOT:
    case CEL_NEGATE:
    case CEL_SIZE:
    case CEL_MATCHES:
        return eval_unary(e, node, scope);
    case CEL_CHOOSE: {
        json_auto_t *condition = eval(e, node->a, scope);

        if (condition == NULL)
            return NULL;
        if (!json_is_boolean(condition))
            return fail(e, "no such overload", "the condition of ? is not a bool");
        return eval(e, json_is_true(condition) ? node->b : node->c, scope);
    }
    case CEL_LIST:
        return eval_list(e, node->a, scope);
    case CEL_ALL:
    case CEL_EXISTS:
        return eval_macro(e, node, scope);
    case CEL_INDEX:
    case CEL_EQ:
    case CEL_NE:
    case CEL_LT:
    case CEL_LE:
    case CEL_GT:
    case CEL_GE:
    case CEL_IN:
    case CEL_STARTS_WITH:
    case CEL_ENDS_WITH:
    case CEL_CONTAINS:
        return eval_pair(e, node, scope);
    }
    return fail(e, "unknown operation", NULL);
}

int cel_eval(const struct cel_rule *rule, const json_t *self, const json_t *old_self, bool *result,
             struct error **err)
{
    struct evaluation e = {.rule = rule};
    struct variable old = {"oldSelf", (json_t *)(uintptr_t)old_self, NULL};
    struct variable scope = {"self", (json_t *)(uintptr_t)self, &old};
    json_auto_t *value = eval(&e, rule->root, &scope);

    if (value == NULL) {
        *err = e.failure;
        return -1;
    }
    error_free(e.failure);
    if (!json_is_boolean(value))
        return error_set(err, ERROR_INVALID, "the rule gives no bool");
    *result = json_is_true(value);
    return 0;
}
