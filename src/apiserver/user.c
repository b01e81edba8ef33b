#include "apiserver/user.h"

#include "base/mem.h"
#include "base/text.h"
#include "data/obj.h"

#include <stdlib.h>

struct user *user_new(const char *name)
{
    struct user *user = xcalloc(1, sizeof(*user));

    user->name = xstrdup(name);
    return user;
}

void user_add_group(struct user *user, const char *group)
{
    if (!user_has_group(user, group))
        str_list_push(&user->groups, xstrdup(group));
}

bool user_has_group(const struct user *user, const char *group)
{
    for (size_t i = 0; i < user->groups.len; i++)
        if (str_eq(user->groups.ptr[i], group))
            return true;
    return false;
}

struct user *user_copy(const struct user *user)
{
    struct user *copy = user_new(user->name);

    copy->uid = user->uid == NULL ? NULL : xstrdup(user->uid);
    for (size_t i = 0; i < user->groups.len; i++)
        user_add_group(copy, user->groups.ptr[i]);
    copy->extra = json_incref(user->extra);
    return copy;
}

const struct http_user *user_http(struct user *user)
{
    user->http = (struct http_user){
        .name = user->name,
        .uid = user->uid,
        .groups = (const char *const *)user->groups.ptr,
        .group_count = user->groups.len,
    };
    return &user->http;
}

json_t *user_to_json(const struct user *user)
{
    json_t *info = obj_pack("{s:s}", "username", user->name);
    json_t *groups = json_array();

    obj_put_str(info, "uid", user->uid);
    for (size_t i = 0; i < user->groups.len; i++)
        json_array_append_new(groups, json_string(user->groups.ptr[i]));
    obj_take(info, "groups", groups);
    if (user->extra != NULL)
        obj_take(info, "extra", json_incref(user->extra));
    return info;
}

void user_free(struct user *user)
{
    if (user == NULL)
        return;
    free(user->name);
    free(user->uid);
    str_list_free_all(&user->groups);
    json_decref(user->extra);
    free(user);
}
