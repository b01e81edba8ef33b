/* Networks in CIDR notation, IPv4 and IPv6. */
#include "lang/rego/builtins_table.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

enum { EXPAND_MAX = 1 << 20 };

struct net {
    bool v6;
    int bits;             /* 32 or 128 */
    int prefix;           /* -1: an address without one */
    unsigned char at[16]; /* 4 or 16 bytes; host bits kept */
};

static bool read_net(const struct rval *v, struct net *net)
{
    char text[64];
    if (v->type != RVAL_STRING || v->len >= sizeof(text))
        return false;
    memcpy(text, v->string, v->len + 1);
    if (strlen(text) != v->len)
        return false;
    char *slash = strchr(text, '/');
    if (slash != NULL)
        *slash++ = '\0';
    *net = (struct net){.prefix = -1};
    if (inet_pton(AF_INET, text, net->at) == 1)
        net->bits = 32;
    else if (inet_pton(AF_INET6, text, net->at) == 1)
        net->bits = 128;
    else
        return false;
    net->v6 = net->bits == 128;
    if (slash == NULL)
        return true;
    uint64_t prefix;
    if (!span_u64(span_of(slash), &prefix) || prefix > (uint64_t)net->bits)
        return false;
    net->prefix = (int)prefix;
    return true;
}

static bool bit_at(const unsigned char *at, int i)
{
    return at[i / 8] >> (7 - i % 8) & 1;
}

static bool same_prefix(const struct net *a, const struct net *b, int len)
{
    if (a->v6 != b->v6)
        return false;
    for (int i = 0; i < len; i++)
        if (bit_at(a->at, i) != bit_at(b->at, i))
            return false;
    return true;
}

/* Clears or sets the host bits. */
static void fill_host(struct net *net, bool ones)
{
    for (int i = net->prefix; i < net->bits; i++) {
        unsigned char mask = (unsigned char)(1 << (7 - i % 8));
        net->at[i / 8] = (unsigned char)(ones ? net->at[i / 8] | mask : net->at[i / 8] & ~mask);
    }
}

static bool contains(const struct net *outer, const struct net *inner)
{
    int prefix = inner->prefix < 0 ? inner->bits : inner->prefix;
    return outer->v6 == inner->v6 && prefix >= outer->prefix &&
           same_prefix(outer, inner, outer->prefix);
}

static const struct rval *bad(struct builtin_call *call, const struct rval *v)
{
    return builtin_fail(call, "invalid CIDR address: %.60s",
                        v->type == RVAL_STRING ? v->string : "not a string");
}

BUILTIN(cidr_is_valid)
{
    struct net net;
    return rval_bool(read_net(args[0], &net) && net.prefix >= 0);
}

BUILTIN(cidr_contains)
{
    struct net outer, inner;
    if (!read_net(args[0], &outer) || outer.prefix < 0)
        return bad(call, args[0]);
    if (!read_net(args[1], &inner))
        return bad(call, args[1]);
    return rval_bool(contains(&outer, &inner));
}

BUILTIN(cidr_intersects)
{
    struct net a, b;
    if (!read_net(args[0], &a) || a.prefix < 0)
        return bad(call, args[0]);
    if (!read_net(args[1], &b) || b.prefix < 0)
        return bad(call, args[1]);
    return rval_bool(same_prefix(&a, &b, a.prefix < b.prefix ? a.prefix : b.prefix));
}

static const struct rval *address_text(struct builtin_call *call, const struct net *net, int prefix)
{
    char text[64];
    inet_ntop(net->v6 ? AF_INET6 : AF_INET, net->at, text, sizeof(text));
    size_t len = strlen(text);
    if (prefix >= 0)
        snprintf(text + len, sizeof(text) - len, "/%d", prefix);
    return rval_text(call->arena, text);
}

/* The next address; false after the last. */
static bool advance(struct net *net)
{
    for (int i = net->bits / 8 - 1; i >= 0; i--)
        if (++net->at[i] != 0)
            return true;
    return false;
}

BUILTIN(cidr_expand)
{
    struct net net;
    struct rval_list list = {0};
    if (!read_net(args[0], &net) || net.prefix < 0)
        return bad(call, args[0]);
    if (net.bits - net.prefix > 20 || !builtin_room(call, (size_t)1 << (net.bits - net.prefix)))
        return builtin_fail(call, "a network of more than %d addresses", EXPAND_MAX);
    fill_host(&net, false);
    for (int64_t left = (int64_t)1 << (net.bits - net.prefix); left > 0; left--) {
        rval_list_push(call->arena, &list, address_text(call, &net, -1));
        if (!advance(&net))
            break;
    }
    return rval_set(call->arena, list.ptr, list.len);
}

/* --- contains_matches ------------------------------------------------------------------------- */

struct side {
    const struct rval *v;
    int operand;
};

static uint32_t side_len(const struct rval *v)
{
    return v->type == RVAL_STRING ? 1 : v->len;
}

/* The key by which entry I is reported and its network's text. */
static bool side_entry(struct builtin_call *call, const struct side *side, uint32_t i,
                       const struct rval **key, const struct rval **text)
{
    const struct rval *v = side->v;
    if (v->type == RVAL_STRING) {
        *key = *text = v;
        return true;
    }
    const struct rval *item = v->type == RVAL_OBJECT ? v->pairs[i].value : v->items[i];
    *key = v->type == RVAL_OBJECT  ? v->pairs[i].key
           : v->type == RVAL_ARRAY ? rval_int(call->arena, i)
                                   : item;
    *text = item->type == RVAL_ARRAY && item->len > 0 ? item->items[0] : item;
    if ((*text)->type == RVAL_STRING)
        return true;
    builtin_fail(call, "operand %d: element must be string or non-empty array", side->operand);
    return false;
}

BUILTIN(cidr_contains_matches)
{
    struct side outer = {args[0], 1}, inner = {args[1], 2};
    struct rval_list found = {0};
    if (!builtin_spend(call, (uint64_t)side_len(args[0]) * side_len(args[1])))
        return NULL;
    for (uint32_t i = 0; i < side_len(args[0]); i++) {
        const struct rval *key, *text;
        struct net a;
        if (!side_entry(call, &outer, i, &key, &text))
            return NULL;
        if (!read_net(text, &a) || a.prefix < 0)
            return bad(call, text);
        for (uint32_t k = 0; k < side_len(args[1]); k++) {
            const struct rval *other_key, *other_text;
            struct net b;
            if (!side_entry(call, &inner, k, &other_key, &other_text))
                return NULL;
            if (!read_net(other_text, &b))
                return bad(call, other_text);
            if (!contains(&a, &b))
                continue;
            struct rval_list pair = {0};
            rval_list_push(call->arena, &pair, key);
            rval_list_push(call->arena, &pair, other_key);
            rval_list_push(call->arena, &found, rval_array(call->arena, pair.ptr, pair.len));
        }
    }
    return rval_set(call->arena, found.ptr, found.len);
}

/* --- merge ------------------------------------------------------------------------------------ */

static int order_nets(const void *a, const void *b)
{
    const struct net *x = (const struct net *)a, *y = (const struct net *)b;
    if (x->v6 != y->v6)
        return x->v6 ? 1 : -1;
    int order = memcmp(x->at, y->at, (size_t)x->bits / 8);
    return order != 0 ? order : x->prefix - y->prefix;
}

/* Two halves of one network. */
static bool are_halves(const struct net *a, const struct net *b)
{
    return a->v6 == b->v6 && a->prefix == b->prefix && a->prefix > 0 &&
           same_prefix(a, b, a->prefix - 1) && !bit_at(a->at, a->prefix - 1) &&
           bit_at(b->at, b->prefix - 1);
}

BUILTIN(cidr_merge)
{
    const struct rval *list = args[0];
    struct net *nets = (struct net *)arena_alloc(call->arena, (list->len + 1) * sizeof(*nets));
    size_t count = 0;
    for (uint32_t i = 0; i < list->len; i++) {
        struct net *net = &nets[count++];
        if (list->items[i]->type != RVAL_STRING)
            return builtin_type_fail(call, "operand 1 must be array of strings");
        if (!read_net(list->items[i], net))
            return bad(call, list->items[i]);
        if (net->prefix < 0 && net->v6)
            return builtin_fail(call, "IPv6 invalid: needs prefix length");
        if (net->prefix < 0) /* the old classes, as Go's DefaultMask */
            net->prefix = net->at[0] < 128 ? 8 : net->at[0] < 192 ? 16 : 24;
        fill_host(net, false);
    }
    qsort(nets, count, sizeof(*nets), order_nets);
    for (bool changed = true; changed;) {
        size_t kept = 0;
        changed = false;
        for (size_t i = 0; i < count; i++) {
            if (kept > 0 && contains(&nets[kept - 1], &nets[i])) {
                changed = true;
            } else if (kept > 0 && are_halves(&nets[kept - 1], &nets[i])) {
                nets[kept - 1].prefix--;
                changed = true;
            } else {
                nets[kept++] = nets[i];
            }
        }
        count = kept;
    }
    struct rval_list out = {0};
    for (size_t i = 0; i < count; i++)
        rval_list_push(call->arena, &out, address_text(call, &nets[i], nets[i].prefix));
    return rval_set(call->arena, out.ptr, out.len);
}
