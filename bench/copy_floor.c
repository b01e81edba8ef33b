/* What this machine can do at best with a streamOptimized VMDK, without any program around it: inflate
 * its grains on all processors, and write as many bytes.
 *
 *     bench-copy-floor VMDK SCRATCH-FILE direct|buffered
 *
 * Prints "inflate write-durable write-buffered", milliseconds each; 0 for the write that was not asked
 * for. */
#include <fcntl.h>
#include <libdeflate.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SECTOR = 512, GRAIN = 65536, MAX_THREADS = 64, PIECE = 1 << 20, WRITERS = 6, BATCH = 16 };

static const unsigned char *image;
static size_t image_len;
static size_t *grains;
static size_t grain_count;
static atomic_size_t next_grain;
static atomic_size_t next_piece;
static int out;

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1000000;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint32_t load32(size_t at)
{
    uint32_t value;

    memcpy(&value, image + at, sizeof(value));
    return value;
}

/* Notes where the grains are: one behind the other, each with its sector and length in front. */
static void find_grains(void)
{
    size_t at = (size_t)load32(64) * SECTOR; /* the header's overhead */

    grains = calloc(image_len / SECTOR + 1, sizeof(*grains));
    if (grains == NULL)
        die("calloc");
    while (at + SECTOR <= image_len) {
        size_t len = load32(at + 8);

        if (len == 0) { /* a marker; what it announces is no grain */
            if (load32(at + 12) == 0)
                break;
            at += SECTOR + (size_t)load32(at) * SECTOR;
            continue;
        }
        if (len > image_len - at - 12)
            break;
        grains[grain_count++] = at;
        at += (12 + len + SECTOR - 1) / SECTOR * SECTOR;
    }
}

static void *inflate_some(void *arg)
{
    struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
    unsigned char *to = malloc(GRAIN);
    size_t first;

    while ((first = atomic_fetch_add(&next_grain, BATCH)) < grain_count)
        for (size_t i = first; i < first + BATCH && i < grain_count; i++)
            if (libdeflate_zlib_decompress(decompressor, image + grains[i] + 12,
                                           load32(grains[i] + 8), to, GRAIN, NULL) != 0) {
                fprintf(stderr, "grain %zu cannot be inflated\n", i);
                exit(1);
            }
    libdeflate_free_decompressor(decompressor);
    free(to);
    return NULL;
}

static void *write_some(void *arg)
{
    unsigned char *data = aligned_alloc(4096, PIECE);
    size_t total = grain_count * GRAIN;
    size_t at;

    memset(data, 'x', PIECE);
    while ((at = atomic_fetch_add(&next_piece, 1) * PIECE) < total)
        if (pwrite(out, data, PIECE, (off_t)at) != PIECE)
            die("write");
    free(data);
    return NULL;
}

static double on_threads(void *(*run)(void *), long count)
{
    pthread_t threads[MAX_THREADS];
    double start = now_ms();

    for (long i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, run, NULL) != 0)
            die("thread");
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return now_ms() - start;
}

static double time_writes(const char *path, int flags, int is_durable)
{
    unlink(path);
    out = open(path, O_WRONLY | O_CREAT | flags, 0666);
    if (out == -1 || ftruncate(out, (off_t)(grain_count * GRAIN)) == -1)
        die(path);
    next_piece = 0;
    double start = now_ms();
    on_threads(write_some, WRITERS);
    if (is_durable && fdatasync(out) == -1)
        die("fdatasync");
    double took = now_ms() - start;
    close(out);
    unlink(path);
    return took;
}

int main(int argc, char **argv)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct stat st;
    int fd;

    if (argc != 4 || (fd = open(argv[1], O_RDONLY)) == -1 || fstat(fd, &st) == -1) {
        fprintf(stderr, "usage: bench-copy-floor VMDK SCRATCH-FILE direct|buffered\n");
        return 2;
    }
    image_len = (size_t)st.st_size;
    image = mmap(NULL, image_len, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (image == MAP_FAILED)
        die("mmap");
    find_grains();
    double inflate = on_threads(inflate_some, processors < MAX_THREADS ? processors : MAX_THREADS);
    bool is_direct = strcmp(argv[3], "direct") == 0;
    double direct = is_direct ? time_writes(argv[2], O_DIRECT, 1) : 0;
    double buffered = is_direct ? 0 : time_writes(argv[2], 0, 0);
    printf("%.0f %.0f %.0f\n", inflate, direct, buffered);
    return 0;
}
