#include "disk/helper.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <limits.h>
#include <unistd.h>

char *helper_find(const char *name)
{
    static const char *const places[] = {"", "../libexec/gantry/"};
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (len <= 0)
        return xstrdup(name);
    self[len] = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        CLEANUP(str)
        char *path = xasprintf("%.*s%s%s", (int)(path_base(self) - self), self, places[i], name);

        if (file_exists(path))
            return steal(&path);
    }
    return xstrdup(name);
}

void helper_environment(struct str_list *env)
{
    for (char **at = environ; *at != NULL; at++)
        if (!str_starts_with(*at, "GANTRY_COPY_") && !str_starts_with(*at, "LD_LIBRARY_PATH="))
            str_list_push(env, xstrdup(*at));
}
