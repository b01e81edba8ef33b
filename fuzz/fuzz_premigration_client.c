/* What a server may answer the libvirt hook client, which lets it pass or refuses it: success must have
 * output that is one element called domain, to all appearance. */
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static jmp_buf refused;

/* The client is one file: a refusal ends it with a line on standard error. */
int hook_main(int argc, char **argv);
#define main                  hook_main
#define exit(status)          longjmp(refused, 1)
#define fputs(text, to)       ((void)0)
#define fputc(c, to)          ((void)0)
#define vfprintf(to, text, a) ((void)(a))
#include "../src/main/gantry-libvirt-hook.c"
#undef main
#undef exit

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char end[] = "</domain>";
    struct text answer = {.ptr = malloc(len + 1), .len = len, .cap = len + 1};
    char *volatile copy = answer.ptr;

    if (copy == NULL)
        return 0;
    memcpy(answer.ptr, data, len);
    answer.ptr[len] = '\0';
    if (setjmp(refused) == 0) {
        check_answer(&answer);
        if (memchr(data, 0, len) != NULL || memmem(data, len, end, strlen(end)) == NULL ||
            memchr(data, '<', len) == NULL)
            __builtin_trap();
    }
    free(copy);
    return 0;
}
