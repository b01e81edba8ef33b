/* gantry backup, restore, rotate-key: the store at home, while it runs.
 *
 * The server writes and reads files in folders of its own; these commands carry them to and from where
 * the user wants them, so that no key goes over a connection. */
#include "cli/commands.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/home.h"
#include "data/obj.h"
#include "kube/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TIMEOUT_MS = 10 * 60 * 1000, PIECE_BYTES = 256 * 1024 };

/* --- Files -------------------------------------------------------------------------------------- */

/* Copies FROM to TO, which must not exist, with mode 0600, onto the disk. */
static int copy_file(const char *from, const char *to, struct error **err)
{
    CLEANUP(fd) int in = open(from, O_RDONLY | O_CLOEXEC);
    CLEANUP(str) char *piece = xmalloc(PIECE_BYTES);
    ssize_t n;

    if (in < 0)
        return error_sys(err, errno, "cannot open \"%s\"", from);
    CLEANUP(fd) int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        return error_sys(err, errno, "cannot make \"%s\"", to);
    while ((n = read(in, piece, PIECE_BYTES)) > 0)
        if (fd_write_all(out, piece, (size_t)n, to, err) == -1)
            return -1;
    if (n < 0)
        return error_sys(err, errno, "cannot read \"%s\"", from);
    return fsync(out) == 0 ? 0 : error_sys(err, errno, "cannot write \"%s\"", to);
}

static char *key_of(const char *file)
{
    return xasprintf("%s.key", file);
}

/* --- The server ----------------------------------------------------------------------------------- */

static int post(const char *dir, const char *path, json_t **answer, struct error **err)
{
    CLEANUP(kube_client) struct kube_client *client = home_open_client(dir, err);
    const struct kube_request request = {.method = "POST", .path = path, .timeout_ms = TIMEOUT_MS};

    return client == NULL ? -1 : kube_raw(client, &request, answer, err);
}

static int backup(const char *dir, const char *file, struct error **err)
{
    CLEANUP(str) char *key_file = key_of(file);
    CLEANUP(str) char *from = path_join(dir, HOME_API "/backup");
    json_auto_t *answer = NULL;

    if (file_exists(file) || file_exists(key_file))
        return error_set(err, ERROR_EXISTS, "\"%s\" or its key is there already", file);
    if (post(dir, "/gantry/backup", &answer, err) == -1)
        return -1;
    if (copy_file(obj_str(answer, "state", ""), file, err) == -1 ||
        copy_file(obj_str(answer, "key", ""), key_file, err) == -1 || dir_remove(from, err) == -1)
        return -1;
    printf("backup of %lld objects: %s\nkey of its secrets: %s (keep it somewhere else)\n",
           (long long)obj_int(answer, "objects", 0), file, key_file);
    return 0;
}

/* The files in the server's folder, where the server looks for them: complete, or not there. */
static int put_in_place(const char *dir, const char *file, const char *key_file, struct error **err)
{
    CLEANUP(str) char *place = path_join(dir, HOME_API "/restore");
    CLEANUP(str) char *made = path_join(dir, HOME_API "/restore.new");
    CLEANUP(str) char *state = path_join(made, "state.db");
    CLEANUP(str) char *key = path_join(made, "store.key");

    CLEANUP(str) char *api = path_join(dir, HOME_API);

    if (dir_make(api, 0700, err) == -1 || dir_remove(made, err) == -1 || dir_remove(place, err) == -1 ||
        dir_make(made, 0700, err) == -1 || copy_file(key_file, key, err) == -1 ||
        copy_file(file, state, err) == -1)
        return -1;
    return rename(made, place) == 0 ? 0 : error_sys(err, errno, "cannot make \"%s\"", place);
}

static int restore(const char *dir, const char *file, const char *key_given, struct error **err)
{
    CLEANUP(str) char *key_file = key_given == NULL ? key_of(file) : xstrdup(key_given);
    json_auto_t *answer = NULL;
    pid_t pid = home_get_daemon(dir, err);

    if (pid == -1)
        return -1;
    if (!file_exists(key_file)) {
        error_set(err, ERROR_NOT_FOUND, "no key \"%s\"", key_file);
        return error_hint(err, "give the file that gantry backup wrote beside the backup: --key");
    }
    if (put_in_place(dir, file, key_file, err) == -1)
        return -1;
    if (pid == 0) {
        printf("gantry does not run in %s: the next \"gantry up\" begins with %s\n", dir, file);
        return 0;
    }
    if (post(dir, "/gantry/restore", &answer, err) == -1)
        return -1;
    printf("restored: %lld objects written, %lld removed\nbefore that: %s\n",
           (long long)obj_int(answer, "written", 0), (long long)obj_int(answer, "removed", 0),
           obj_str(answer, "before", ""));
    return 0;
}

/* --- Commands ------------------------------------------------------------------------------------- */

/* Reads the words: COUNT of them.  -1: go on with *DIR, the caller's. */
static int read_words(const struct command *self, int argc, char **argv, const char **key,
                      size_t count, const char **file, char **dir)
{
    const char *dir_arg = NULL;
    const struct option_spec specs[] = {
        {"dir", 0, OPTION_TEXT, &dir_arg, "DIR", "the folder given to gantry up"},
        {"key", 0, OPTION_TEXT, key, "FILE", "the backup's key (FILE.key)"},
    };
    CLEANUP(word_list) struct word_list words = {0};
    struct error *err = NULL;
    int status = command_options(self, specs, key == NULL ? 1 : 2, argc, argv, &words);

    if (status != -1)
        return status;
    if (words.len > count)
        return command_usage(self, "\"%s\" is not expected", words.ptr[count]);
    if (words.len < count)
        return command_usage(self, "which file?");
    if (count > 0)
        *file = words.ptr[0];
    *dir = home_find_dir(dir_arg, &err);
    return *dir == NULL ? command_fail(err) : -1;
}

int cmd_backup(const struct command *self, int argc, char **argv)
{
    CLEANUP(str) char *dir = NULL;
    struct error *err = NULL;
    const char *file = NULL;
    int status = read_words(self, argc, argv, NULL, 1, &file, &dir);

    if (status != -1)
        return status;
    return backup(dir, file, &err) == 0 ? EXIT_OK : command_fail(err);
}

int cmd_restore(const struct command *self, int argc, char **argv)
{
    CLEANUP(str) char *dir = NULL;
    struct error *err = NULL;
    const char *file = NULL, *key = NULL;
    int status = read_words(self, argc, argv, &key, 1, &file, &dir);

    if (status != -1)
        return status;
    return restore(dir, file, key, &err) == 0 ? EXIT_OK : command_fail(err);
}

int cmd_rotate_key(const struct command *self, int argc, char **argv)
{
    CLEANUP(str) char *dir = NULL;
    struct error *err = NULL;
    int status = read_words(self, argc, argv, NULL, 0, NULL, &dir);

    if (status != -1)
        return status;
    if (post(dir, "/gantry/rotate-key", NULL, &err) == -1)
        return command_fail(err);
    puts("secrets are sealed with a new key; backups made before have their own");
    return EXIT_OK;
}
