/* A hook server that sends every definition back as it came: the client's price without an edit.
 *
 *     bench-hook-echo SOCKET     until it is killed */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BYTES_MAX = 1 << 20, BACKLOG = 16 };

static void echo(int fd)
{
    static const char end[] = "</domain>";
    static char text[BYTES_MAX];
    size_t len = 0, done = 0;
    ssize_t got;

    while (len < sizeof(text) && (got = read(fd, text + len, sizeof(text) - len)) > 0) {
        len += (size_t)got;
        size_t tail = len < 64 ? len : 64;
        if (memmem(text + len - tail, tail, end, strlen(end)) != NULL)
            break;
    }
    while (done < len && (got = send(fd, text + done, len - done, MSG_NOSIGNAL)) > 0)
        done += (size_t)got;
    close(fd);
}

int main(int argc, char **argv)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);

    if (argc != 2 || strlen(argv[1]) >= sizeof(addr.sun_path)) {
        fprintf(stderr, "usage: %s SOCKET\n", argv[0]);
        return 2;
    }
    memcpy(addr.sun_path, argv[1], strlen(argv[1]));
    if (listener == -1 || bind(listener, (struct sockaddr *)&addr, sizeof(addr)) == -1 ||
        listen(listener, BACKLOG) == -1) {
        perror(argv[1]);
        return 1;
    }
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd != -1)
            echo(fd);
    }
}
