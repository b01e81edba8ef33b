#include "node/libvirt_status.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { HEAD_BYTES = 4096 };

/* The note's root element is near its begin and names the process. */
static bool is_unborn(int dir_fd, const char *name)
{
    CLEANUP(fd) int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char head[HEAD_BYTES + 1];
    ssize_t len = fd == -1 ? -1 : read(fd, head, HEAD_BYTES);

    if (len <= 0)
        return false;
    head[len] = '\0';
    char *root = strstr(head, "<domstatus "), *end = root == NULL ? NULL : strchr(root, '>');
    if (end == NULL)
        return false;
    *end = '\0';
    return strstr(root, " pid='0'") != NULL;
}

size_t libvirt_status_drop_unborn(const char *dir)
{
    DIR *entries = opendir(dir);
    const struct dirent *entry;
    size_t count = 0;

    if (entries == NULL)
        return 0; /* libvirtd has not yet made it */
    while ((entry = readdir(entries)) != NULL)
        if (str_ends_with(entry->d_name, ".xml") && is_unborn(dirfd(entries), entry->d_name) &&
            unlinkat(dirfd(entries), entry->d_name, 0) == 0)
            count++;
    closedir(entries);
    return count;
}
