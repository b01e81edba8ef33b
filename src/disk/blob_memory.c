#include "disk/blob_memory.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct memory_blob {
    struct blob blob;
    const char *data;
};

static void memory_close(struct blob *blob)
{
    free(blob);
}

static int memory_read(struct blob *blob, void *data, size_t len, uint64_t offset,
                       struct error **err)
{
    memcpy(data, ((struct memory_blob *)blob)->data + offset, len);
    return 0;
}

static int memory_extents(struct blob *blob, uint64_t offset, uint64_t length,
                          struct extent_list *list, struct error **err)
{
    extent_list_add(list, offset, length, EXTENT_DATA);
    return 0;
}

static int memory_locate(struct blob *blob, uint64_t offset, uint64_t *file_offset)
{
    return -1;
}

struct blob *blob_memory_open(const void *data, size_t len)
{
    static const struct blob_ops ops = {
        .kind = "memory",
        .close = memory_close,
        .read = memory_read,
        .extents = memory_extents,
        .locate = memory_locate,
    };
    struct memory_blob *memory = xcalloc(1, sizeof(*memory));

    memory->blob = (struct blob){.ops = &ops, .name = xstrdup("memory"), .size_bytes = len};
    memory->data = data;
    return &memory->blob;
}
