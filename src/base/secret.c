/* Each secret has pages of its own: mlock and MADV_DONTDUMP work on whole pages, and a neighbour
 * that is unlocked would take the protection away. */
#include "base/secret.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

struct secret {
    size_t len;
    size_t mapped;
    char *data;
};

struct secret *secret_new(const void *data, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct secret *secret = xcalloc(1, sizeof(*secret));

    secret->len = len;
    secret->mapped = (len / page + 1) * page;
    secret->data = mmap(NULL, secret->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                        -1, 0);
    if (secret->data == MAP_FAILED) {
        perror("gantry: no memory for a secret");
        abort();
    }
    /* both are best effort: the limit for locked memory may be small */
    (void)mlock(secret->data, secret->mapped);
    (void)madvise(secret->data, secret->mapped, MADV_DONTDUMP);
    if (len > 0)
        memcpy(secret->data, data, len);
    return secret;
}

void secret_free(struct secret *secret)
{
    if (secret == NULL)
        return;
    secret_wipe(secret->data, secret->mapped);
    munmap(secret->data, secret->mapped);
    free(secret);
}

const char *secret_get(const struct secret *secret)
{
    return secret->data;
}

size_t secret_len(const struct secret *secret)
{
    return secret->len;
}

bool secret_eq(const struct secret *secret, const void *data, size_t len)
{
    const unsigned char *other = data;
    unsigned char differs = 0;

    if (secret->len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        differs |= (unsigned char)secret->data[i] ^ other[i];
    return differs == 0;
}

void secret_protect_process(void)
{
#ifndef __SANITIZE_ADDRESS__ /* the leak check traces its own process */
    (void)prctl(PR_SET_DUMPABLE, 0); /* an old kernel: as before */
#endif
}

void secret_wipe(void *data, size_t len)
{
    explicit_bzero(data, len);
}
