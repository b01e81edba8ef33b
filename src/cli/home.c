#include "cli/home.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "kube/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LISTEN_MAX = 512 };

char *home_find_dir(const char *given, struct error **err)
{
    const char *env = getenv("GANTRY_DIR");
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");

    if (given == NULL && !str_is_empty(env))
        given = env;
    if (given == NULL && !str_is_empty(data))
        return path_join(data, "gantry");
    if (given == NULL && !str_is_empty(home))
        return path_join(home, ".local/share/gantry");
    if (given == NULL) {
        error_set(err, ERROR_INVALID, "no folder for gantry's state");
        error_hint(err, "give one with --dir, or set HOME");
        return NULL;
    }
    if (given[0] == '/')
        return xstrdup(given);

    CLEANUP(str) char *cwd = getcwd(NULL, 0);
    if (cwd == NULL) {
        error_sys(err, errno, "cannot tell the current folder");
        return NULL;
    }
    return path_join(cwd, given);
}

/* fcntl locks tell who holds them, and vanish with the process that does. */
static struct flock whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

pid_t home_get_daemon(const char *dir, struct error **err)
{
    CLEANUP(str) char *path = path_join(dir, HOME_LOCK);
    CLEANUP(fd) int fd = open(path, O_RDWR | O_CLOEXEC);
    struct flock lock = whole_file();

    if (fd == -1)
        return errno == ENOENT ? 0 : (pid_t)error_sys(err, errno, "cannot open \"%s\"", path);
    if (fcntl(fd, F_GETLK, &lock) == -1)
        return (pid_t)error_sys(err, errno, "cannot look at the lock \"%s\"", path);
    return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

int home_take_lock(const char *dir, struct error **err)
{
    CLEANUP(str) char *path = path_join(dir, HOME_LOCK);
    CLEANUP(fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock lock = whole_file();

    if (fd == -1)
        return error_sys(err, errno, "cannot open \"%s\"", path);
    if (fcntl(fd, F_SETLK, &lock) == -1) {
        if (errno != EACCES && errno != EAGAIN)
            return error_sys(err, errno, "cannot lock \"%s\"", path);
        error_set(err, ERROR_BUSY, "gantryd already runs in \"%s\"", dir);
        return error_hint(err, "\"gantry status --dir %s\" shows it", dir);
    }
    return steal_fd(&fd);
}

char *home_last_listen(const char *dir)
{
    CLEANUP(str) char *path = path_join(dir, HOME_LISTEN);
    CLEANUP(str) char *text = NULL;
    CLEANUP(error) struct error *ignored = NULL; /* the first start, or a damaged file: any port */

    if (file_read(path, LISTEN_MAX, &text, NULL, &ignored) == -1)
        return NULL;
    struct span line = span_trim(span_of(text));
    return line.len > 0 ? span_dup(line) : NULL;
}

int home_keep_listen(const char *dir, const char *listen, int port, struct error **err)
{
    CLEANUP(str) char *path = path_join(dir, HOME_LISTEN);
    const char *colon = strrchr(listen, ':');
    size_t host_len = colon != NULL ? (size_t)(colon - listen) : strlen(listen);
    CLEANUP(str) char *line = xasprintf("%.*s:%d\n", (int)host_len, listen, port);

    return file_write(path, line, strlen(line), 0600, err);
}

int home_begin(const struct command *self, const struct option_spec *specs, size_t count,
               const char **dir_arg, int argc, char **argv, char **dir, pid_t *pid)
{
    CLEANUP(word_list) struct word_list words = {0};
    struct error *err = NULL;
    int status = command_options(self, specs, count, argc, argv, &words);

    if (status != -1)
        return status;
    if (words.len > 0)
        return command_usage(self, "\"%s\" is not expected", words.ptr[0]);
    *dir = home_find_dir(*dir_arg, &err);
    if (*dir == NULL)
        return command_fail(err);
    *pid = home_get_daemon(*dir, &err);
    return *pid == -1 ? command_fail(err) : -1;
}

struct kube_client *home_open_client(const char *dir, struct error **err)
{
    pid_t pid = home_get_daemon(dir, err);

    if (pid == -1)
        return NULL;
    if (pid == 0) {
        error_set(err, ERROR_UNAVAILABLE, "gantry does not run in \"%s\"", dir);
        error_hint(err, "start it with \"gantry up --dir %s\"", dir);
        return NULL;
    }

    CLEANUP(str) char *path = path_join(dir, HOME_KUBECONFIG);
    return kube_client_open(path, err);
}
