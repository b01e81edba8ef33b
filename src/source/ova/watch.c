#include "source/ova/watch.h"

#include "base/cancel.h"
#include "base/mem.h"
#include "base/time.h"
#include "source/ova/catalog.h"
#include "source/ova/share.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

struct ova_watch {
    int fd;       /* inotify's, or -1: then we only poll */
    size_t count; /* watches */
};

struct ova_watch *ova_watch_new(void)
{
    struct ova_watch *watch = xcalloc(1, sizeof(*watch));

    watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return watch;
}

void ova_watch_free(struct ova_watch *watch)
{
    if (watch == NULL)
        return;
    cleanup_fd(&watch->fd);
    free(watch);
}

/* Watches the folder PATH below ROOT and those in it.  What cannot be watched is polled. */
static void add_folder(struct ova_watch *watch, int root, const char *path, int depth)
{
    char name[64];
    int fd = ova_share_open_at(root, path, O_RDONLY | O_DIRECTORY);
    DIR *dir = fd == -1 ? NULL : fdopendir(fd);

    if (dir == NULL) {
        cleanup_fd(&fd);
        return;
    }
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    if (watch->count++ < OVA_WATCH_MAX_FOLDERS)
        inotify_add_watch(watch->fd, name,
                          IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE |
                              IN_MODIFY | IN_ATTRIB | IN_ONLYDIR);
    if (depth < OVA_MAX_FOLDER_DEPTH)
        for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
            if (entry->d_name[0] == '.' || entry->d_type != DT_DIR ||
                watch->count >= OVA_WATCH_MAX_FOLDERS)
                continue;
            CLEANUP(str) char *child = xasprintf("%s/%s", path, entry->d_name);
            add_folder(watch, root, child, depth + 1);
        }
    closedir(dir);
}

void ova_watch_renew(struct ova_watch *watch, int root)
{
    watch->count = 0;
    if (watch->fd != -1)
        add_folder(watch, root, ".", 1); /* a folder that is watched already stays so */
}

static void drain(struct ova_watch *watch)
{
    char events[4096];

    while (read(watch->fd, events, sizeof(events)) > 0)
        ;
}

bool ova_watch_wait(struct ova_watch *watch, int64_t timeout_ms, struct cancel *cancel)
{
    struct deadline end = deadline_after(timeout_ms);
    struct pollfd polls[2] = {
        {.fd = watch->fd, .events = POLLIN},
        {.fd = cancel ? cancel_fd(cancel) : -1, .events = POLLIN},
    };
    bool told = false;

    while (!cancel_is_requested(cancel) && !deadline_is_over(end)) {
        int wait_ms = deadline_left_ms(end);

        if (told && wait_ms > OVA_WATCH_CALM_MS)
            wait_ms = OVA_WATCH_CALM_MS;
        if (poll(polls, 2, wait_ms) == 0)
            break; /* the time is over, or it is calm again */
        if (polls[0].revents != 0) {
            drain(watch);
            told = true;
        }
    }
    return !cancel_is_requested(cancel);
}
