/* Units, versions, UUIDs, graphs. */
#include "lang/rego/builtins_table.h"
#include "lang/rego/number.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* --- units ------------------------------------------------------------------------------------ */

/* An amount is exact: a number of tenths, hundredths... times a whole factor. */
struct unit_row {
    const char *name;
    int power_of_ten;
    int power_of_two;
};

enum { UNIT_DIGITS_MAX = 400, UNIT_TEXT_MAX = 512 };

/* The length of the amount at the start of TEXT. */
static size_t amount_len(const char *text, size_t len)
{
    size_t i = 0;
    while (i < len && (isdigit((unsigned char)text[i]) || text[i] == '.' ||
                       ((text[i] == '-' || text[i] == '+') && i == 0)))
        i++;
    if (i == 0 || i + 1 >= len || (text[i] != 'e' && text[i] != 'E'))
        return i;
    bool sign = text[i + 1] == '+' || text[i + 1] == '-';
    size_t digits = i + 1 + sign;
    if (digits >= len || !isdigit((unsigned char)text[digits]))
        return i;
    while (digits < len && isdigit((unsigned char)text[digits]))
        digits++;
    return digits;
}

/* Reads a decimal number as a fraction; false if it is none or has a huge exponent. */
static bool read_fraction(const char *text, mpq_t out)
{
    char digits[UNIT_TEXT_MAX];
    size_t n = 0;
    long exponent = 0;
    const char *p = text;
    bool point = false, any = false;
    if (*p == '-' || *p == '+') {
        if (*p == '-')
            digits[n++] = '-';
        p++;
    }
    for (; *p != '\0' && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.') {
            if (point)
                return false;
            point = true;
            continue;
        }
        if (!isdigit((unsigned char)*p))
            return false;
        any = true;
        digits[n++] = *p;
        exponent -= point;
    }
    digits[n] = '\0';
    if (!any)
        return false;
    if (*p != '\0')
        exponent += strtol(p + 1, NULL, 10);
    if (labs(exponent) > UNIT_DIGITS_MAX)
        return false;
    mpz_t scale;
    mpz_init(scale);
    mpz_ui_pow_ui(scale, 10, (unsigned long)labs(exponent));
    mpz_set_str(mpq_numref(out), digits, 10);
    if (exponent < 0)
        mpz_set(mpq_denref(out), scale);
    else
        mpz_mul(mpq_numref(out), mpq_numref(out), scale);
    mpq_canonicalize(out);
    mpz_clear(scale);
    return true;
}

/* The amount times its unit in OUT; false after noting the failure.  WHAT is "amount" or "byte
 * amount". */
static bool read_units(struct builtin_call *call, const struct rval *v, const struct unit_row *rows,
                       bool fold_case, const char *what, mpq_t out)
{
    char text[UNIT_TEXT_MAX];
    size_t len = 0;
    if (v->len >= sizeof(text)) {
        builtin_fail(call, "could not parse %s to a number", what);
        return false;
    }
    for (uint32_t i = 0; i < v->len; i++)
        if (v->string[i] != '"')
            text[len++] = v->string[i];
    text[len] = '\0';
    if (memchr(text, ' ', len) != NULL) {
        builtin_fail(call, "spaces not allowed in resource strings");
        return false;
    }
    size_t amount = amount_len(text, len);
    char unit[16] = "";
    if (amount == 0) {
        builtin_fail(call, "no %s provided", what);
        return false;
    }
    if (len - amount < sizeof(unit))
        memcpy(unit, text + amount, len - amount + 1);
    else
        rows = NULL;
    for (; rows != NULL && rows->name != NULL; rows++)
        if (fold_case ? strcasecmp(rows->name, unit) == 0 : strcmp(rows->name, unit) == 0)
            break;
    if (rows == NULL || rows->name == NULL) {
        builtin_fail(call, "unit %.20s not recognized", text + amount);
        return false;
    }
    text[amount] = '\0';
    if (!read_fraction(text, out)) {
        builtin_fail(call, "could not parse %s to a number", what);
        return false;
    }
    mpz_t factor;
    mpz_init(factor);
    mpz_ui_pow_ui(factor, 10, (unsigned long)abs(rows->power_of_ten));
    if (rows->power_of_ten < 0)
        mpz_mul(mpq_denref(out), mpq_denref(out), factor);
    else
        mpz_mul(mpq_numref(out), mpq_numref(out), factor);
    mpz_mul_2exp(mpq_numref(out), mpq_numref(out), (mp_bitcnt_t)rows->power_of_two);
    mpq_canonicalize(out);
    mpz_clear(factor);
    return true;
}

/* Whole, or with at most ten decimals. */
static const struct rval *fraction_value(struct builtin_call *call, mpq_t value)
{
    enum { DECIMALS = 10 };
    if (mpz_cmp_ui(mpq_denref(value), 1) == 0)
        return rnum_from_mpz(call->arena, mpq_numref(value));
    mpz_t scaled;
    char text[2 * UNIT_TEXT_MAX + 32];
    mpz_init(scaled);
    mpz_ui_pow_ui(scaled, 10, DECIMALS);
    mpz_mul(scaled, scaled, mpq_numref(value));
    bool negative = mpz_sgn(scaled) < 0;
    mpz_abs(scaled, scaled);
    mpz_mul_2exp(scaled, scaled, 1);
    mpz_add(scaled, scaled, mpq_denref(value));
    mpz_mul_2exp(mpq_denref(value), mpq_denref(value), 1);
    mpz_fdiv_q(scaled, scaled, mpq_denref(value));
    char *digits = mpz_get_str(NULL, 10, scaled);
    int len = (int)strlen(digits), whole = len > DECIMALS ? len - DECIMALS : 0;
    snprintf(text, sizeof(text), "%s%.*s.", negative ? "-" : "", whole > 0 ? whole : 1,
             whole > 0 ? digits : "0");
    size_t end = strlen(text);
    for (int i = len; i < DECIMALS; i++)
        text[end++] = '0';
    memcpy(text + end, digits + whole, (size_t)(len - whole) + 1);
    free(digits);
    mpz_clear(scaled);
    end = strlen(text);
    while (text[end - 1] == '0')
        text[--end] = '\0';
    return rnum_parse(call->arena, text, end);
}

BUILTIN(units_parse)
{
    static const struct unit_row rows[] = {
        {"", 0, 0},    {"m", -3, 0},  {"k", 3, 0},  {"K", 3, 0},   {"ki", 0, 10}, {"Ki", 0, 10},
        {"kI", 0, 10}, {"KI", 0, 10}, {"M", 6, 0},  {"mi", 0, 20}, {"Mi", 0, 20}, {"mI", 0, 20},
        {"MI", 0, 20}, {"g", 9, 0},   {"G", 9, 0},  {"gi", 0, 30}, {"Gi", 0, 30}, {"gI", 0, 30},
        {"GI", 0, 30}, {"t", 12, 0},  {"T", 12, 0}, {"ti", 0, 40}, {"Ti", 0, 40}, {"tI", 0, 40},
        {"TI", 0, 40}, {"p", 15, 0},  {"P", 15, 0}, {"pi", 0, 50}, {"Pi", 0, 50}, {"pI", 0, 50},
        {"PI", 0, 50}, {"e", 18, 0},  {"E", 18, 0}, {"ei", 0, 60}, {"Ei", 0, 60}, {"eI", 0, 60},
        {"EI", 0, 60}, {NULL, 0, 0},
    };
    const struct rval *result = NULL;
    mpq_t value;
    mpq_init(value);
    if (read_units(call, args[0], rows, false, "amount", value))
        result = fraction_value(call, value);
    mpq_clear(value);
    return result;
}

BUILTIN(units_parse_bytes)
{
    static const struct unit_row rows[] = {
        {"", 0, 0},    {"b", 0, 0},    {"k", 3, 0},   {"kb", 3, 0},   {"ki", 0, 10}, {"kib", 0, 10},
        {"m", 6, 0},   {"mb", 6, 0},   {"mi", 0, 20}, {"mib", 0, 20}, {"g", 9, 0},   {"gb", 9, 0},
        {"gi", 0, 30}, {"gib", 0, 30}, {"t", 12, 0},  {"tb", 12, 0},  {"ti", 0, 40}, {"tib", 0, 40},
        {"p", 15, 0},  {"pb", 15, 0},  {"pi", 0, 50}, {"pib", 0, 50}, {"e", 18, 0},  {"eb", 18, 0},
        {"ei", 0, 60}, {"eib", 0, 60}, {NULL, 0, 0},
    };
    const struct rval *result = NULL;
    mpq_t value;
    mpq_init(value);
    if (read_units(call, args[0], rows, true, "byte amount", value)) {
        mpz_tdiv_q(mpq_numref(value), mpq_numref(value), mpq_denref(value));
        result = rnum_from_mpz(call->arena, mpq_numref(value));
    }
    mpq_clear(value);
    return result;
}

/* --- semantic versions (semver.org 2.0.0) ----------------------------------------------------- */

struct version {
    struct span core[3];
    struct span pre; /* without the dash */
};

static bool is_number(struct span s)
{
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!isdigit((unsigned char)s.ptr[i]))
            return false;
    return s.len == 1 || s.ptr[0] != '0';
}

static bool are_identifiers(struct span s, bool numbers_plain)
{
    struct span part;
    if (s.len == 0 || s.ptr[s.len - 1] == '.')
        return false;
    while (span_split(&s, '.', &part)) {
        bool digits = true;
        if (part.len == 0)
            return false;
        for (size_t i = 0; i < part.len; i++) {
            unsigned char c = (unsigned char)part.ptr[i];
            if (!isalnum(c) && c != '-')
                return false;
            digits &= isdigit(c) != 0;
        }
        if (numbers_plain && digits && !is_number(part))
            return false;
    }
    return true;
}

static bool parse_version(const struct rval *v, struct version *out)
{
    struct span rest = {v->string, v->len};
    const char *plus = (const char *)memchr(rest.ptr, '+', rest.len);
    *out = (struct version){0};
    if (plus != NULL) {
        struct span build = {plus + 1, rest.len - (size_t)(plus + 1 - rest.ptr)};
        if (!are_identifiers(build, false))
            return false;
        rest.len = (size_t)(plus - rest.ptr);
    }
    const char *dash = (const char *)memchr(rest.ptr, '-', rest.len);
    if (dash != NULL) {
        out->pre = (struct span){dash + 1, rest.len - (size_t)(dash + 1 - rest.ptr)};
        if (!are_identifiers(out->pre, true))
            return false;
        rest.len = (size_t)(dash - rest.ptr);
    }
    int n = 0;
    struct span part;
    if (rest.len == 0 || rest.ptr[rest.len - 1] == '.')
        return false;
    while (span_split(&rest, '.', &part)) {
        if (n == 3 || !is_number(part))
            return false;
        out->core[n++] = part;
    }
    return n == 3;
}

static int compare_digits(struct span a, struct span b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    int order = memcmp(a.ptr, b.ptr, a.len);
    return (order > 0) - (order < 0);
}

static int compare_part(struct span a, struct span b)
{
    bool x = is_number(a), y = is_number(b);
    if (x && y)
        return compare_digits(a, b);
    if (x != y)
        return x ? -1 : 1;
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    if (order == 0)
        return (a.len > b.len) - (a.len < b.len);
    return order < 0 ? -1 : 1;
}

static int compare_versions(const struct version *a, const struct version *b)
{
    for (int i = 0; i < 3; i++) {
        int order = compare_digits(a->core[i], b->core[i]);
        if (order != 0)
            return order;
    }
    if (a->pre.len == 0 || b->pre.len == 0)
        return (a->pre.len == 0) - (b->pre.len == 0);
    struct span x = a->pre, y = b->pre, p, q;
    for (;;) {
        bool more_x = x.len > 0 && span_split(&x, '.', &p);
        bool more_y = y.len > 0 && span_split(&y, '.', &q);
        if (!more_x || !more_y)
            return (int)more_x - (int)more_y;
        int order = compare_part(p, q);
        if (order != 0)
            return order;
    }
}

BUILTIN(semver_is_valid)
{
    struct version version;
    return rval_bool(args[0]->type == RVAL_STRING && parse_version(args[0], &version));
}

BUILTIN(semver_compare)
{
    struct version a, b;
    if (!parse_version(args[0], &a))
        return builtin_fail(call, "operand 1: string \"%.60s\" is not a valid SemVer",
                            args[0]->string);
    if (!parse_version(args[1], &b))
        return builtin_fail(call, "operand 2: string \"%.60s\" is not a valid SemVer",
                            args[1]->string);
    return rval_int(call->arena, compare_versions(&a, &b));
}

/* --- UUIDs (RFC 4122) ------------------------------------------------------------------------- */

BUILTIN(uuid_rfc4122)
{
    /* The same argument gives the same UUID within an evaluation. */
    uint64_t state =
        (uint64_t)call->now_ns ^ 0x9E3779B97F4A7C15ULL ^ (uint64_t)(uintptr_t)call->arena;
    unsigned char b[16];
    char text[40];
    for (uint32_t i = 0; i < args[0]->len; i++)
        state = (state ^ (unsigned char)args[0]->string[i]) * 1099511628211ULL;
    for (int i = 0; i < 16; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b[i] = (unsigned char)(state >> 24);
    }
    b[6] = (unsigned char)((b[6] & 0x0F) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
    snprintf(text, sizeof(text),
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
    return rval_text(call->arena, text);
}

static bool read_uuid(const struct rval *v, unsigned char b[16])
{
    const char *p = v->string;
    uint32_t len = v->len;
    if (len == 45 && strncasecmp(p, "urn:uuid:", 9) == 0) {
        p += 9;
        len -= 9;
    } else if (len == 38 && p[0] == '{' && p[37] == '}') {
        p++;
        len -= 2;
    }
    bool dashes = len == 36;
    if (!dashes && len != 32)
        return false;
    for (int i = 0; i < 16; i++) {
        if (dashes && (i == 4 || i == 6 || i == 8 || i == 10) && *p++ != '-')
            return false;
        char pair[3] = {p[0], p[1], '\0'};
        if (!isxdigit((unsigned char)p[0]) || !isxdigit((unsigned char)p[1]))
            return false;
        b[i] = (unsigned char)strtoul(pair, NULL, 16);
        p += 2;
    }
    return true;
}

static void add_pair(struct builtin_call *call, struct rval_pair_list *pairs, const char *key,
                     const struct rval *value)
{
    rval_pair_list_push(call->arena, pairs, rval_text(call->arena, key), value);
}

/* Versions 1 and 2 hold a time and a node. */
static void add_uuid_time(struct builtin_call *call, struct rval_pair_list *pairs,
                          const unsigned char b[16])
{
    static const char *const domains[] = {"Person", "Group", "Org"};
    int version = b[6] >> 4;
    char text[40];
    uint64_t low = (uint64_t)b[0] << 24 | (uint64_t)b[1] << 16 | (uint64_t)b[2] << 8 | b[3];
    uint64_t time = (version == 1 ? low : low) | (uint64_t)b[4] << 40 | (uint64_t)b[5] << 32 |
                    (uint64_t)(b[6] & 0x0F) << 56 | (uint64_t)b[7] << 48;
    snprintf(text, sizeof(text), "%02x-%02x-%02x-%02x-%02x-%02x", b[10], b[11], b[12], b[13], b[14],
             b[15]);
    add_pair(call, pairs, "nodeid", rval_text(call->arena, text));
    static const char *const bits[] = {"local", "global"};
    static const char *const cast[] = {"unicast", "multicast"};
    snprintf(text, sizeof(text), "%s:%s", bits[(b[10] & 2) == 0], cast[b[10] & 1]);
    add_pair(call, pairs, "macvariables", rval_text(call->arena, text));
    add_pair(call, pairs, "clocksequence",
             rval_int(call->arena, (int64_t)(b[8] & 0x3F) << 8 | b[9]));
    int64_t ns = ((int64_t)time - 122192928000000000LL) * 100;
    add_pair(call, pairs, "time", rval_int(call->arena, ns));
    if (version == 2) {
        add_pair(call, pairs, "id", rval_int(call->arena, (int64_t)low));
        if (b[9] < 3)
            add_pair(call, pairs, "domain", rval_text(call->arena, domains[b[9]]));
    }
}

BUILTIN(uuid_parse)
{
    unsigned char b[16];
    struct rval_pair_list pairs = {0};
    if (!read_uuid(args[0], b))
        return NULL;
    int version = b[6] >> 4;
    const char *variant = (b[8] & 0xC0) == 0x80   ? "RFC4122"
                          : (b[8] & 0xE0) == 0xC0 ? "Microsoft"
                          : (b[8] & 0xE0) == 0xE0 ? "Future"
                                                  : "Reserved";
    add_pair(call, &pairs, "version", rval_int(call->arena, version));
    add_pair(call, &pairs, "variant", rval_text(call->arena, variant));
    if (version == 1 || version == 2)
        add_uuid_time(call, &pairs, b);
    return rval_object(call->arena, pairs.ptr, pairs.len);
}

/* --- graphs ----------------------------------------------------------------------------------- */

static bool list_has(const struct rval_list *list, const struct rval *v)
{
    for (size_t i = 0; i < list->len; i++)
        if (rval_eq(list->ptr[i], v))
            return true;
    return false;
}

BUILTIN(graph_reachable)
{
    const struct rval *graph = args[0];
    struct rval_list queue = {0};
    struct rval_list reached = {0};
    uint8_t *seen = (uint8_t *)arena_calloc(call->arena, graph->len + 1, 1);
    for (uint32_t i = 0; i < args[1]->len; i++)
        rval_list_push(call->arena, &queue, args[1]->items[i]);
    for (size_t at = 0; at < queue.len; at++) {
        int64_t index = rval_find_pair(graph, queue.ptr[at]);
        if (index < 0 || seen[index])
            continue;
        seen[index] = 1;
        rval_list_push(call->arena, &reached, queue.ptr[at]);
        const struct rval *next = graph->pairs[index].value;
        for (uint32_t i = 0; (next->type == RVAL_ARRAY || next->type == RVAL_SET) && i < next->len;
             i++)
            rval_list_push(call->arena, &queue, next->items[i]);
    }
    return rval_set(call->arena, reached.ptr, reached.len);
}

struct paths {
    struct builtin_call *call;
    const struct rval *graph;
    struct rval_list found;
};

enum { PATH_DEPTH_MAX = 1000 };

static void take_path(struct paths *p, const struct rval_list *path)
{
    struct rval_list copy = {0};
    for (size_t i = 0; i < path->len; i++)
        rval_list_push(p->call->arena, &copy, path->ptr[i]);
    rval_list_push(p->call->arena, &p->found, rval_array(p->call->arena, copy.ptr, copy.len));
}

static bool walk_paths(struct paths *p, const struct rval *node, struct rval_list *path)
{
    const struct rval *next = rval_get(p->graph, node);
    if (arena_is_over(p->call->arena) || path->len >= PATH_DEPTH_MAX) {
        builtin_fail(p->call, "the graph has too many or too long paths");
        return false;
    }
    rval_list_push(p->call->arena, path, node);
    bool leaf = true;
    for (uint32_t i = 0; next != NULL && rval_is_collection(next) && i < next->len; i++) {
        const struct rval *child = next->type == RVAL_OBJECT ? next->pairs[i].key : next->items[i];
        if (rval_get(p->graph, child) == NULL) {
            continue;
        }
        if (list_has(path, child)) {
            take_path(p, path);
            leaf = false;
            continue;
        }
        leaf = false;
        if (!walk_paths(p, child, path))
            return false;
    }
    if (leaf)
        take_path(p, path);
    path->len--;
    return true;
}

BUILTIN(graph_reachable_paths)
{
    struct paths p = {call, args[0], {0}};
    for (uint32_t i = 0; i < args[1]->len; i++) {
        struct rval_list path = {0};
        const struct rval *next = rval_get(args[0], args[1]->items[i]);
        if (next == NULL)
            continue;
        if (!walk_paths(&p, args[1]->items[i], &path))
            return NULL;
    }
    return rval_set(call->arena, p.found.ptr, p.found.len);
}

BUILTIN(opa_runtime)
{
    return &rval_empty_object;
}
