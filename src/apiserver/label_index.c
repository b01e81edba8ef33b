#include "apiserver/label_index.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static void list_free(void *arg)
{
    struct object_list *list = arg;

    object_list_reset(list);
    free(list);
}

void label_index_reset(struct label_index *index)
{
    map_free(index->by_value, list_free);
    index->by_value = NULL;
}

static const char *value_of(const struct object *object)
{
    return obj_map_str(object->labels, LABEL_INDEXED);
}

void label_index_add(struct label_index *index, struct object *object)
{
    const char *value = value_of(object);

    if (value == NULL)
        return;
    if (index->by_value == NULL)
        index->by_value = map_new();
    struct object_list *list = map_find(index->by_value, value);
    if (list == NULL) {
        list = xcalloc(1, sizeof(*list));
        map_put(index->by_value, value, list);
    }
    object_list_push(list, object);
}

void label_index_remove(struct label_index *index, const struct object *object)
{
    const char *value = value_of(object);
    struct object_list *list =
        value != NULL && index->by_value != NULL ? map_find(index->by_value, value) : NULL;

    if (list == NULL)
        return;
    for (size_t i = 0; i < list->len; i++)
        if (list->ptr[i] == object) {
            list->ptr[i] = list->ptr[--list->len];
            break;
        }
    if (list->len == 0)
        list_free(map_remove(index->by_value, value));
}

static int compare_keys(const void *a, const void *b)
{
    const struct object *const *x = a, *const *y = b;

    return strcmp((*x)->key, (*y)->key);
}

void label_index_collect(const struct label_index *index, const char *value, const char *prefix,
                         struct object_list *out)
{
    const struct object_list *list =
        index->by_value != NULL ? map_find(index->by_value, value) : NULL;
    size_t first = out->len;

    for (size_t i = 0; list != NULL && i < list->len; i++)
        if (str_starts_with(list->ptr[i]->key, prefix))
            object_list_push(out, object_ref(list->ptr[i]));
    if (out->len > first)
        qsort(out->ptr + first, out->len - first, sizeof(*out->ptr), compare_keys);
}
