/* Runs a fuzz target over the files of a folder, which is the one that the argument lies in. */

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <libgen.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { REPLAY_MAX_BYTES = 1 << 20 };

static int replay_file(const char *dir, const char *name)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *path = path_join(dir, name);
    CLEANUP(str) char *data = NULL;
    size_t len = 0;

    if (file_read(path, REPLAY_MAX_BYTES, &data, &len, &err) == -1) {
        CLEANUP(str) char *text = error_format(err);

        fprintf(stderr, "%s\n", text);
        return -1;
    }
    printf("# %s\n", path);

    /* In memory of exactly its size, so that the sanitizer sees each byte read behind it. */
    uint8_t *exact = xmemdup(data, len);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FILE-IN-CORPUS\n", argv[0]);
        return 2;
    }

    const char *dir = dirname(argv[1]);
    DIR *folder = opendir(dir);
    int count = 0, result = 0;

    if (folder == NULL) {
        perror(dir);
        return 2;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.') {
            result |= replay_file(dir, entry->d_name);
            count++;
        }
    closedir(folder);
    printf("# %d inputs\n", count);
    return result == 0 && count > 0 ? 0 : 1;
}
