/* Walks the tree of a template.  Each call of a template has a frame of variables, found by slot.
 * Loops over data are bounded by steps, recursion by depth; failing drops what was put out. */
#include "lang/template/tree.h"

#include "base/error.h"
#include "base/mem.h"
#include "data/obj.h"
#include "lang/caret.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ARGS = 101, SMALL_ARGS = 8, BYTES_PER_STEP = 64 };

struct frame {
    struct value *slots;
    struct value dot;
};

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE, FLOW_FAILED };

static enum flow run_list(struct render *r, const struct node_list *list, struct frame *frame);
static int eval_pipe(struct render *r, const struct pipe *pipe, struct frame *frame,
                     struct value *result);

int render_fail(struct render *render, const char *format, ...)
{
    const struct template *t = render->template;
    va_list args;

    va_start(args, format);
    CLEANUP(str) char *msg = xvasprintf(format, args);
    va_end(args);
    return caret_set(render->err, ERROR_INVALID, t->what, (struct span){t->text, t->len},
                     render->offset, "%s", msg);
}

char *render_alloc(struct render *render, size_t len)
{
    if (arena_has_room(&render->arena, len + 1))
        return arena_alloc(&render->arena, len + 1);
    render_fail(render, "more than %d bytes of memory", TEMPLATE_MAX_MEMORY);
    return NULL;
}

int value_take_buf(struct render *render, struct buf *buf, struct value *result)
{
    if (buf->full)
        return render_fail(render, "a text of more than %zu bytes", buf->max);
    char *copy = render_alloc(render, buf->len);
    if (copy == NULL)
        return -1;
    memcpy(copy, buf->ptr != NULL ? buf->ptr : "", buf->len);
    *result = (struct value){.kind = VALUE_TEXT, .text = {copy, buf->len}};
    buf_reset(buf);
    return 0;
}

int render_spend(struct render *render, uint64_t steps)
{
    render->steps += steps;
    if (render->steps <= TEMPLATE_MAX_STEPS)
        return 0;
    return render_fail(render, "more than %d steps", TEMPLATE_MAX_STEPS);
}

static int count_step(struct render *r, size_t offset)
{
    r->offset = offset;
    return render_spend(r, 1);
}

/* Fields. */

static int get_field(struct render *r, const struct value *of, struct span name,
                     struct value *result)
{
    if (of->kind == VALUE_MAP) {
        json_t *found = json_object_getn(of->json, name.ptr, name.len);
        if (found == NULL && of->json == r->data && r->mode == TEMPLATE_STRUCT)
            return render_fail(r, "there is no field %.*s", (int)name.len, name.ptr);
        *result = value_of_json(found);
        return 0;
    }
    if (of->kind == VALUE_NONE) {
        *result = *of;
        return 0;
    }
    return render_fail(r, "%s has no field %.*s", value_type(of), (int)name.len, name.ptr);
}

static int get_fields(struct render *r, const struct expr *expr, struct value *value)
{
    for (size_t i = 0; i < expr->field_count; i++) {
        struct value inner;

        if (get_field(r, value, expr->fields[i], &inner) == -1)
            return -1;
        *value = inner;
    }
    return 0;
}

/* Operands. */

static struct value number_value(const struct number *number)
{
    struct value value = {.kind = VALUE_INT, .i = number->i};

    if (number->prefers_float)
        return (struct value){.kind = VALUE_FLOAT, .f = number->f};
    value.int_type = number->is_rune ? INT_RUNE : INT_PLAIN;
    return value;
}

static int call_function(struct render *r, const struct command *command, struct frame *frame,
                         const struct value *final, struct value *result);

static int eval_operand(struct render *r, const struct expr *expr, struct frame *frame,
                        struct value *result)
{
    struct command bare = {(struct expr *)(uintptr_t)expr, 1, NULL};

    switch (expr->kind) {
    case EXPR_DOT:
        *result = frame->dot;
        return 0;
    case EXPR_NIL:
        *result = (struct value){.kind = VALUE_NIL};
        return 0;
    case EXPR_BOOL:
        *result = (struct value){.kind = VALUE_BOOL, .b = expr->b};
        return 0;
    case EXPR_NUMBER:
        *result = number_value(&expr->number);
        return 0;
    case EXPR_TEXT:
        *result = (struct value){.kind = VALUE_TEXT, .text = expr->text};
        return 0;
    case EXPR_FIELD:
        r->offset = expr->offset;
        *result = frame->dot;
        return get_fields(r, expr, result);
    case EXPR_VARIABLE:
        r->offset = expr->offset;
        *result = frame->slots[expr->slot];
        return get_fields(r, expr, result);
    case EXPR_FUNCTION:
        return call_function(r, &bare, frame, NULL, result);
    case EXPR_PIPE:
        return eval_pipe(r, expr->pipe, frame, result);
    case EXPR_CHAIN:
        if (eval_pipe(r, expr->pipe, frame, result) == -1)
            return -1;
        r->offset = expr->offset;
        return get_fields(r, expr, result);
    }
    return render_fail(r, "an operand of no kind");
}

/* Arguments: EXPR, or a value that came through a pipe, as a parameter of TYPE. */

static int wrong_arg(struct render *r, size_t offset, const struct value *value, char type)
{
    r->offset = offset;
    return render_fail(r, "expected %s, got %s",
                       type == 's'   ? "a string"
                       : type == 'i' ? "an int"
                                     : "a float64",
                       value_type(value));
}

static int convert_arg(struct render *r, size_t offset, char type, struct value *value)
{
    switch (type) {
    case 's':
        return value->kind == VALUE_TEXT ? 0 : wrong_arg(r, offset, value, type);
    case 'i':
        return value->kind == VALUE_INT && value->int_type == INT_PLAIN
                   ? 0
                   : wrong_arg(r, offset, value, type);
    case 'f':
        return value->kind == VALUE_FLOAT ? 0 : wrong_arg(r, offset, value, type);
    case 'a':
        if (value->kind == VALUE_NONE)
            value->kind = VALUE_NIL;
        return 0;
    default:
        return 0;
    }
}

static int eval_arg(struct render *r, const struct expr *expr, struct frame *frame, char type,
                    struct value *value)
{
    if (expr->kind == EXPR_NUMBER && type == 'i' && expr->number.is_int) {
        *value = (struct value){.kind = VALUE_INT, .i = expr->number.i};
        return 0;
    }
    if (expr->kind == EXPR_NUMBER && type == 'f') {
        *value = (struct value){.kind = VALUE_FLOAT, .f = expr->number.f};
        return 0;
    }
    if (eval_operand(r, expr, frame, value) == -1)
        return -1;
    return convert_arg(r, expr->offset, type, value);
}

/* "and" stops at the first false operand, "or" at the first true one. */
static int call_logic(struct render *r, const struct command *command, struct frame *frame,
                      const struct value *final, bool is_or, struct value *result)
{
    if (command->count == 1 && final == NULL)
        return render_fail(r, "%s needs an argument", is_or ? "or" : "and");
    for (size_t i = 1; i < command->count; i++) {
        if (eval_operand(r, &command->args[i], frame, result) == -1)
            return -1;
        if (value_is_true(result) == is_or)
            return 0;
    }
    if (final != NULL)
        *result = *final;
    return 0;
}

static char param_type(const struct function *function, size_t index)
{
    const char *params = function->params;
    size_t len = strlen(params);

    if (len > 0 && params[len - 1] == '*' && index + 2 > len)
        return params[len - 2];
    return index < len ? params[index] : '\0';
}

static int check_count(struct render *r, const struct function *function, size_t count)
{
    size_t len = strlen(function->params);
    bool repeats = len > 0 && function->params[len - 1] == '*';
    size_t least = repeats ? len - 2 : len;

    if (count >= least && (repeats || count == len) && count < MAX_ARGS)
        return 0;
    return render_fail(r, "%s wants %s%zu argument%s, not %zu", function->name,
                       repeats ? "at least " : "", least, least == 1 ? "" : "s", count);
}

static int call_function(struct render *r, const struct command *command, struct frame *frame,
                         const struct value *final, struct value *result)
{
    const struct function *function = command->args[0].function;
    struct value small[SMALL_ARGS];
    struct value *args = small;
    size_t given = command->count - 1, count = given + (final != NULL);

    if (count_step(r, command->args[0].offset) == -1)
        return -1;
    if (function->call == NULL)
        return call_logic(r, command, frame, final, function->name[0] == 'o', result);
    if (check_count(r, function, count) == -1)
        return -1;
    if (count > SMALL_ARGS) {
        args = (struct value *)(void *)render_alloc(r, count * sizeof(*args));
        if (args == NULL)
            return -1;
    }
    for (size_t i = 0; i < given; i++)
        if (eval_arg(r, &command->args[i + 1], frame, param_type(function, i), &args[i]) == -1)
            return -1;
    if (final != NULL) {
        args[given] = *final;
        if (convert_arg(r, command->args[0].offset, param_type(function, given), &args[given]) ==
            -1)
            return -1;
    }
    r->offset = command->args[0].offset;
    for (size_t i = 0; i < count; i++)
        if (args[i].kind == VALUE_TEXT && render_spend(r, args[i].text.len / BYTES_PER_STEP) == -1)
            return -1;
    return function->call(r, command, args, count, result);
}

static int eval_command(struct render *r, const struct command *command, struct frame *frame,
                        const struct value *final, struct value *result)
{
    const struct expr *first = &command->args[0];

    if (first->kind == EXPR_FUNCTION)
        return call_function(r, command, frame, final, result);
    r->offset = first->offset;
    if (command->count > 1 || final != NULL)
        return render_fail(r, "arguments for something that is not a function");
    if (first->kind == EXPR_NIL)
        return render_fail(r, "nil is not a command");
    return eval_operand(r, first, frame, result);
}

static int eval_pipe(struct render *r, const struct pipe *pipe, struct frame *frame,
                     struct value *result)
{
    struct value last;
    const struct value *final = NULL;

    if (count_step(r, pipe->offset) == -1)
        return -1;
    for (size_t i = 0; i < pipe->count; i++) {
        if (eval_command(r, &pipe->commands[i], frame, final, result) == -1)
            return -1;
        if (result->kind == VALUE_NIL) /* an empty interface holds nothing */
            result->kind = VALUE_NONE;
        last = *result;
        final = &last;
    }
    if (pipe->slot_count == 1)
        frame->slots[pipe->slots[0]] = *result;
    return 0;
}

/* Statements. */

static int print_action(struct render *r, const struct node *node, struct frame *frame)
{
    struct value value;

    if (eval_pipe(r, node->pipe, frame, &value) == -1)
        return -1;
    if (node->pipe->slot_count > 0)
        return 0;
    if (value.kind == VALUE_TEXT)
        buf_add_span(r->out, value.text);
    else if (value.kind == VALUE_NONE)
        buf_add(r->out, "<no value>");
    else
        value_print(&value, r->out);
    return 0;
}

static enum flow run_if(struct render *r, const struct node *node, struct frame *frame)
{
    struct value value;

    if (eval_pipe(r, node->pipe, frame, &value) == -1)
        return FLOW_FAILED;
    if (!value_is_true(&value))
        return run_list(r, &node->otherwise, frame);
    if (node->kind == NODE_IF)
        return run_list(r, &node->body, frame);

    struct value outer = frame->dot;
    frame->dot = value;
    enum flow flow = run_list(r, &node->body, frame);
    frame->dot = outer;
    return flow;
}

/* One round of a range. */
static enum flow run_round(struct render *r, const struct node *node, struct frame *frame,
                           struct value key, struct value element)
{
    const struct pipe *pipe = node->pipe;

    if (count_step(r, node->offset) == -1)
        return FLOW_FAILED;
    if (pipe->slot_count > 0)
        frame->slots[pipe->slots[pipe->slot_count - 1]] = element;
    if (pipe->slot_count == 2)
        frame->slots[pipe->slots[0]] = key;
    frame->dot = element;
    enum flow flow = run_list(r, &node->body, frame);
    return flow == FLOW_CONTINUE ? FLOW_ON : flow;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum flow range_map(struct render *r, const struct node *node, struct frame *frame,
                           const json_t *map)
{
    size_t count = json_object_size(map), i = 0;
    const char **keys = (const char **)(void *)render_alloc(r, count * sizeof(*keys));
    const char *key;
    json_t *element;
    enum flow flow = FLOW_ON;

    if (keys == NULL)
        return FLOW_FAILED;
    json_object_foreach((json_t *)(uintptr_t)map, key, element) keys[i++] = key;
    qsort(keys, count, sizeof(*keys), compare_keys);
    for (i = 0; i < count && flow == FLOW_ON; i++) {
        struct value name = {.kind = VALUE_TEXT, .text = span_of(keys[i])};
        flow = run_round(r, node, frame, name, value_of_json(json_object_get(map, keys[i])));
    }
    return flow;
}

static enum flow range_list(struct render *r, const struct node *node, struct frame *frame,
                            const struct value *list)
{
    enum flow flow = FLOW_ON;

    for (size_t i = list->from; i < list->to && flow == FLOW_ON; i++) {
        struct value index = {.kind = VALUE_INT, .i = (int64_t)(i - list->from)};
        flow = run_round(r, node, frame, index, value_of_json(json_array_get(list->json, i)));
    }
    return flow;
}

static enum flow range_int(struct render *r, const struct node *node, struct frame *frame,
                           int64_t count)
{
    enum flow flow = FLOW_ON;

    for (int64_t i = 0; i < count && flow == FLOW_ON; i++) {
        struct value index = {.kind = VALUE_INT, .i = i};
        flow = run_round(r, node, frame, index, index);
    }
    return flow;
}

static enum flow run_range(struct render *r, const struct node *node, struct frame *frame)
{
    struct value value, outer = frame->dot;
    enum flow flow = FLOW_ON;

    if (eval_pipe(r, node->pipe, frame, &value) == -1)
        return FLOW_FAILED;
    bool can_range = value.kind == VALUE_NONE || value.kind == VALUE_LIST ||
                     value.kind == VALUE_MAP ||
                     (value.kind == VALUE_INT && node->pipe->slot_count < 2);
    if (!can_range) {
        r->offset = node->pipe->offset;
        render_fail(r, "range cannot walk over %s", value_type(&value));
        return FLOW_FAILED;
    }
    if (value.kind == VALUE_INT ? value.i <= 0 : !value_is_true(&value))
        return run_list(r, &node->otherwise, frame);
    if (value.kind == VALUE_LIST)
        flow = range_list(r, node, frame, &value);
    else if (value.kind == VALUE_MAP)
        flow = range_map(r, node, frame, value.json);
    else
        flow = range_int(r, node, frame, value.i);
    frame->dot = outer;
    return flow == FLOW_BREAK ? FLOW_ON : flow;
}

static enum flow run_tree(struct render *r, const struct tree *tree, struct value dot)
{
    struct frame frame = {.dot = dot};

    frame.slots = (struct value *)(void *)render_alloc(r, tree->slot_count * sizeof(struct value));
    if (frame.slots == NULL)
        return FLOW_FAILED;
    frame.slots[0] = dot;
    return run_list(r, &tree->body, &frame);
}

static enum flow run_template(struct render *r, const struct node *node, struct frame *frame)
{
    CLEANUP(str) char *name = span_dup(node->text);
    const struct tree *tree = map_find(r->template->trees, name);
    struct value dot = {.kind = VALUE_NONE};

    r->offset = node->offset;
    if (tree == NULL) {
        render_fail(r, "there is no template \"%s\"", name);
        return FLOW_FAILED;
    }
    if (r->depth == TEMPLATE_MAX_DEPTH) {
        render_fail(r, "templates call each other more than %d deep", TEMPLATE_MAX_DEPTH);
        return FLOW_FAILED;
    }
    if (node->pipe != NULL && eval_pipe(r, node->pipe, frame, &dot) == -1)
        return FLOW_FAILED;
    r->depth++;
    enum flow flow = run_tree(r, tree, dot);
    r->depth--;
    return flow;
}

static enum flow run_node(struct render *r, const struct node *node, struct frame *frame)
{
    switch (node->kind) {
    case NODE_TEXT:
        buf_add_span(r->out, node->text);
        return FLOW_ON;
    case NODE_ACTION:
        return print_action(r, node, frame) == 0 ? FLOW_ON : FLOW_FAILED;
    case NODE_IF:
    case NODE_WITH:
        return run_if(r, node, frame);
    case NODE_RANGE:
        return run_range(r, node, frame);
    case NODE_TEMPLATE:
        return run_template(r, node, frame);
    case NODE_BREAK:
        return FLOW_BREAK;
    case NODE_CONTINUE:
        return FLOW_CONTINUE;
    }
    return FLOW_FAILED;
}

static enum flow run_list(struct render *r, const struct node_list *list, struct frame *frame)
{
    for (const struct node *node = list->first; node != NULL; node = node->next) {
        if (count_step(r, node->offset) == -1)
            return FLOW_FAILED;
        enum flow flow = run_node(r, node, frame);
        if (flow != FLOW_ON)
            return flow;
        if (r->out->len - r->out_start > TEMPLATE_MAX_OUTPUT || r->out->full) {
            render_fail(r, "more than %d bytes of output", TEMPLATE_MAX_OUTPUT);
            return FLOW_FAILED;
        }
    }
    return FLOW_ON;
}

int template_render(const struct template *template, const json_t *data, enum template_mode mode,
                    struct buf *out, struct error **err)
{
    struct render render = {.template = template,
                            .mode = mode,
                            .data = data,
                            .out = out,
                            .out_start = out->len,
                            .err = err};
    struct value dot = value_of_json(data);

    arena_init(&render.arena, TEMPLATE_MAX_MEMORY);
    if (dot.kind == VALUE_NIL)
        dot.kind = VALUE_NONE;
    enum flow flow = run_tree(&render, template->main, dot);
    arena_reset(&render.arena);
    if (flow != FLOW_FAILED)
        return 0;
    if (out->ptr != NULL) {
        out->len = render.out_start;
        out->ptr[out->len] = '\0';
    }
    return -1;
}

char *template_render_text(const char *what, const char *text, const json_t *data,
                           enum template_mode mode, struct error **err)
{
    CLEANUP(template) struct template *template = NULL;
    CLEANUP(buf) struct buf out = BUF_INIT(TEMPLATE_MAX_OUTPUT + 1);

    if (template_parse(what, text, strlen(text), &template, err) == -1 ||
        template_render(template, data, mode, &out, err) == -1)
        return NULL;
    return buf_take(&out);
}
