#include "source/vsphere/vim.h"

#include "source/vsphere/vim_internal.h"

#include "base/array.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/dom_stream.h"
#include "net/http_client.h"
#include "net/url.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LOG_COMPONENT "vsphere"
#include "base/log.h"

enum {
    LOGIN_TIMEOUT_MS = 30000,
    MAX_ANSWER = 64 * 1024 * 1024, /* of an answer that is not streamed */
    ATTEMPTS = 3,     /* of a call that only looks */
    FIRST_DELAY_MS = 200,
    MAX_FAULT = 300,               /* bytes of a fault's words that we show */
    MAX_SESSION = 1024,            /* bytes of a session's cookie */
};

struct vim {
    struct http_client *http;
    char *url;
    char *user;
    struct secret *password;
    struct vim_about about;     /* frozen after the first login */
    pthread_mutex_t login_lock; /* one login at a time; taken before lock */
    pthread_mutex_t lock;
    struct secret *cookie; /* guarded by lock; the session's "Cookie: ..." header, or NULL */
    unsigned generation;   /* guarded by lock; counts logins */
    bool is_borrowed;      /* the session is somebody else's; guarded by lock */
};

/* Requests. */

void vim_add_text(struct buf *buf, const char *name, const char *text)
{
    buf_printf(buf, "<%s>", name);
    for (const char *p = text; *p != '\0'; p++)
        switch (*p) {
        case '&':
            buf_add(buf, "&amp;");
            break;
        case '<':
            buf_add(buf, "&lt;");
            break;
        case '>':
            buf_add(buf, "&gt;");
            break;
        case '"':
            buf_add(buf, "&quot;");
            break;
        default:
            buf_add_char(buf, *p);
        }
    buf_printf(buf, "</%s>", name);
}

void vim_add_ref(struct buf *buf, const char *name, const char *type, const char *id)
{
    buf_printf(buf, "<%s type=\"%s\">", name, type);
    buf_add(buf, id); /* ids come from the server and were checked when they did */
    buf_printf(buf, "</%s>", name);
}

bool vim_is_plain(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && len < 256 && strpbrk(text, "<>&\"'") == NULL;
}

static void add_envelope(struct buf *buf, const struct vim_call *call)
{
    buf_add(buf, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
                 "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" "
                 "xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" "
                 "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>");
    buf_printf(buf, "<%s xmlns=\"urn:vim25\">", call->method);
    vim_add_ref(buf, "_this", call->this_type, call->this_id);
    buf_add(buf, call->parameters ? call->parameters : "");
    buf_printf(buf, "</%s></soapenv:Body></soapenv:Envelope>", call->method);
}

/* Faults. */

static const struct {
    const char *name;
    enum error_code code;
} fault_codes[] = {
    {"InvalidLogin", ERROR_DENIED},
    {"NoPermission", ERROR_DENIED},
    {"NotAuthenticated", ERROR_EXPIRED},
    {"ManagedObjectNotFound", ERROR_NOT_FOUND},
    {"FileNotFound", ERROR_NOT_FOUND},
    {"NotFound", ERROR_NOT_FOUND},
    {"DuplicateName", ERROR_EXISTS},
    {"AlreadyExists", ERROR_EXISTS},
    {"TaskInProgress", ERROR_BUSY},
    {"InvalidState", ERROR_CONFLICT},
    {"InvalidPowerState", ERROR_CONFLICT},
    {"ConcurrentAccess", ERROR_CONFLICT},
    {"ToolsUnavailable", ERROR_UNSUPPORTED},
    {"NotSupported", ERROR_UNSUPPORTED},
    {"MethodNotFound", ERROR_UNSUPPORTED},
    {"InvalidArgument", ERROR_INVALID},
    {"InvalidProperty", ERROR_INVALID},
    {"InvalidRequest", ERROR_INVALID},
    {"RequestCanceled", ERROR_CANCELED},
    {"Timedout", ERROR_TIMEOUT},
    {"FileFault", ERROR_IO},
    {"NoDiskSpace", ERROR_IO},
};

static enum error_code fault_code(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(fault_codes); i++)
        if (str_eq(fault_codes[i].name, name))
            return fault_codes[i].code;
    return ERROR_UNAVAILABLE; /* HostCommunication and its kin: worth another try */
}

char *vim_fault_name(struct dom_node *fault)
{
    char *type = dom_attr(fault, "type");

    if (type != NULL) {
        const char *colon = strchr(type, ':');
        char *name = xstrdup(colon ? colon + 1 : type);

        free(type);
        return name;
    }
    const char *name = dom_name(fault);
    size_t len = strlen(name);
    if (len > 5 && str_eq(name + len - 5, "Fault"))
        len -= 5;
    return xstrndup(name, len);
}

int vim_set_fault(const char *name, const char *words, struct error **err)
{
    struct span text = span_trim(span_of(words));

    return error_set(err, fault_code(name), "%.60s: %.*s", name,
                     (int)(text.len < MAX_FAULT ? text.len : MAX_FAULT), text.ptr);
}

/* Makes the answer's Fault, if it has one, an error. */
static int check_fault(struct dom *answer, struct error **err)
{
    struct dom_node *fault = dom_find(dom_root(answer), "Body/Fault");

    if (fault == NULL)
        return 0;
    struct dom_node *words = dom_first(fault, "faultstring");
    struct dom_node *detail = dom_first(fault, "detail");
    struct dom_node *type = detail ? dom_first(detail, NULL) : NULL;
    CLEANUP(str) char *name = type ? vim_fault_name(type) : xstrdup("Fault");
    CLEANUP(str) char *text = words ? dom_text(words) : xstrdup("no words");

    return vim_set_fault(name, text, err);
}

/* Exchanges. */

struct exchange {
    struct dom_stream *stream;
    struct error *err;
};

static bool on_data(void *arg, const char *data, size_t len)
{
    struct exchange *exchange = arg;

    return dom_stream_feed(exchange->stream, data, len, &exchange->err) == 0;
}

static int nothing(void *arg, struct dom_node *node, struct error **err)
{
    return 0;
}

/* Posts BODY and reads the answer, whatever its status is. */
static int post(struct vim *vim, const struct vim_call *call, const struct buf *body,
                const char *cookie, struct http_reply *reply, struct dom **answer,
                struct error **err)
{
    static const char *const none[] = {NULL};
    CLEANUP(dom_stream)
    struct dom_stream *stream =
        dom_stream_new(call->stream ? call->stream : none,
                       call->on_element ? call->on_element : nothing, call->arg);
    struct exchange exchange = {.stream = stream};
    const char *const headers[] = {"Content-Type: text/xml; charset=utf-8",
                                   vim->about.api_version && vim_has_version(vim, 6, 7)
                                       ? "SOAPAction: urn:vim25/6.7"
                                       : "SOAPAction: urn:vim25/6.5",
                                   cookie, NULL};
    const struct http_call http = {
        .method = "POST",
        .url = vim->url,
        .headers = headers,
        .body = body->ptr,
        .body_len = body->len,
        .timeout_ms = call->timeout_ms ? call->timeout_ms : VIM_TIMEOUT_MS,
        .max_body = MAX_ANSWER,
        .cancel = call->cancel,
        .on_data = on_data,
        .arg = &exchange,
    };

    int result = http_client_send(vim->http, &http, reply, err);
    if (exchange.err != NULL) { /* what we could not read goes before how the transfer ended */
        error_clear(err);
        *err = exchange.err;
        result = -1;
    }
    if (result == -1)
        return -1;
    if (reply->status < 300)
        return dom_stream_finish(stream, answer, err);
    if (reply->status != 500) /* faults have this status */
        return http_reply_check(reply, err) == -1
                   ? -1
                   : error_set(err, ERROR_CORRUPT, "the server answered with status %d",
                               reply->status);
    return dom_parse(reply->body, reply->body_len, answer, err);
}

static struct dom_node *find_returnval(struct dom *answer)
{
    struct dom_node *body = dom_find(dom_root(answer), "Body");
    struct dom_node *response = body ? dom_first(body, NULL) : NULL;

    return response ? dom_first(response, "returnval") : NULL;
}

/* One exchange with its fault as an error.  *GENERATION is that of the session used. */
static int exchange_once(struct vim *vim, const struct vim_call *call, const struct buf *body,
                         unsigned *generation, struct dom **answer, struct error **err)
{
    CLEANUP(http_reply) struct http_reply reply = {0};
    CLEANUP(dom) struct dom *dom = NULL;
    CLEANUP(secret) struct secret *cookie = NULL;

    pthread_mutex_lock(&vim->lock);
    if (vim->cookie != NULL)
        cookie = secret_new(secret_get(vim->cookie), secret_len(vim->cookie));
    *generation = vim->generation;
    pthread_mutex_unlock(&vim->lock);
    if (post(vim, call, body, cookie ? secret_get(cookie) : NULL, &reply, &dom, err) == -1 ||
        check_fault(dom, err) == -1)
        return -1;
    *answer = steal(&dom);
    return 0;
}

/* Sessions. */

/* Keeps the session cookie of a login's answer. */
static int keep_cookie(struct vim *vim, const struct http_reply *reply, struct error **err)
{
    struct span value = http_reply_header(reply, "Set-Cookie");
    struct span cookie = {0};

    if (!span_split(&value, ';', &cookie) || !span_starts_with(cookie, "vmware_soap_session="))
        return error_set(err, ERROR_CORRUPT, "the server opened no session");

    struct buf header = BUF_INIT(4096);
    buf_add(&header, "Cookie: ");
    buf_add_span(&header, cookie);
    LOCK_SCOPE(&vim->lock);
    secret_free(vim->cookie);
    vim->cookie = secret_new(header.ptr, header.len);
    vim->generation++;
    vim->is_borrowed = false;
    secret_wipe(header.ptr, header.len);
    buf_reset(&header);
    return 0;
}

static int login(struct vim *vim, struct cancel *cancel, struct error **err)
{
    struct buf body = BUF_INIT(VIM_MAX_REQUEST);
    struct buf parameters = BUF_INIT(VIM_MAX_REQUEST);
    CLEANUP(http_reply) struct http_reply reply = {0};
    CLEANUP(dom) struct dom *answer = NULL;

    if (vim->password == NULL) {
        error_set(err, ERROR_DENIED, "the server does not know the session that was given");
        return error_hint(err, "give another one, or a name and a password");
    }
    vim_add_text(&parameters, "userName", vim->user);
    vim_add_text(&parameters, "password", secret_get(vim->password));
    const struct vim_call call = {
        .method = "Login",
        .this_type = "SessionManager",
        .this_id = vim->about.session_manager,
        .parameters = parameters.ptr,
        .timeout_ms = LOGIN_TIMEOUT_MS,
        .cancel = cancel,
    };
    buf_reserve(&body, parameters.len + 4096); /* no second copy is left behind by growing */
    add_envelope(&body, &call);
    int result = post(vim, &call, &body, NULL, &reply, &answer, err);
    secret_wipe(parameters.ptr, parameters.len);
    secret_wipe(body.ptr, body.len);
    buf_reset(&parameters);
    buf_reset(&body);
    if (result == -1 || check_fault(answer, err) == -1)
        return error_wrap(err, "cannot log in as \"%s\"", vim->user);
    return keep_cookie(vim, &reply, err);
}

int vim_login_again(struct vim *vim, unsigned generation, struct cancel *cancel,
                       struct error **err)
{
    LOCK_SCOPE(&vim->login_lock);

    pthread_mutex_lock(&vim->lock);
    bool done = vim->generation != generation;
    pthread_mutex_unlock(&vim->lock);
    return done ? 0 : login(vim, cancel, err);
}

/* Calls that only look may be sent again when nobody knows whether they arrived. */
static bool only_looks(const struct vim_call *call)
{
    static const char *const methods[] = {"RetrieveServiceContent", "RetrievePropertiesEx",
                                          "QueryChangedDiskAreas"};

    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        if (str_eq(methods[i], call->method))
            return call->stream == NULL;
    return false;
}

/* One exchange, repeated a few times after failures that may pass where that does no harm. */
static int exchange_patiently(struct vim *vim, const struct vim_call *call, const struct buf *body,
                              unsigned *generation, struct dom **answer, struct error **err)
{
    int64_t delay_ms = FIRST_DELAY_MS;

    for (int attempt = 1;; attempt++) {
        if (exchange_once(vim, call, body, generation, answer, err) == 0)
            return 0;
        if (attempt == ATTEMPTS || !only_looks(call) || !error_is_transient(*err) ||
            cancel_wait(call->cancel, delay_ms))
            return -1;
        error_clear(err);
        delay_ms *= 2;
    }
}

int vim_send(struct vim *vim, const struct vim_call *call, struct dom **answer,
             struct dom_node **result, struct error **err)
{
    CLEANUP(buf) struct buf body = BUF_INIT(VIM_MAX_REQUEST);
    CLEANUP(dom) struct dom *dom = NULL;
    CLEANUP(error) struct error *problem = NULL;
    unsigned generation = 0;

    if (!vim_is_plain(call->this_id))
        return error_set(err, ERROR_INVALID, "\"%.60s\" is no id of an object", call->this_id);
    add_envelope(&body, call);
    if (buf_check(&body, err) == -1)
        return -1;
    if (exchange_patiently(vim, call, &body, &generation, &dom, &problem) == -1) {
        /* The session is gone: once more with another one. */
        if (problem->code == ERROR_EXPIRED && generation > 0) {
            if (vim_login_again(vim, generation, call->cancel, err) == -1 ||
                exchange_once(vim, call, &body, &generation, &dom, err) == -1)
                return error_wrap(err, "%s", call->method);
        } else {
            *err = steal(&problem);
            return error_wrap(err, "%s", call->method);
        }
    }
    if (result != NULL)
        *result = find_returnval(dom);
    *answer = steal(&dom);
    return 0;
}

char *vim_text_at(struct dom_node *node, const char *path)
{
    struct dom_node *found = dom_find(node, path);

    return found ? dom_text(found) : xstrdup("");
}

static int read_about(struct vim *vim, struct dom_node *content, struct error **err)
{
    struct vim_about about = {
        .api_version = vim_text_at(content, "about/apiVersion"),
        .api_type = vim_text_at(content, "about/apiType"),
        .product = vim_text_at(content, "about/licenseProductName"),
        .instance_uuid = vim_text_at(content, "about/instanceUuid"),
        .root_folder = vim_text_at(content, "rootFolder"),
        .property_collector = vim_text_at(content, "propertyCollector"),
        .session_manager = vim_text_at(content, "sessionManager"),
        .search_index = vim_text_at(content, "searchIndex"),
    };

    vim->about = about;
    if (!vim_is_plain(about.root_folder) || !vim_is_plain(about.property_collector) ||
        !vim_is_plain(about.session_manager))
        return error_set(err, ERROR_CORRUPT, "the server does not say where its inventory is");
    return 0;
}

static void about_reset(struct vim_about *about)
{
    free(about->api_version);
    free(about->api_type);
    free(about->product);
    free(about->instance_uuid);
    free(about->root_folder);
    free(about->property_collector);
    free(about->session_manager);
    free(about->search_index);
    *about = (struct vim_about){0};
}

/* Whether the server knows our session still. */
static int ask_for_session(struct vim *vim, struct cancel *cancel, bool *alive, struct error **err)
{
    CLEANUP(buf) struct buf parameters = BUF_INIT(VIM_MAX_REQUEST), body = BUF_INIT(VIM_MAX_REQUEST);
    CLEANUP(dom) struct dom *answer = NULL;
    CLEANUP(error) struct error *problem = NULL;
    CLEANUP(secret) struct secret *cookie = vim_cookie(vim);
    unsigned generation = 0;

    if (cookie == NULL)
        return 0;
    buf_add(&parameters, "<specSet><propSet><type>SessionManager</type><pathSet>currentSession"
                         "</pathSet></propSet><objectSet>");
    vim_add_ref(&parameters, "obj", "SessionManager", vim->about.session_manager);
    buf_add(&parameters, "</objectSet></specSet><options/>");
    const struct vim_call call = {
        .method = "RetrievePropertiesEx",
        .this_type = "PropertyCollector",
        .this_id = vim->about.property_collector,
        .parameters = parameters.ptr,
        .timeout_ms = LOGIN_TIMEOUT_MS,
        .cancel = cancel,
    };
    add_envelope(&body, &call);
    if (exchange_patiently(vim, &call, &body, &generation, &answer, &problem) == -1) {
        if (problem->code == ERROR_EXPIRED)
            return 0;
        *err = steal(&problem);
        return error_wrap(err, "cannot look at the session");
    }
    /* Some servers answer without the property instead of with a fault. */
    struct dom_node *result = find_returnval(answer);
    struct dom_node *object = result ? dom_first(result, "objects") : NULL;
    *alive = object != NULL && dom_find(object, "propSet/val") != NULL;
    return 0;
}

int vim_login(struct vim *vim, struct cancel *cancel, struct error **err)
{
    LOCK_SCOPE(&vim->login_lock);

    if (vim->about.api_version == NULL) {
        const struct vim_call call = {
            .method = "RetrieveServiceContent",
            .this_type = "ServiceInstance",
            .this_id = "ServiceInstance",
            .timeout_ms = LOGIN_TIMEOUT_MS,
            .cancel = cancel,
        };
        CLEANUP(dom) struct dom *answer = NULL;
        struct dom_node *content = NULL;

        if (vim_send(vim, &call, &answer, &content, err) == -1)
            return -1;
        if (content == NULL)
            return error_set(err, ERROR_CORRUPT, "the server is no vSphere API");
        if (read_about(vim, content, err) == -1) {
            about_reset(&vim->about);
            return -1;
        }
    }
    bool alive = false;
    if (ask_for_session(vim, cancel, &alive, err) == -1)
        return -1;
    return alive ? 0 : login(vim, cancel, err);
}

void vim_logout(struct vim *vim)
{
    CLEANUP(error) struct error *unused = NULL; /* the server forgets sessions by itself */
    CLEANUP(dom) struct dom *answer = NULL;
    CLEANUP(buf) struct buf body = BUF_INIT(VIM_MAX_REQUEST);
    unsigned generation = 0;

    if (vim->about.session_manager == NULL || vim->cookie == NULL || vim->is_borrowed)
        return;
    const struct vim_call call = {.method = "Logout",
                                  .this_type = "SessionManager",
                                  .this_id = vim->about.session_manager,
                                  .timeout_ms = 5000};
    add_envelope(&body, &call);
    exchange_once(vim, &call, &body, &generation, &answer, &unused);
}

/* A cookie's value has no blanks, quotes but around it, or what would end the header. */
static bool is_cookie_value(const char *text)
{
    return *text != '\0' && strlen(text) <= MAX_SESSION && text[strcspn(text, " \t\r\n;,\\")] == '\0';
}

/* Uses the session whose cookie has the value SESSION, as "VALUE" or vmware_soap_session=VALUE. */
static int take_session(struct vim *vim, const struct secret *session, struct error **err)
{
    static const char name[] = "vmware_soap_session=";
    const char *value = secret_get(session);
    struct buf header = BUF_INIT(MAX_SESSION + 64);

    if (str_starts_with(value, name))
        value += strlen(name);
    if (!is_cookie_value(value))
        return error_set(err, ERROR_INVALID, "the session is not the value of a cookie");
    buf_printf(&header, "Cookie: %s%s", name, value);
    vim->cookie = secret_new(header.ptr, header.len);
    vim->generation = 1;
    vim->is_borrowed = true;
    secret_wipe(header.ptr, header.len);
    buf_reset(&header);
    return 0;
}

int vim_new(const struct vim_options *options, struct vim **out, struct error **err)
{
    CLEANUP(vim) struct vim *vim = xcalloc(1, sizeof(*vim));
    CLEANUP(url) struct url *url = NULL;
    const struct http_client_options http = {
        .ca_pem = options->ca_pem,
        .thumbprint = options->thumbprint,
        .insecure = options->insecure,
    };

    pthread_mutex_init(&vim->lock, NULL);
    pthread_mutex_init(&vim->login_lock, NULL);
    if (url_parse(options->url, &url, err) == -1)
        return error_wrap(err, "url \"%.200s\"", options->url);
    if (!str_eq(url->scheme, "https") && !str_eq(url->scheme, "http"))
        return error_set(err, ERROR_INVALID, "url \"%.200s\" does not begin with https://",
                         options->url);
    if (str_eq(url->path, "/")) {
        free(url->path);
        url->path = xstrdup("/sdk");
    }
    vim->url = url_format(url);
    vim->user = options->user ? xstrdup(options->user) : NULL;
    if (options->password != NULL)
        vim->password = secret_new(secret_get(options->password), secret_len(options->password));
    if (options->session != NULL && take_session(vim, options->session, err) == -1)
        return -1;
    if (http_client_new(&http, &vim->http, err) == -1)
        return -1;
    *out = steal(&vim);
    return 0;
}

void vim_free(struct vim *vim)
{
    if (vim == NULL)
        return;
    http_client_free(vim->http);
    free(vim->url);
    free(vim->user);
    secret_free(vim->password);
    secret_free(vim->cookie);
    about_reset(&vim->about);
    pthread_mutex_destroy(&vim->lock);
    pthread_mutex_destroy(&vim->login_lock);
    free(vim);
}

const struct vim_about *vim_about(const struct vim *vim)
{
    return &vim->about;
}

bool vim_has_version(const struct vim *vim, unsigned major, unsigned minor)
{
    struct span rest = span_of(vim->about.api_version), part = {0};
    uint64_t has_major = 0, has_minor = 0;

    if (!span_split(&rest, '.', &part) || !span_u64(part, &has_major))
        return false;
    if (span_split(&rest, '.', &part))
        span_u64(part, &has_minor);
    return has_major > major || (has_major == major && has_minor >= minor);
}

unsigned vim_generation(struct vim *vim)
{
    LOCK_SCOPE(&vim->lock);

    return vim->generation;
}

const char *vim_url(const struct vim *vim)
{
    return vim->url;
}

const char *vim_user(const struct vim *vim)
{
    return vim->user;
}

const struct secret *vim_password(const struct vim *vim)
{
    return vim->password;
}

char *vim_thumbprint(struct vim *vim)
{
    return http_client_thumbprint(vim->http);
}

struct secret *vim_cookie(struct vim *vim)
{
    LOCK_SCOPE(&vim->lock);

    return vim->cookie != NULL ? secret_new(secret_get(vim->cookie), secret_len(vim->cookie)) : NULL;
}
