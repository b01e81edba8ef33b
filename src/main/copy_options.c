#include "main/copy_options.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "data/size.h"
#include "disk/blob.h"
#include "disk/copy.h"
#include "disk/extent_file.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_SECRET = 64 << 10, /* bytes of a password or token file */
    MAX_TIMEOUT_S = 86400,
};

enum option_id {
    OPTION_SOURCE_FORMAT = 256,
    OPTION_FORMAT,
    OPTION_BASE,
    OPTION_ALLOW_PATHS,
    OPTION_STREAM,
    OPTION_THREADS,
    OPTION_REQUESTS,
    OPTION_REQUEST_SIZE,
    OPTION_CONNECTIONS,
    OPTION_BANDWIDTH,
    OPTION_TIMEOUT,
    OPTION_DIRECT,
    OPTION_BUFFERED,
    OPTION_NO_SYNC,
    OPTION_KEEP_SIZE,
    OPTION_IS_ZERO,
    OPTION_EXTENTS,
    OPTION_MAP,
    OPTION_RESUME,
    OPTION_CHECKPOINT,
    OPTION_VERIFY,
    OPTION_VERIFY_ONLY,
    OPTION_SHOW_MAP,
    OPTION_DIGEST,
    OPTION_EXPECT,
    OPTION_EXPECT_CHUNK,
    OPTION_CA_FILE,
    OPTION_THUMBPRINT,
    OPTION_INSECURE,
    OPTION_COOKIE,
    OPTION_USER,
    OPTION_PASSWORD_FILE,
    OPTION_BEARER_FILE,
    OPTION_LUKS_KEY_FILE,
    OPTION_VDDK_DIR,
    OPTION_VDDK_TRANSPORTS,
    OPTION_VDDK_SETTING,
    OPTION_INFO,
    OPTION_JSON,
    OPTION_PROGRESS,
    OPTION_QUIET,
    OPTION_HELP,
    OPTION_VERSION,
};

/* clang-format off */
static const struct {
    const char *name;
    enum option_id id;
    int has_arg;
    const char *arg;
    const char *help;
} options[] = {
    {"source-format", OPTION_SOURCE_FORMAT, required_argument, "FORMAT", "raw, vmdk, qcow2, vhd, vhdx, vdi, luks (default: by content)"},
    {"format", OPTION_FORMAT, required_argument, "FORMAT", "of the destination: raw (default) or qcow2"},
    {"base", OPTION_BASE, required_argument, "FILE", "the image below a source that holds only changes; again for what lies below that"},
    {"allow-paths", OPTION_ALLOW_PATHS, no_argument, NULL, "let an image refer to files outside its folder"},
    {"stream", OPTION_STREAM, no_argument, NULL, "read the source front to back, over HTTP by one request"},
    {"extents", OPTION_EXTENTS, required_argument, "FILE", "copy only these areas (\"OFFSET LENGTH\" lines or JSON)"},
    {"map", OPTION_MAP, required_argument, "FILE", "keep a block map: what is durable, with checksums"},
    {"resume", OPTION_RESUME, no_argument, NULL, "go on where the map ends"},
    {"checkpoint", OPTION_CHECKPOINT, required_argument, "FILE", "--map and --resume where they fit, else begin anew"},
    {"verify", OPTION_VERIFY, no_argument, NULL, "read the destination back when done"},
    {"verify-only", OPTION_VERIFY_ONLY, no_argument, NULL, "compare the destination with the source or the map"},
    {"show-map", OPTION_SHOW_MAP, no_argument, NULL, "print a block map"},
    {"digest", OPTION_DIGEST, required_argument, "NAME", "of the source file: sha256, sha1 or sha512"},
    {"expect", OPTION_EXPECT, required_argument, "[NAME:]HEX", "fail unless the source file has this digest"},
    {"expect-chunk", OPTION_EXPECT_CHUNK, required_argument, "N:[NAME:]HEX", "fail unless chunk N of the source has this digest"},
    {"keep-size", OPTION_KEEP_SIZE, no_argument, NULL, "leave a larger destination file as large as it is"},
    {"destination-is-zero", OPTION_IS_ZERO, no_argument, NULL, "the destination reads as zeroes already"},
    {"threads", OPTION_THREADS, required_argument, "N", "that read, unpack and write (default: 4 to 8, with compressed sources 4 + processors)"},
    {"requests", OPTION_REQUESTS, required_argument, "N", "in flight to a server (default: 2 to 32, found by trying)"},
    {"request-size", OPTION_REQUEST_SIZE, required_argument, "SIZE", "a power of two (default: 1Mi, 2Mi from file to file)"},
    {"connections", OPTION_CONNECTIONS, required_argument, "N", "to an NBD server (default: 4 if it allows)"},
    {"bandwidth", OPTION_BANDWIDTH, required_argument, "SIZE", "most bytes read in a second"},
    {"timeout", OPTION_TIMEOUT, required_argument, "SECONDS", "for one answer of a server (default: 60)"},
    {"direct", OPTION_DIRECT, no_argument, NULL, "fail unless a file can be written past the page cache"},
    {"buffered", OPTION_BUFFERED, no_argument, NULL, "write through the page cache"},
    {"no-sync", OPTION_NO_SYNC, no_argument, NULL, "do not wait until the copy is durable"},
    {"ca-file", OPTION_CA_FILE, required_argument, "FILE", "certificates to trust, PEM"},
    {"thumbprint", OPTION_THUMBPRINT, required_argument, "HEX", "of the server's certificate"},
    {"insecure", OPTION_INSECURE, no_argument, NULL, "accept any certificate"},
    {"cookie", OPTION_COOKIE, required_argument, "TEXT", "sent to an HTTP server"},
    {"user", OPTION_USER, required_argument, "NAME", "at an HTTP server; also $GANTRY_COPY_USER"},
    {"password-file", OPTION_PASSWORD_FILE, required_argument, "FILE", "of the user; or $GANTRY_COPY_PASSWORD"},
    {"bearer-file", OPTION_BEARER_FILE, required_argument, "FILE", "a token; or $GANTRY_COPY_BEARER"},
    {"luks-key-file", OPTION_LUKS_KEY_FILE, required_argument, "FILE", "the passphrase of a LUKS image"},
    {"vddk-dir", OPTION_VDDK_DIR, required_argument, "DIR", "VMware's disk library, for vddk:// sources"},
    {"vddk-transports", OPTION_VDDK_TRANSPORTS, required_argument, "LIST", "ways it may use, as in nbdssl:nbd"},
    {"vddk-setting", OPTION_VDDK_SETTING, required_argument, "NAME=VALUE", "a line of its configuration"},
    {"info", OPTION_INFO, no_argument, NULL, "show format, sizes and areas; copy nothing"},
    {"json", OPTION_JSON, no_argument, NULL, "--info and --show-map as JSON"},
    {"progress", OPTION_PROGRESS, optional_argument, "[=json]", "show progress (json: one line a second on stdout)"},
    {"quiet", OPTION_QUIET, no_argument, NULL, "print nothing but errors"},
    {"help", OPTION_HELP, no_argument, NULL, "print this"},
    {"version", OPTION_VERSION, no_argument, NULL, "print the version"},
};
/* clang-format on */

void copy_settings_print_help(void)
{
    printf("usage: gantry-copy [OPTIONS] SOURCE DESTINATION\n"
           "       gantry-copy --info [--json] SOURCE\n"
           "       gantry-copy --verify-only SOURCE DESTINATION\n"
           "       gantry-copy --verify-only --map FILE DESTINATION\n"
           "       gantry-copy --show-map FILE\n\n");
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        CLEANUP(str) char *left =
            options[i].has_arg == optional_argument
                ? xasprintf("--%s%s", options[i].name, options[i].arg)
                : xasprintf("--%s%s%s", options[i].name, options[i].arg != NULL ? " " : "",
                            options[i].arg != NULL ? options[i].arg : "");
        printf("  %-24s %s\n", left, options[i].help);
    }
}

static int parse_size(const char *text, uint64_t min, uint64_t max, uint64_t *out,
                      struct error **err)
{
    if (size_parse(text, strlen(text), out, err) == -1)
        return -1;
    if (*out >= min && *out <= max)
        return 0;
    return error_set(err, ERROR_INVALID, "\"%s\" is not between %" PRIu64 " and %" PRIu64, text,
                     min, max);
}

static int parse_count(const char *text, unsigned max, unsigned *out, struct error **err)
{
    uint64_t value;

    if (parse_size(text, 1, max, &value, err) == -1)
        return -1;
    *out = (unsigned)value;
    return 0;
}

static int parse_request_size(const char *text, size_t *out, struct error **err)
{
    uint64_t value;

    if (parse_size(text, COPY_MIN_REQUEST, COPY_MAX_REQUEST, &value, err) == -1)
        return -1;
    if ((value & (value - 1)) != 0)
        return error_set(err, ERROR_INVALID, "\"%s\" is not a power of two", text);
    *out = (size_t)value;
    return 0;
}

/* [NAME:]HEX; without a name, SHA-256.  Both are parts of TEXT, which is changed. */
static int parse_expected(char *text, const char **name, const char **hex, struct error **err)
{
    char *colon = strchr(text, ':');
    size_t len;

    *name = "sha256";
    *hex = text;
    if (colon != NULL) {
        *colon = '\0'; /* the arguments are ours to change */
        *name = text;
        *hex = colon + 1;
    }
    len = strlen(*hex);
    if (len < 40 || strspn(*hex, "0123456789abcdefABCDEF") != len)
        return error_set(err, ERROR_INVALID, "\"%s\" is no digest", *hex);
    return 0;
}

/* N:[NAME:]HEX */
static int take_chunk_digest(char *text, struct copy_settings *settings, struct error **err)
{
    struct copy_chunk_digest wanted = {0};
    char *colon = strchr(text, ':');
    uint64_t chunk;

    if (colon == NULL || !span_u64((struct span){text, (size_t)(colon - text)}, &chunk) ||
        chunk >= BLOB_MAX_CHUNKS)
        return error_set(err, ERROR_INVALID, "\"%s\" does not begin with a chunk's number and \":\"",
                         text);
    wanted.chunk = (unsigned)chunk;
    if (parse_expected(colon + 1, &wanted.name, &wanted.hex, err) == -1)
        return -1;
    copy_chunk_digests_push(&settings->chunk_digests, wanted);
    return 0;
}

static int read_secret(const char *path, struct secret **out, struct error **err)
{
    char *text;
    size_t len;

    if (file_read(path, MAX_SECRET, &text, &len, err) == -1)
        return -1;
    size_t keep = len;
    while (keep > 0 && (text[keep - 1] == '\n' || text[keep - 1] == '\r'))
        keep--;
    secret_free(*out);
    *out = secret_new(text, keep);
    secret_wipe(text, len);
    free(text);
    return 0;
}

static int parse_progress(const char *text, struct copy_settings *settings, struct error **err)
{
    if (text != NULL && !str_eq(text, "json"))
        return error_set(err, ERROR_INVALID, "unknown style \"%s\"", text);
    settings->progress = text == NULL ? COPY_PROGRESS_BAR : COPY_PROGRESS_JSON;
    return 0;
}

static int take_timeout(const char *text, struct copy_settings *settings, struct error **err)
{
    unsigned seconds;

    if (parse_count(text, MAX_TIMEOUT_S, &seconds, err) == -1)
        return -1;
    settings->source_options.timeout_ms = (int64_t)seconds * 1000;
    settings->target_options.timeout_ms = (int64_t)seconds * 1000;
    return 0;
}

static int take_connections(const char *text, struct copy_settings *settings, struct error **err)
{
    if (parse_count(text, COPY_MAX_WORKERS, &settings->source_options.connections, err) == -1)
        return -1;
    settings->target_options.connections = settings->source_options.connections;
    return 0;
}

static int take_base(const char *path, struct copy_settings *settings, struct error **err)
{
    if (settings->bases == NULL)
        settings->bases = xcalloc(DISK_MAX_CHAIN, sizeof(settings->bases[0]));
    if (settings->source_options.base_count == DISK_MAX_CHAIN)
        return error_set(err, ERROR_INVALID, "more than %d images", DISK_MAX_CHAIN);
    settings->bases[settings->source_options.base_count++] = path;
    settings->source_options.bases = settings->bases;
    return 0;
}

static int take_checkpoint(const char *path, struct copy_settings *settings)
{
    settings->map_path = path;
    settings->resume = settings->is_checkpoint = true;
    return 0;
}

static int take_vddk_setting(const char *line, struct copy_settings *settings, struct error **err)
{
    const char *old = settings->vddk_settings;

    if (strchr(line, '=') == NULL || strchr(line, '\n') != NULL)
        return error_set(err, ERROR_INVALID, "\"%s\" is not NAME=VALUE", line);
    char *all = xasprintf("%s%s\n", old != NULL ? old : "", line);
    free(settings->vddk_settings);
    settings->vddk_settings = all;
    settings->source_options.vddk_settings = all;
    return 0;
}

static int take_option(enum option_id id, char *arg, struct copy_settings *s, struct error **err)
{
    /* clang-format off */
    switch (id) {
    case OPTION_SOURCE_FORMAT: s->source_options.format = arg; return 0;
    case OPTION_FORMAT:        s->target_options.format = arg; return 0;
    case OPTION_BASE:          return take_base(arg, s, err);
    case OPTION_ALLOW_PATHS:   s->source_options.allow_paths = true; return 0;
    case OPTION_STREAM:        s->source_options.stream = true; return 0;
    case OPTION_THREADS:       return parse_count(arg, COPY_MAX_WORKERS, &s->threads, err);
    case OPTION_REQUESTS:      return parse_count(arg, COPY_MAX_WORKERS, &s->requests, err);
    case OPTION_REQUEST_SIZE:  return parse_request_size(arg, &s->request_bytes, err);
    case OPTION_CONNECTIONS:   return take_connections(arg, s, err);
    case OPTION_BANDWIDTH:     return parse_size(arg, 1, UINT64_MAX, &s->bandwidth, err);
    case OPTION_TIMEOUT:       return take_timeout(arg, s, err);
    case OPTION_DIRECT:        s->target_options.direct = true; return 0;
    case OPTION_BUFFERED:      s->target_options.buffered = true; return 0;
    case OPTION_NO_SYNC:       s->target_options.no_sync = true; return 0;
    case OPTION_KEEP_SIZE:     s->target_options.keep_size = true; return 0;
    case OPTION_IS_ZERO:       s->target_options.is_zero = true; return 0;
    case OPTION_EXTENTS:       s->extents_path = arg; return 0;
    case OPTION_MAP:           s->map_path = arg; return 0;
    case OPTION_RESUME:        s->resume = true; return 0;
    case OPTION_CHECKPOINT:    return take_checkpoint(arg, s);
    case OPTION_VERIFY:        s->verify = true; return 0;
    case OPTION_VERIFY_ONLY:   s->mode = COPY_MODE_VERIFY; return 0;
    case OPTION_SHOW_MAP:      s->mode = COPY_MODE_SHOW_MAP; return 0;
    case OPTION_DIGEST:        s->digest = arg; return 0;
    case OPTION_EXPECT:        return parse_expected(arg, &s->digest, &s->expected_digest, err);
    case OPTION_EXPECT_CHUNK:  return take_chunk_digest(arg, s, err);
    case OPTION_CA_FILE:       s->source_options.ca_file = arg; return 0;
    case OPTION_THUMBPRINT:    s->source_options.thumbprint = arg; return 0;
    case OPTION_INSECURE:      s->source_options.insecure = true; return 0;
    case OPTION_COOKIE:        s->source_options.cookie = arg; return 0;
    case OPTION_USER:          s->source_options.user = arg; return 0;
    case OPTION_PASSWORD_FILE: return read_secret(arg, &s->password, err);
    case OPTION_BEARER_FILE:   return read_secret(arg, &s->bearer, err);
    case OPTION_LUKS_KEY_FILE: s->source_options.luks_key_file = arg; return 0;
    case OPTION_VDDK_DIR:      s->source_options.vddk_dir = arg; return 0;
    case OPTION_VDDK_TRANSPORTS: s->source_options.vddk_transports = arg; return 0;
    case OPTION_VDDK_SETTING:  return take_vddk_setting(arg, s, err);
    case OPTION_INFO:          s->mode = COPY_MODE_INFO; return 0;
    case OPTION_JSON:          s->json = true; return 0;
    case OPTION_PROGRESS:      return parse_progress(arg, s, err);
    case OPTION_QUIET:         s->quiet = true; return 0;
    case OPTION_HELP:          s->mode = COPY_MODE_HELP; return 0;
    case OPTION_VERSION:       s->mode = COPY_MODE_VERSION; return 0;
    }
    /* clang-format on */
    return error_set(err, ERROR_BUG, "option %d has no case", (int)id);
}

/* Takes a secret out of the environment, where a core dump and /proc would show it. */
static void take_secret(const char *name, struct secret **secret)
{
    char *text = getenv(name);

    if (text == NULL)
        return;
    if (*secret == NULL)
        *secret = secret_new(text, strlen(text));
    secret_wipe(text, strlen(text));
    unsetenv(name);
}

static void take_environment(struct copy_settings *settings)
{
    if (settings->source_options.user == NULL)
        settings->source_options.user = getenv("GANTRY_COPY_USER");
    take_secret("GANTRY_COPY_PASSWORD", &settings->password);
    take_secret("GANTRY_COPY_BEARER", &settings->bearer);
    settings->source_options.password = settings->password;
    settings->source_options.bearer = settings->bearer;
}

/* Assigns the arguments that are not options and checks that all fits together. */
static int take_names(char **names, size_t count, struct copy_settings *s, struct error **err)
{
    bool only_destination = s->mode == COPY_MODE_VERIFY && s->map_path != NULL;
    size_t want = s->mode == COPY_MODE_INFO || s->mode == COPY_MODE_SHOW_MAP || only_destination
                      ? 1
                      : 2;

    if (s->mode == COPY_MODE_HELP || s->mode == COPY_MODE_VERSION)
        return 0;
    if (count != want) {
        error_set(err, ERROR_INVALID, "%zu names given, %zu needed", count, want);
        return error_hint(err, "see gantry-copy --help");
    }
    if (s->mode == COPY_MODE_SHOW_MAP)
        s->map_path = names[0];
    else if (only_destination)
        s->destination = names[0];
    else
        s->source = names[0];
    if (want == 2)
        s->destination = names[1];
    if (s->resume && s->map_path == NULL)
        return error_set(err, ERROR_INVALID, "--resume needs --map: only a map proves what is there");
    if (s->verify && s->map_path == NULL)
        return error_set(err, ERROR_INVALID, "--verify needs --map: it holds the checksums");
    if (s->extents_path != NULL && s->source != NULL && str_eq(s->source, "-"))
        return error_set(err, ERROR_INVALID, "--extents does not work with a stream");
    return 0;
}

int copy_settings_parse(int argc, char **argv, struct copy_settings *out, struct error **err)
{
    CLEANUP(copy_settings) struct copy_settings settings = {0};
    struct option table[ARRAY_SIZE(options) + 1] = {0};
    int id;

    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        table[i] = (struct option){options[i].name, options[i].has_arg, NULL, (int)options[i].id};
    opterr = 0;
    optind = 1;
    while ((id = getopt_long(argc, argv, ":", table, NULL)) != -1) {
        if (id == '?' || id == ':') {
            error_set(err, ERROR_INVALID, "%s \"%s\"",
                      id == ':' ? "a value is missing behind" : "unknown option",
                      argv[optind - 1]);
            return error_hint(err, "see gantry-copy --help");
        }
        if (take_option((enum option_id)id, optarg, &settings, err) == -1)
            return error_wrap(err, "option \"%s\"", argv[optind - 1]);
    }
    if (take_names(argv + optind, (size_t)(argc - optind), &settings, err) == -1)
        return -1;
    take_environment(&settings);
    *out = settings;
    settings = (struct copy_settings){0};
    return 0;
}

void copy_settings_reset(struct copy_settings *settings)
{
    secret_free(settings->password);
    secret_free(settings->bearer);
    copy_chunk_digests_reset(&settings->chunk_digests);
    free(settings->bases);
    free(settings->vddk_settings);
    *settings = (struct copy_settings){0};
}

static int read_extents_text(const char *path, char **text, size_t *len, struct error **err)
{
    struct buf buf = BUF_INIT(EXTENT_FILE_MAX_BYTES);
    char part[65536];
    ssize_t got;

    if (!str_eq(path, "-"))
        return file_read(path, EXTENT_FILE_MAX_BYTES, text, len, err);
    while ((got = read(STDIN_FILENO, part, sizeof(part))) > 0)
        buf_append(&buf, part, (size_t)got);
    if (buf_check(&buf, err) == -1) {
        buf_reset(&buf);
        return -1;
    }
    *len = buf.len;
    *text = buf_take(&buf);
    return 0;
}

int copy_extents_read(const char *path, struct extent_list *list, struct error **err)
{
    CLEANUP(str) char *text = NULL;
    size_t len;

    if (read_extents_text(path, &text, &len, err) == -1)
        return -1;
    return extent_list_parse(text, len, list, err) == 0 ? 0
                                                        : error_wrap(err, "extents \"%s\"", path);
}
