/* Finding objects: views, inventory paths, uuids; and what little clients ask on their way. */
#include "fake.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void create_view(struct fake_vcenter *fake, struct dom_node *call,
                        struct http_response *response)
{
    LOCK_SCOPE(&fake->lock);
    struct fake_view view = {.id = xasprintf("view-%u", ++fake->view_count),
                             .container = fake_text_at(call, "container")};

    for (struct dom_node *type = dom_first(call, "type"); type != NULL;
         type = dom_next(type, "type"))
        str_list_push(&view.types, dom_text(type));
    if (view.types.len == 0)
        str_list_push(&view.types, xstrdup("ManagedEntity"));
    CLEANUP(str) char *text = xasprintf("<returnval type=\"ContainerView\">%s</returnval>", view.id);
    fake_view_list_push(&fake->views, view);
    fake_answer(response, "CreateContainerView", text);
}

static void destroy_view(struct fake_vcenter *fake, const char *id, struct http_response *response)
{
    LOCK_SCOPE(&fake->lock);

    for (size_t i = 0; i < fake->views.len; i++)
        if (str_eq(fake->views.ptr[i].id, id)) {
            free(fake->views.ptr[i].id);
            free(fake->views.ptr[i].container);
            str_list_free_all(&fake->views.ptr[i].types);
            fake->views.ptr[i] = fake->views.ptr[--fake->views.len];
            break;
        }
    fake_answer(response, "DestroyView", "");
}

static void find_by_uuid(struct fake_vcenter *fake, struct dom_node *call,
                         struct http_response *response)
{
    CLEANUP(str) char *uuid = fake_text_at(call, "uuid");
    CLEANUP(str) char *instance = fake_text_at(call, "instanceUuid");
    LOCK_SCOPE(&fake->lock);

    for (size_t i = 0; i < fake->machines.len; i++) {
        const struct fake_machine *machine = &fake->machines.ptr[i];
        const char *own = str_eq(instance, "true") || str_eq(instance, "1")
                              ? machine->instance_uuid
                              : machine->uuid;

        if (!machine->removed && str_eq(own, uuid)) {
            CLEANUP(str)
            char *text =
                xasprintf("<returnval type=\"VirtualMachine\">%s</returnval>", machine->id);
            fake_answer(response, "FindByUuid", text);
            return;
        }
    }
    fake_answer(response, "FindByUuid", "");
}

/* Files of machines' disks in the folder of "[ds] FOLDER". */
static void search_datastore(struct fake_vcenter *fake, const char *browser,
                             struct dom_node *call, struct http_response *response)
{
    CLEANUP(str) char *path = fake_text_at(call, "datastorePath");
    const char *datastore = browser + strlen("browser-");
    const char *folder = strchr(path, ']');
    CLEANUP(buf) struct buf files = BUF_INIT(1024 * 1024);
    LOCK_SCOPE(&fake->lock);

    struct span name = span_trim(span_of(folder != NULL ? folder + 1 : ""));
    for (size_t i = 0; i < fake->machines.len; i++)
        for (size_t k = 0; k < fake->machines.ptr[i].disks.len; k++) {
            const struct disk *disk = &fake->machines.ptr[i].disks.ptr[k];

            if (str_eq(disk->datastore, datastore) && span_eq_str(name, disk->folder))
                buf_printf(&files, "%s.vmdk 512\n%s-flat.vmdk %llu\n", disk->stem, disk->stem,
                           (unsigned long long)disk->capacity);
        }
    struct fake_task *task = fake_task_start(fake, "vim.host.DatastoreBrowser.searchDatastore",
                                             str_eq(datastore, "vsan") ? "datastore-2"
                                                                       : "datastore-1",
                                             NULL);
    task->argument = xstrdup(path);
    if (files.len > 0)
        task->files = xstrdup(files.ptr);
    else
        task->fault = xstrdup("FileNotFound");
    CLEANUP(str) char *text = xasprintf("<returnval type=\"Task\">%s</returnval>", task->id);
    fake_answer(response, "SearchDatastore_Task", text);
}

bool fake_search_call(struct fake_vcenter *fake, const char *method, const char *this_id,
                      struct dom_node *call, struct http_response *response)
{
    if (str_eq(method, "CreateContainerView"))
        create_view(fake, call, response);
    else if (str_eq(method, "DestroyView"))
        destroy_view(fake, this_id, response);
    else if (str_eq(method, "FindByUuid"))
        find_by_uuid(fake, call, response);
    else if (str_eq(method, "SearchDatastore_Task") && str_starts_with(this_id, "browser-"))
        search_datastore(fake, this_id, call, response);
    else if (str_eq(method, "CurrentTime"))
        fake_answer(response, method, "<returnval>2024-01-01T00:00:00Z</returnval>");
    else
        return false;
    return true;
}
