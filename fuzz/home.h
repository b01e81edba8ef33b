/* An API server for targets that need a whole one: in a folder of its own that goes at the end.
 *
 * May use: all of gantry.  Threads: one; the server has its own. */
#pragma once

#include "apiserver/server.h"
#include "apiserver/user.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    HOME_MAX_OBJECTS = 4000,     /* more are not worth the time that lists of them take */
    HOME_NO_LIMIT = 1000 * 1000, /* requests a second: none is refused for their number */
};

static struct apiserver *home;
static char *home_dir;

static inline void home_stop(void)
{
    CLEANUP(error) struct error *err = NULL; /* what stays is in the folder for such things */

    apiserver_stop(steal(&home));
    dir_remove(home_dir, &err);
    free(steal(&home_dir));
}

static inline void home_start(void)
{
    CLEANUP(error) struct error *err = NULL;
    const struct apiserver_options options = {
        .listen = "127.0.0.1:0", .requests_per_s = HOME_NO_LIMIT};
    struct apiserver_options here = options;

    log_init("fuzz", LOG_LEVEL_ERROR, STDERR_FILENO);
    /* memory rather than a disk: a target commits thousands of times a second */
    home_dir = dir_make_temp(
        access("/dev/shm", W_OK) == 0 ? "/dev/shm/gantry-fuzz." : "/tmp/gantry-fuzz.", &err);
    here.dir = home_dir;
    if (home_dir == NULL || apiserver_start(&here, &home, &err) == -1)
        abort();
}

/* The server; a new one when inputs have filled the last one. */
static inline struct apiserver *home_get(void)
{
    if (home != NULL) {
        struct store_stats stats;
        store_get_stats(home->store, &stats);
        if (stats.objects > HOME_MAX_OBJECTS)
            home_stop();
    } else {
        atexit(home_stop);
    }
    if (home == NULL)
        home_start();
    return home;
}

static inline struct user *home_admin(void)
{
    struct user *user = user_new("fuzz");

    user_add_group(user, GROUP_MASTERS);
    user_add_group(user, GROUP_AUTHENTICATED);
    return user;
}
