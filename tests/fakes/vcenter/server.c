/* The server: SOAP at /sdk, sessions, and who answers what. */
#include "fake.h"

#include "base/error.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OPEN                                                                                       \
    "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "    \
    "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "                                     \
    "xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><s:Body>"
#define CLOSE "</s:Body></s:Envelope>"

void fake_answer(struct http_response *response, const char *method, const char *returnval)
{
    struct buf text = BUF_INIT(MAX_ANSWER);

    buf_printf(&text, OPEN "<%sResponse xmlns=\"urn:vim25\">", method);
    buf_add(&text, returnval);
    buf_printf(&text, "</%sResponse>" CLOSE, method);
    http_response_add_header(response, "Content-Type", "text/xml; charset=utf-8");
    http_response_write(response, text.ptr, text.len);
    buf_reset(&text);
}

void fake_fail(struct http_response *response, const char *fault, const char *words)
{
    struct buf text = BUF_INIT(MAX_ANSWER);

    buf_printf(&text,
               OPEN
               "<s:Fault><faultcode>ServerFaultCode</faultcode><faultstring>%s</faultstring>"
               "<detail><%sFault xmlns=\"urn:vim25\" xsi:type=\"%s\"/></detail></s:Fault>" CLOSE,
               words, fault, fault);
    http_response_set_status(response, 500);
    http_response_add_header(response, "Content-Type", "text/xml; charset=utf-8");
    http_response_write(response, text.ptr, text.len);
    buf_reset(&text);
}

char *fake_text_at(struct dom_node *node, const char *path)
{
    struct dom_node *found = dom_find(node, path);

    return found ? dom_text(found) : xstrdup("");
}

/* Ends the connection without (the rest of) an answer. */
void fake_drop(struct http_response *response)
{
    if (http_response_is_started(response))
        http_response_abort(response);
    else
        http_response_upgrade(response);
}

/* Sessions. */

/* The session of COOKIE: its place + 1, or 0.  Some clients send the cookie without its quotes. */
static size_t find_session(struct fake_vcenter *fake, const char *cookie)
{
    const char *at = cookie != NULL ? strstr(cookie, "vmware_soap_session=") : NULL;

    if (at == NULL)
        return 0;
    at += strlen("vmware_soap_session=");
    at += *at == '"';
    struct span value = {at, strcspn(at, "\";")};
    for (size_t i = 0; i < fake->sessions.len; i++)
        if (span_eq_str(value, fake->sessions.ptr[i]))
            return i + 1;
    return 0;
}

static bool is_session(struct fake_vcenter *fake, const char *cookie)
{
    return find_session(fake, cookie) > 0;
}

bool fake_has_session(struct fake_vcenter *fake, const struct http_request *request)
{
    LOCK_SCOPE(&fake->lock);

    return is_session(fake, http_request_header(request, "Cookie"));
}

static void forget_sessions(struct fake_vcenter *fake)
{
    str_list_free_all(&fake->sessions);
    fake->sessions = (struct str_list){0};
    fake_collectors_forget(fake);
    fake_leases_drop(fake);
}

static void login(struct fake_vcenter *fake, struct dom_node *body, struct http_response *response)
{
    CLEANUP(str) char *user = fake_text_at(body, "userName");
    CLEANUP(str) char *password = fake_text_at(body, "password");
    LOCK_SCOPE(&fake->lock);

    if (!str_eq(user, FAKE_VCENTER_USER) || !str_eq(password, FAKE_VCENTER_PASSWORD) ||
        fake_fault_take(fake, "wrong-password", NULL)) {
        fake_fail(response, "InvalidLogin",
                  "Cannot complete login due to an incorrect user name or password.");
        return;
    }
    CLEANUP(str) char *cookie = xasprintf("secret-cookie-%u", ++fake->session_count);
    CLEANUP(str)
    char *header = xasprintf("vmware_soap_session=\"%s\"; Path=/; HttpOnly", cookie);
    str_list_push(&fake->sessions, steal(&cookie));
    fake->logins++;
    http_response_add_header(response, "Set-Cookie", header);
    fake_answer(response, "Login",
                "<returnval><key>s</key><userName>" FAKE_VCENTER_USER "</userName>"
                "<fullName>fake</fullName><loginTime>2024-01-01T00:00:00Z</loginTime>"
                "<lastActiveTime>2024-01-01T00:00:00Z</lastActiveTime><locale>en</locale>"
                "<messageLocale>en</messageLocale></returnval>");
}

static void service_content(struct fake_vcenter *fake, struct http_response *response)
{
    CLEANUP(str)
    char *text = xasprintf(
        "<returnval><rootFolder type=\"Folder\">group-d1</rootFolder>"
        "<propertyCollector type=\"PropertyCollector\">pc</propertyCollector>"
        "<viewManager type=\"ViewManager\">ViewManager</viewManager>"
        "<about><name>fake</name><fullName>fake vCenter 7.0.3</fullName><vendor>gantry</vendor>"
        "<version>7.0.3</version><build>1</build><osType>linux-x64</osType>"
        "<productLineId>%s</productLineId><apiType>%s</apiType><apiVersion>7.0.3.0</apiVersion>"
        "<instanceUuid>u</instanceUuid><licenseProductName>VMware VirtualCenter Server"
        "</licenseProductName><licenseProductVersion>7.0</licenseProductVersion></about>"
        "<sessionManager type=\"SessionManager\">sm</sessionManager>"
        "<searchIndex type=\"SearchIndex\">SearchIndex</searchIndex></returnval>",
        fake->is_host ? "embeddedEsx" : "vpx", fake->is_host ? "HostAgent" : "VirtualCenter");

    fake_answer(response, "RetrieveServiceContent", text);
}

/* Ends the session of COOKIE. */
static void end_session(struct fake_vcenter *fake, const char *cookie)
{
    LOCK_SCOPE(&fake->lock);

    size_t place = find_session(fake, cookie);

    if (place == 0)
        return;
    free(fake->sessions.ptr[place - 1]);
    fake->sessions.ptr[place - 1] = fake->sessions.ptr[--fake->sessions.len];
}

/* Calls. */

static void dispatch(struct fake_vcenter *fake, struct dom_node *call, bool session,
                     struct http_response *response)
{
    const char *method = dom_name(call);
    CLEANUP(str) char *this_id = fake_text_at(call, "_this");

    if (str_eq(method, "RetrieveServiceContent"))
        service_content(fake, response);
    else if (str_eq(method, "Login"))
        login(fake, call, response);
    else if (fake_collector_call(fake, method, this_id, call, session, response))
        return; /* says itself that nobody is logged in */
    else if (!session)
        fake_fail(response, "NotAuthenticated", "The session is not authenticated.");
    else if (str_eq(method, "Logout"))
        fake_answer(response, method, "");
    else if (!fake_machine_call(fake, method, this_id, call, response) &&
             !fake_lease_call(fake, method, this_id, response) &&
             !fake_rights_call(fake, method, call, response) &&
             !fake_search_call(fake, method, this_id, call, response))
        fake_fail(response, "MethodNotFound", method);
}

struct fate {
    bool lose_call, lose_answer, session;
    int64_t latency_ms;
};

/* What becomes of a call, by the faults that are armed. */
static struct fate decide(struct fake_vcenter *fake, const char *method, const char *cookie)
{
    struct fate fate = {0};
    LOCK_SCOPE(&fake->lock);

    if (fake_fault_take(fake, "expire-session", method)) {
        str_list_free_all(&fake->sessions);
        fake->sessions = (struct str_list){0};
    }
    if (fake_fault_take(fake, "restart", method))
        forget_sessions(fake);
    fate.lose_call = fake_fault_take(fake, "lose-call", method);
    fate.lose_answer = fake_fault_take(fake, "lose-answer", method);
    fate.session = is_session(fake, cookie);
    fate.latency_ms = fake->latency_ms;
    return fate;
}

static bool skip_body(void *arg, int status, const struct http_header *headers, size_t count)
{
    return true;
}

static bool skip_data(void *arg, const void *data, size_t len)
{
    return true;
}

/* Carries a call out and tells nobody. */
static void dispatch_unheard(struct fake_vcenter *fake, struct dom_node *call, bool session)
{
    const struct http_sink sink = {
        .start = skip_body, .write = skip_data, .deadline = deadline_after(1000)};
    CLEANUP(http_response) struct http_response *unheard = http_response_new(&sink);

    dispatch(fake, call, session, unheard);
    http_response_finish(unheard);
}

static void soap(struct fake_vcenter *fake, const struct http_request *request,
                 struct http_response *response)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(dom) struct dom *dom = NULL;

    if (dom_parse(request->body, request->body_len, &dom, &err) == -1) {
        fake_fail(response, "InvalidRequest", "no XML");
        return;
    }
    struct dom_node *body = dom_first(dom_root(dom), "Body");
    struct dom_node *call = body ? dom_first(body, NULL) : NULL;
    if (call == NULL) {
        fake_fail(response, "InvalidRequest", "no call");
        return;
    }
    struct fate fate = decide(fake, dom_name(call), http_request_header(request, "Cookie"));
    if (fate.latency_ms > 0)
        http_response_wait(response, -1, deadline_after(fate.latency_ms));
    if (fate.lose_answer)
        dispatch_unheard(fake, call, fate.session);
    if (fate.session && str_eq(dom_name(call), "Logout") && !fate.lose_call)
        end_session(fake, http_request_header(request, "Cookie"));
    if (fate.lose_call || fate.lose_answer)
        fake_drop(response);
    else
        dispatch(fake, call, fate.session, response);
}

static void handle(void *arg, const struct http_request *request, struct http_response *response)
{
    struct fake_vcenter *fake = arg;

    if (str_starts_with(request->path, "/folder/"))
        fake_serve_file(fake, request, response);
    else if (str_starts_with(request->path, "/nfc/"))
        fake_serve_export(fake, request, response);
    else if (str_starts_with(request->path, "/rest/"))
        fake_serve_tags(fake, request, response);
    else if (str_starts_with(request->path, "/fake/"))
        fake_control(fake, request, response);
    else
        soap(fake, request, response);
}

static void refuse(void *arg, int status, const char *message, struct http_response *response)
{
    http_response_set_status(response, status);
}

/* From outside. */

int fake_vcenter_start(const struct fake_vcenter_options *options, struct fake_vcenter **out,
                       struct error **err)
{
    struct fake_vcenter *fake = xcalloc(1, sizeof(*fake));
    const struct http_server_options server = {.listen = options->listen,
                                               .cert_path = options->cert_path,
                                               .key_path = options->key_path,
                                               .handle = handle,
                                               .refuse = refuse,
                                               .arg = fake};

    pthread_mutex_init(&fake->lock, NULL);
    cond_init(&fake->changed);
    fake->index = map_new();
    fake->dir = options->dir != NULL ? xstrdup(options->dir) : NULL;
    fake->task_ms = options->task_ms;
    fake->shutdown_ms = options->shutdown_ms;
    fake->lease_ms = options->lease_ms > 0 ? options->lease_ms : 300 * 1000;
    fake->is_host = options->is_host;
    fake->version = 1;
    fake->tools = true;
    for (size_t i = 0; i < options->count; i++)
        fake_machine_add_plain(fake);
    if (http_server_start(&server, &fake->server, err) == -1 ||
        thread_start(&fake->clock, "fake-clock", fake_clock, fake, err) == -1) {
        fake_vcenter_stop(fake);
        return -1;
    }
    fake->url = xasprintf("%s://127.0.0.1:%d/sdk", options->cert_path != NULL ? "https" : "http",
                          http_server_port(fake->server));
    *out = fake;
    return 0;
}

void fake_vcenter_stop(struct fake_vcenter *fake)
{
    if (fake == NULL)
        return;
    {
        LOCK_SCOPE(&fake->lock);
        fake->stopping = true;
        forget_sessions(fake);
    }
    thread_join(&fake->clock);
    if (fake->server != NULL)
        http_server_stop(fake->server);
    for (size_t i = 0; i < fake->machines.len; i++)
        fake_machine_reset(&fake->machines.ptr[i]);
    fake_machine_list_reset(&fake->machines);
    for (size_t i = 0; i < fake->tasks.len; i++)
        fake_task_free(fake->tasks.ptr[i]);
    fake_task_list_reset(&fake->tasks);
    fake_leases_free(fake);
    fake_fault_clear(fake);
    fake_fault_list_reset(&fake->faults);
    fake_collector_list_reset(&fake->collectors);
    for (size_t i = 0; i < fake->views.len; i++) {
        free(fake->views.ptr[i].id);
        free(fake->views.ptr[i].container);
        str_list_free_all(&fake->views.ptr[i].types);
    }
    fake_view_list_reset(&fake->views);
    map_free(fake->index, NULL);
    free(fake->task_fault);
    free(fake->url);
    free(fake->dir);
    pthread_mutex_destroy(&fake->lock);
    pthread_cond_destroy(&fake->changed);
    json_decref(fake->tags);
    free(fake);
}

const char *fake_vcenter_url(const struct fake_vcenter *fake)
{
    return fake->url;
}

int fake_vcenter_add(struct fake_vcenter *fake, const char *spec, struct error **err)
{
    LOCK_SCOPE(&fake->lock);

    return fake_machine_parse(fake, spec, err);
}

void fake_vcenter_rename(struct fake_vcenter *fake, size_t number, const char *name)
{
    LOCK_SCOPE(&fake->lock);
    struct fake_machine *machine = &fake->machines.ptr[number - 1];

    free(machine->name);
    machine->name = xstrdup(name);
    fake_touch(fake, machine);
}

void fake_vcenter_remove(struct fake_vcenter *fake, size_t number)
{
    LOCK_SCOPE(&fake->lock);

    fake->machines.ptr[number - 1].removed = true;
    fake_touch(fake, &fake->machines.ptr[number - 1]);
}

bool fake_vcenter_is_on(struct fake_vcenter *fake, size_t number)
{
    LOCK_SCOPE(&fake->lock);

    return fake->machines.ptr[number - 1].on;
}

size_t fake_vcenter_snapshots(struct fake_vcenter *fake, size_t number)
{
    LOCK_SCOPE(&fake->lock);

    return fake->machines.ptr[number - 1].snapshots.len;
}

int fake_vcenter_write(struct fake_vcenter *fake, size_t number, size_t disk, const void *data,
                       size_t len, uint64_t offset, struct error **err)
{
    LOCK_SCOPE(&fake->lock);

    return disk_write(&fake->machines.ptr[number - 1].disks.ptr[disk], data, len, offset, err);
}

void fake_vcenter_expire(struct fake_vcenter *fake)
{
    LOCK_SCOPE(&fake->lock);

    str_list_free_all(&fake->sessions);
    fake->sessions = (struct str_list){0};
}

void fake_vcenter_restart(struct fake_vcenter *fake)
{
    LOCK_SCOPE(&fake->lock);

    forget_sessions(fake);
}

bool fake_vcenter_set_fault(struct fake_vcenter *fake, const char *fault)
{
    LOCK_SCOPE(&fake->lock);

    if (!fake_fault_is_known(fault))
        return false;
    fake_fault_add(fake, fault);
    return true;
}

void fake_vcenter_fail_task(struct fake_vcenter *fake, const char *name)
{
    LOCK_SCOPE(&fake->lock);

    free(fake->task_fault);
    fake->task_fault = xstrdup(name);
}

void fake_vcenter_set_tools(struct fake_vcenter *fake, bool running)
{
    LOCK_SCOPE(&fake->lock);

    fake->tools = running;
}

int fake_vcenter_logins(struct fake_vcenter *fake)
{
    LOCK_SCOPE(&fake->lock);

    return fake->logins;
}

int fake_vcenter_batches(struct fake_vcenter *fake)
{
    LOCK_SCOPE(&fake->lock);

    return fake->batches;
}

void fake_vcenter_set_latency(struct fake_vcenter *fake, int64_t ms)
{
    LOCK_SCOPE(&fake->lock);

    fake->latency_ms = ms;
}

struct fake_vcenter_leases fake_vcenter_leases(struct fake_vcenter *fake)
{
    LOCK_SCOPE(&fake->lock);

    return (struct fake_vcenter_leases){fake_count_leases(fake), fake->completed_leases,
                                        fake->aborted_leases, fake->lease_progress};
}
