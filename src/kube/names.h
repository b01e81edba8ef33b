/* Names and labels: what Kubernetes accepts, and how other names are made acceptable.
 *
 * May use: base, data.  Threads: pure functions, but for the random letters of name_fix and
 * name_make_unique.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct error;

enum {
    NAME_LABEL_MAX = 63,      /* one part of a name, and a label's value */
    NAME_SUBDOMAIN_MAX = 253, /* names of most objects */
};

/* RFC 1123: lower-case letters, digits and '-', neither end a '-', at most 63. */
bool name_is_label(const char *text, size_t len);

/* RFC 1035, as services want it: a label that starts with a letter. */
bool name_is_label_1035(const char *text, size_t len);

/* RFC 1123: labels of any length joined by dots, at most 253 in all. */
bool name_is_subdomain(const char *text, size_t len);

/* Empty, or letters, digits, '-', '_' and '.', both ends a letter or digit, at most 63. */
bool name_is_label_value(const char *text, size_t len);

/* The key of a label or annotation: a label value that is not empty, perhaps behind a subdomain
 * and '/'. */
bool name_is_qualified(const char *text, size_t len);

/* The same as failures: ERROR_INVALID that shows the name and the rule. */
int name_check_label(const char *text, struct error **err);
int name_check_subdomain(const char *text, struct error **err);

/* Makes a name for a VM from any text, by Forklift's rules (specification "control", 3.9): an RFC
 * 1123 subdomain of at most 63 characters; random where nothing of TEXT is left.  Owned by the
 * caller. */
char *name_fix(const char *text);

/* NAME, or, if IS_TAKEN says so, its first 58 characters, '-' and four random ones, until a free
 * one is found.  Owned by the caller. */
char *name_make_unique(const char *name, bool (*is_taken)(void *arg, const char *name), void *arg);

/* Makes a label's value from any text: runs of other characters become '_'.  Owned by the caller.
 */
char *name_fix_label_value(const char *text);
