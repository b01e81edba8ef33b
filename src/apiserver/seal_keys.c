#include "apiserver/seal_keys.h"

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/text.h"
#include "data/base64.h"
#include "net/crypto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_KEYS = 16, MAX_FILE = 8192 };

struct seal_key {
    int64_t id;
    unsigned char bytes[CRYPTO_KEY_SIZE];
};

struct seal_keys {
    char *path;
    size_t count;
    struct seal_key keys[MAX_KEYS]; /* the current one first */
};

static int parse_line(struct seal_keys *keys, struct span line, struct error **err)
{
    CLEANUP(str) char *bytes = NULL;
    struct span number;
    size_t len = 0;
    uint64_t id = 0;

    if (!span_split(&line, ' ', &number) || !span_u64(number, &id) || id == 0 || id > INT32_MAX)
        return error_set(err, ERROR_CORRUPT, "a line does not start with a key's number");
    if (keys->count == MAX_KEYS)
        return error_set(err, ERROR_CORRUPT, "more than %d keys", MAX_KEYS);
    if (base64_decode(line.ptr, line.len, &bytes, &len, err) == -1)
        return -1;
    if (len != CRYPTO_KEY_SIZE)
        return error_set(err, ERROR_CORRUPT, "a key of %zu bytes", len);
    struct seal_key *key = &keys->keys[keys->count++];
    key->id = (int64_t)id;
    memcpy(key->bytes, bytes, len);
    secret_wipe(bytes, len);
    return 0;
}

static int read_keys(struct seal_keys *keys, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    struct stat st;
    size_t len = 0;

    if (stat(keys->path, &st) == -1)
        return error_sys(err, errno, "cannot look at the key file");
    if ((st.st_mode & 077) != 0) {
        error_set(err, ERROR_DENIED, "others may read the key file");
        return error_hint(err, "chmod 600 \"%s\"", keys->path);
    }
    if (file_read(keys->path, MAX_FILE, &text, &len, err) == -1)
        return -1;
    struct span rest = {text, len}, line;
    int result = 0;
    while (result == 0 && span_split(&rest, '\n', &line))
        if (line.len > 0)
            result = parse_line(keys, line, err);
    secret_wipe(text, len);
    if (result == 0 && keys->count == 0)
        return error_set(err, ERROR_CORRUPT, "the key file is empty");
    return result;
}

int seal_keys_copy(const struct seal_keys *keys, const char *path, struct error **err)
{
    CLEANUP(buf) struct buf text = BUF_INIT(MAX_FILE);

    for (size_t i = 0; i < keys->count; i++) {
        char *encoded = base64_encode(keys->keys[i].bytes, CRYPTO_KEY_SIZE);
        buf_printf(&text, "%d %s\n", (int)keys->keys[i].id, encoded);
        secret_wipe(encoded, strlen(encoded));
        free(encoded);
    }
    int result = file_write(path, text.ptr, text.len, 0600, err);
    secret_wipe(text.ptr, text.len);
    return result;
}

static int write_keys(const struct seal_keys *keys, struct error **err)
{
    return seal_keys_copy(keys, keys->path, err);
}

struct seal_keys *seal_keys_open(const char *path, struct error **err)
{
    struct seal_keys *keys = xcalloc(1, sizeof(*keys));

    keys->path = xstrdup(path);
    int result = file_exists(path) ? read_keys(keys, err) : seal_keys_add(keys, err);
    if (result == -1) {
        error_wrap(err, "key file \"%s\"", path);
        seal_keys_free(keys);
        return NULL;
    }
    return keys;
}

void seal_keys_free(struct seal_keys *keys)
{
    if (keys == NULL)
        return;
    secret_wipe(keys->keys, sizeof(keys->keys));
    free(keys->path);
    free(keys);
}

const unsigned char *seal_keys_current(const struct seal_keys *keys, int64_t *id)
{
    *id = keys->keys[0].id;
    return keys->keys[0].bytes;
}

const unsigned char *seal_keys_find(const struct seal_keys *keys, int64_t id)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->keys[i].id == id)
            return keys->keys[i].bytes;
    return NULL;
}

int seal_keys_add(struct seal_keys *keys, struct error **err)
{
    struct seal_keys before = *keys;

    if (keys->count == MAX_KEYS)
        return error_set(err, ERROR_BUSY, "there are %d keys already", MAX_KEYS);
    memmove(&keys->keys[1], &keys->keys[0], keys->count * sizeof(keys->keys[0]));
    keys->keys[0].id = keys->count == 0 ? 1 : keys->keys[1].id + 1;
    random_bytes(keys->keys[0].bytes, CRYPTO_KEY_SIZE);
    keys->count++;
    if (write_keys(keys, err) == -1) {
        *keys = before;
        return -1;
    }
    return 0;
}

int seal_keys_forget_old(struct seal_keys *keys, struct error **err)
{
    keys->count = 1;
    return write_keys(keys, err);
}
