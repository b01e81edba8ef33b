#include "source/vsphere/fake_vcenter.h"

#include "base/array.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/time.h"
#include "data/dom.h"
#include "net/http_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every change of a machine gets the next version; an update names what is newer than the client's.
 */

enum { MAX_ANSWER = 256 * 1024 * 1024, POLL_MS = 50 };

struct fake_vm {
    char *name;
    bool on;
    bool removed;
    unsigned changed; /* version */
};

struct fake_vcenter {
    struct http_server *server;
    char *url;
    pthread_mutex_t lock;
    struct fake_vm *vms; /* guarded by lock, as all below */
    size_t count;
    unsigned version;
    unsigned session;   /* the number in the only valid cookie; 0: none */
    unsigned sessions;  /* given out so far */
    unsigned collector; /* the number of the only property collector; 0: none */
    unsigned collectors;
    bool tools;
    char *task_fault; /* of the last task, or NULL */
    char *next_fault; /* of the next one, or NULL */
    int logins, batches;
};

/* Answers. */

#define OPEN                                                                                       \
    "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "    \
    "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "                                     \
    "xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><s:Body>"
#define CLOSE "</s:Body></s:Envelope>"

static void answer(struct http_response *response, const char *method, const char *returnval)
{
    struct buf text = BUF_INIT(MAX_ANSWER);

    buf_printf(&text, OPEN "<%sResponse xmlns=\"urn:vim25\">", method);
    buf_add(&text, returnval);
    buf_printf(&text, "</%sResponse>" CLOSE, method);
    http_response_add_header(response, "Content-Type", "text/xml; charset=utf-8");
    http_response_write(response, text.ptr, text.len);
    buf_reset(&text);
}

static void fail(struct http_response *response, const char *fault, const char *words)
{
    struct buf text = BUF_INIT(MAX_ANSWER);

    buf_printf(&text,
               OPEN
               "<s:Fault><faultcode>ServerFaultCode</faultcode><faultstring>%s</faultstring>"
               "<detail><%sFault xmlns=\"urn:vim25\" xsi:type=\"%s\"/></detail></s:Fault>" CLOSE,
               words, fault, fault);
    http_response_set_status(response, 500);
    http_response_write(response, text.ptr, text.len);
    buf_reset(&text);
}

/* Objects. */

static void add_text(struct buf *buf, const char *name, const char *type, const char *value)
{
    buf_printf(buf,
               "<changeSet><name>%s</name><op>assign</op><val xsi:type=\"%s\">%s</val></changeSet>",
               name, type, value);
}

static void add_ref(struct buf *buf, const char *name, const char *type, const char *id)
{
    buf_printf(buf,
               "<changeSet><name>%s</name><op>assign</op><val type=\"%s\" "
               "xsi:type=\"ManagedObjectReference\">%s</val></changeSet>",
               name, type, id);
}

static void open_object(struct buf *buf, const char *kind, const char *type, const char *id)
{
    buf_printf(buf, "<objectSet><kind>%s</kind><obj type=\"%s\">%s</obj>", kind, type, id);
}

/* A disk that all machines but the first share with nobody. */
static void add_devices(struct buf *buf, size_t number)
{
    buf_printf(buf,
               "<changeSet><name>config.hardware.device</name><op>assign</op>"
               "<val xsi:type=\"ArrayOfVirtualDevice\">"
               "<VirtualDevice xsi:type=\"ParaVirtualSCSIController\"><key>1000</key>"
               "</VirtualDevice><VirtualDevice xsi:type=\"VirtualDisk\"><key>2000</key>"
               "<backing xsi:type=\"VirtualDiskFlatVer2BackingInfo\"><fileName>[ds] m%zu/d.vmdk"
               "</fileName><datastore type=\"Datastore\">datastore-1</datastore>"
               "<diskMode>persistent</diskMode><uuid>6000-%zu</uuid></backing>"
               "<controllerKey>1000</controllerKey><unitNumber>0</unitNumber>"
               "<capacityInBytes>1073741824</capacityInBytes></VirtualDevice>"
               "<VirtualDevice xsi:type=\"VirtualVmxnet3\"><key>4000</key><backing "
               "xsi:type=\"VirtualEthernetCardDistributedVirtualPortBackingInfo\"><port>"
               "<switchUuid>1</switchUuid><portgroupKey>pg-key</portgroupKey></port></backing>"
               "<macAddress>00:50:56:AA:00:%02zX</macAddress></VirtualDevice></val></changeSet>",
               number, number, number % 256);
}

/* Before the devices, as a server sorts them. */
static void add_extra_config(struct buf *buf)
{
    buf_add(buf, "<changeSet><name>config.extraConfig</name><op>assign</op>"
                 "<val xsi:type=\"ArrayOfOptionValue\"><OptionValue><key>scsi0:0.ctkEnabled</key>"
                 "<value xsi:type=\"xsd:string\">TRUE</value></OptionValue></val></changeSet>");
}

static void add_vm(struct buf *buf, const struct fake_vm *vm, size_t number, const char *kind)
{
    CLEANUP(str) char *id = xasprintf("vm-%zu", number);

    open_object(buf, vm->removed ? "leave" : kind, "VirtualMachine", id);
    if (!vm->removed) {
        add_extra_config(buf);
        add_devices(buf, number);
        add_text(buf, "config.firmware", "xsd:string", "efi");
        add_text(buf, "config.hardware.memoryMB", "xsd:int", "2048");
        add_text(buf, "config.hardware.numCPU", "xsd:int", "4");
        add_text(buf, "config.hardware.numCoresPerSocket", "xsd:int", "2");
        add_text(buf, "name", "xsd:string", vm->name);
        add_ref(buf, "parent", "Folder", "group-v1");
        add_ref(buf, "runtime.host", "HostSystem", "host-1");
        add_text(buf, "runtime.powerState", "VirtualMachinePowerState",
                 vm->on ? "poweredOn" : "poweredOff");
    }
    buf_add(buf, "</objectSet>");
}

static void add_fixed(struct buf *buf)
{
    static const struct {
        const char *type, *id, *name, *parent_type, *parent;
    } objects[] = {
        {"Folder", "group-d1", "Datacenters", NULL, NULL},
        {"Datacenter", "datacenter-1", "DC", "Folder", "group-d1"},
        {"Folder", "group-v1", "vm", "Datacenter", "datacenter-1"},
        {"Folder", "group-h1", "host", "Datacenter", "datacenter-1"},
        {"ClusterComputeResource", "domain-c1", "cluster", "Folder", "group-h1"},
        {"HostSystem", "host-1", "esx1", "ClusterComputeResource", "domain-c1"},
        {"DistributedVirtualPortgroup", "dvportgroup-1", "LAN%2f1", "Datacenter", "datacenter-1"},
        {"Datastore", "datastore-1", "ds", "Datacenter", "datacenter-1"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
        open_object(buf, "enter", objects[i].type, objects[i].id);
        add_text(buf, "name", "xsd:string", objects[i].name);
        if (objects[i].parent != NULL)
            add_ref(buf, "parent", objects[i].parent_type, objects[i].parent);
        if (str_eq(objects[i].type, "DistributedVirtualPortgroup"))
            add_text(buf, "key", "xsd:string", "pg-key");
        buf_add(buf, "</objectSet>");
    }
}

/* Updates. */

static char *text_at(struct dom_node *node, const char *path)
{
    struct dom_node *found = dom_find(node, path);

    return found ? dom_text(found) : xstrdup("");
}

/* The first reading comes in batches: the version tells how many machines were named. */
static bool add_initial(struct fake_vcenter *fake, size_t from, size_t max, struct buf *buf)
{
    size_t end = fake->count - from > max ? from + max : fake->count;

    if (from == 0)
        add_fixed(buf);
    for (size_t i = from; i < end; i++)
        if (!fake->vms[i].removed)
            add_vm(buf, &fake->vms[i], i + 1, "enter");
    bool truncated = end < fake->count;
    if (truncated)
        buf_printf(buf, "</filterSet><version>0:%zu</version><truncated>true</truncated>", end);
    else
        buf_printf(buf, "</filterSet><version>%u</version>", fake->version);
    return truncated;
}

static bool add_changes(struct fake_vcenter *fake, unsigned since, struct buf *buf)
{
    bool any = false;

    for (size_t i = 0; i < fake->count; i++)
        if (fake->vms[i].changed > since) {
            add_vm(buf, &fake->vms[i], i + 1, "modify");
            any = true;
        }
    if (any)
        buf_printf(buf, "</filterSet><version>%u</version>", fake->version);
    return any;
}

static void wait_for_updates(struct fake_vcenter *fake, struct dom_node *body, const char *this_id,
                             struct http_response *response)
{
    CLEANUP(str) char *version = text_at(body, "version");
    CLEANUP(str) char *wait_s = text_at(body, "options/maxWaitSeconds");
    CLEANUP(str) char *max = text_at(body, "options/maxObjectUpdates");
    CLEANUP(buf) struct buf updates = BUF_INIT(MAX_ANSWER);
    struct deadline deadline = deadline_after(strtoll(wait_s, NULL, 10) * 1000);
    bool initial = *version == '\0' || str_starts_with(version, "0:"), any = initial;

    for (;;) {
        pthread_mutex_lock(&fake->lock);
        CLEANUP(str) char *known = xasprintf("collector-%u", fake->collector);
        bool gone = fake->collector == 0 || !str_eq(known, this_id) || fake->session == 0;
        buf_clear(&updates);
        buf_add(&updates, "<returnval><filterSet><filter type=\"PropertyFilter\">f</filter>");
        if (initial)
            add_initial(fake, *version ? strtoul(version + 2, NULL, 10) : 0, strtoul(max, NULL, 10),
                        &updates);
        else
            any = add_changes(fake, (unsigned)strtoul(version, NULL, 10), &updates);
        fake->batches += any;
        pthread_mutex_unlock(&fake->lock);
        if (gone) {
            fail(response, "ManagedObjectNotFound", "the object has gone");
            return;
        }
        if (any)
            break;
        if (deadline_is_over(deadline)) {
            answer(response, "WaitForUpdatesEx", "");
            return;
        }
        if (http_response_wait(response, -1, deadline_after(POLL_MS)) == HTTP_WAIT_GONE)
            return;
    }
    buf_add(&updates, "</returnval>");
    answer(response, "WaitForUpdatesEx", updates.ptr);
}

/* Other calls. */

static void retrieve(struct fake_vcenter *fake, struct dom_node *body,
                     struct http_response *response)
{
    CLEANUP(str) char *id = text_at(body, "specSet/objectSet/obj");
    CLEANUP(buf) struct buf text = BUF_INIT(MAX_ANSWER);
    LOCK_SCOPE(&fake->lock);

    buf_printf(&text, "<returnval><objects><obj>%s</obj>", id);
    if (fake->session == 0) {
        buf_add(&text, "<missingSet><path>x</path><fault><fault xsi:type=\"NotAuthenticated\"/>"
                       "</fault></missingSet>");
    } else if (str_starts_with(id, "task-")) {
        buf_printf(&text, "<propSet><name>info.state</name><val>%s</val></propSet>",
                   fake->task_fault ? "error" : "success");
        if (fake->task_fault != NULL)
            buf_printf(&text,
                       "<propSet><name>info.error</name><val><fault xsi:type=\"%s\"/>"
                       "<localizedMessage>not now</localizedMessage></val></propSet>",
                       fake->task_fault);
    } else {
        size_t number = strtoul(id + 3, NULL, 10);

        if (number == 0 || number > fake->count || fake->vms[number - 1].removed) {
            fail(response, "ManagedObjectNotFound", "the object has gone");
            return;
        }
        buf_printf(&text, "<propSet><name>runtime.powerState</name><val>%s</val></propSet>",
                   fake->vms[number - 1].on ? "poweredOn" : "poweredOff");
    }
    buf_add(&text, "</objects></returnval>");
    answer(response, "RetrievePropertiesEx", text.ptr);
}

static void change_power(struct fake_vcenter *fake, const char *method, const char *id,
                         struct http_response *response)
{
    LOCK_SCOPE(&fake->lock);
    size_t number = strtoul(id + 3, NULL, 10);

    if (number == 0 || number > fake->count) {
        fail(response, "ManagedObjectNotFound", "the object has gone");
        return;
    }
    if (str_eq(method, "ShutdownGuest") && !fake->tools) {
        fail(response, "ToolsUnavailable", "VMware Tools are not running");
        return;
    }
    free(fake->task_fault);
    fake->task_fault = steal(&fake->next_fault);
    if (fake->task_fault == NULL) {
        fake->vms[number - 1].on = str_eq(method, "PowerOnVM_Task");
        fake->vms[number - 1].changed = ++fake->version;
    }
    answer(response, method,
           str_eq(method, "ShutdownGuest") ? "" : "<returnval type=\"Task\">task-1</returnval>");
}

static void login(struct fake_vcenter *fake, struct dom_node *body, struct http_response *response)
{
    CLEANUP(str) char *user = text_at(body, "userName");
    CLEANUP(str) char *password = text_at(body, "password");
    char cookie[80];
    LOCK_SCOPE(&fake->lock);

    if (!str_eq(user, FAKE_VCENTER_USER) || !str_eq(password, FAKE_VCENTER_PASSWORD)) {
        fail(response, "InvalidLogin",
             "Cannot complete login due to an incorrect user name or "
             "password.");
        return;
    }
    fake->session = ++fake->sessions;
    fake->logins++;
    snprintf(cookie, sizeof(cookie), "vmware_soap_session=\"s%u\"; Path=/; HttpOnly",
             fake->session);
    http_response_add_header(response, "Set-Cookie", cookie);
    answer(response, "Login", "<returnval><key>s</key></returnval>");
}

static bool has_session(struct fake_vcenter *fake, const struct http_request *request)
{
    const char *cookie = http_request_header(request, "Cookie");
    char wanted[80];
    LOCK_SCOPE(&fake->lock);

    snprintf(wanted, sizeof(wanted), "vmware_soap_session=\"s%u\"", fake->session);
    return fake->session != 0 && str_eq(cookie, wanted);
}

static void make_collector(struct fake_vcenter *fake, struct http_response *response)
{
    LOCK_SCOPE(&fake->lock);
    fake->collector = ++fake->collectors;
    CLEANUP(str)
    char *ref = xasprintf("<returnval type=\"PropertyCollector\">collector-%u</returnval>",
                          fake->collector);

    answer(response, "CreatePropertyCollector", ref);
}

static const char content[] =
    "<returnval><rootFolder type=\"Folder\">group-d1</rootFolder>"
    "<propertyCollector type=\"PropertyCollector\">pc</propertyCollector>"
    "<about><name>fake</name><apiType>VirtualCenter</apiType><apiVersion>7.0.3.0</apiVersion>"
    "<instanceUuid>u</instanceUuid><licenseProductName>VMware VirtualCenter Server"
    "</licenseProductName></about>"
    "<sessionManager type=\"SessionManager\">sm</sessionManager></returnval>";

static void dispatch(struct fake_vcenter *fake, const struct http_request *request,
                     struct dom_node *call, struct http_response *response)
{
    const char *method = dom_name(call);
    CLEANUP(str) char *this_id = text_at(call, "_this");

    if (str_eq(method, "RetrieveServiceContent"))
        answer(response, method, content);
    else if (str_eq(method, "Login"))
        login(fake, call, response);
    else if (str_eq(method, "RetrievePropertiesEx"))
        retrieve(fake, call, response); /* says itself that nobody is logged in */
    else if (!has_session(fake, request))
        fail(response, "NotAuthenticated", "The session is not authenticated.");
    else if (str_eq(method, "CreatePropertyCollector"))
        make_collector(fake, response);
    else if (str_eq(method, "CreateFilter"))
        answer(response, method, "<returnval type=\"PropertyFilter\">f</returnval>");
    else if (str_eq(method, "WaitForUpdatesEx"))
        wait_for_updates(fake, call, this_id, response);
    else if (str_eq(method, "PowerOnVM_Task") || str_eq(method, "PowerOffVM_Task") ||
             str_eq(method, "ShutdownGuest"))
        change_power(fake, method, this_id, response);
    else if (str_eq(method, "DestroyPropertyCollector") || str_eq(method, "Logout"))
        answer(response, method, "");
    else
        fail(response, "MethodNotFound", method);
}

static void handle(void *arg, const struct http_request *request, struct http_response *response)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(dom) struct dom *dom = NULL;

    if (dom_parse(request->body, request->body_len, &dom, &err) == -1) {
        fail(response, "InvalidRequest", "no XML");
        return;
    }
    struct dom_node *body = dom_first(dom_root(dom), "Body");
    struct dom_node *call = body ? dom_first(body, NULL) : NULL;
    if (call == NULL)
        fail(response, "InvalidRequest", "no call");
    else
        dispatch(arg, request, call, response);
}

static void refuse(void *arg, int status, const char *message, struct http_response *response)
{
    http_response_set_status(response, status);
}

/* From outside. */

int fake_vcenter_start(const char *listen, size_t count, struct fake_vcenter **out,
                       struct error **err)
{
    struct fake_vcenter *fake = xcalloc(1, sizeof(*fake));
    const struct http_server_options options = {
        .listen = listen, .handle = handle, .refuse = refuse, .arg = fake};

    pthread_mutex_init(&fake->lock, NULL);
    fake->vms = xcalloc(count + 1, sizeof(*fake->vms));
    fake->count = count;
    fake->version = 1;
    fake->tools = true;
    for (size_t i = 0; i < count; i++)
        fake->vms[i] = (struct fake_vm){.name = xasprintf("machine %zu", i + 1), .on = true};
    if (http_server_start(&options, &fake->server, err) == -1) {
        fake_vcenter_stop(fake);
        return -1;
    }
    fake->url = xasprintf("http://127.0.0.1:%d/sdk", http_server_port(fake->server));
    *out = fake;
    return 0;
}

void fake_vcenter_stop(struct fake_vcenter *fake)
{
    if (fake == NULL)
        return;
    if (fake->server != NULL)
        http_server_stop(fake->server);
    for (size_t i = 0; i < fake->count; i++)
        free(fake->vms[i].name);
    free(fake->vms);
    free(fake->url);
    free(fake->task_fault);
    free(fake->next_fault);
    pthread_mutex_destroy(&fake->lock);
    free(fake);
}

const char *fake_vcenter_url(const struct fake_vcenter *fake)
{
    return fake->url;
}

void fake_vcenter_rename(struct fake_vcenter *fake, size_t number, const char *name)
{
    LOCK_SCOPE(&fake->lock);
    struct fake_vm *vm = &fake->vms[number - 1];

    free(vm->name);
    vm->name = xstrdup(name);
    vm->changed = ++fake->version;
}

void fake_vcenter_remove(struct fake_vcenter *fake, size_t number)
{
    LOCK_SCOPE(&fake->lock);

    fake->vms[number - 1].removed = true;
    fake->vms[number - 1].changed = ++fake->version;
}

bool fake_vcenter_is_on(struct fake_vcenter *fake, size_t number)
{
    LOCK_SCOPE(&fake->lock);

    return fake->vms[number - 1].on;
}

void fake_vcenter_expire(struct fake_vcenter *fake)
{
    LOCK_SCOPE(&fake->lock);

    fake->session = 0;
}

void fake_vcenter_restart(struct fake_vcenter *fake)
{
    LOCK_SCOPE(&fake->lock);

    fake->session = 0;
    fake->collector = 0;
}

void fake_vcenter_fail_task(struct fake_vcenter *fake, const char *name)
{
    LOCK_SCOPE(&fake->lock);

    free(fake->next_fault);
    fake->next_fault = xstrdup(name);
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
