/* Who asks.  May use: base.  Threads: frozen after it is complete. */
#pragma once

#include "base/cleanup.h"
#include "base/vector.h"
#include "data/obj.h"
#include "net/http_server.h"

#include <stdbool.h>

struct user {
    char *name;
    char *uid; /* or NULL */
    struct str_list groups;
    json_t *extra;         /* {key: [values]}, or NULL */
    struct http_user http; /* the same, for mounted services */
};

#define USER_ANONYMOUS "system:anonymous"
#define GROUP_MASTERS "system:masters"
#define GROUP_AUTHENTICATED "system:authenticated"
#define GROUP_UNAUTHENTICATED "system:unauthenticated"
#define SERVICE_ACCOUNT_PREFIX "system:serviceaccount:"

struct user *user_new(const char *name);
void user_add_group(struct user *user, const char *group); /* once */
bool user_has_group(const struct user *user, const char *group);
/* A copy; and the http view of it, valid as long as the user. */
struct user *user_copy(const struct user *user);
const struct http_user *user_http(struct user *user);
/* {username, uid, groups, extra}: a UserInfo. */
json_t *user_to_json(const struct user *user);
void user_free(struct user *user);

DEFINE_CLEANUP(user, struct user *, user_free)
