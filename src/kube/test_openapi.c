#include "kube/openapi.h"

#include "base/test.h"
#include "base/text.h"
#include "data/obj.h"
#include "kube/builtin.h"

#include <stdlib.h>

struct walk {
    size_t at;
    bool customs;
};

/* All built-in definitions, then all that gantry brings. */
static json_t *next_definition(void *arg)
{
    struct walk *walk = arg;
    json_t *definition = walk->customs ? NULL : builtin_definition(walk->at++);

    if (definition != NULL || walk->customs)
        return walk->customs ? builtin_crd(walk->at++) : definition;
    walk->customs = true;
    walk->at = 0;
    return builtin_crd(walk->at++);
}

static json_t *v3_of(const char *group, const char *version)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(buf) struct buf text = BUF_INIT(OPENAPI_MAX_BYTES);
    struct walk walk = {0};
    struct openapi_source source = {next_definition, &walk};

    CHECK_OK(openapi_v3(&source, group, version, &text, &err), err);

    json_t *document = obj_parse(text.ptr, text.len, &err);

    CHECK(document != NULL);
    return document;
}

static json_t *member(const json_t *document, const char *path, const char *key)
{
    json_t *found = json_object_get(obj_at(document, path), key);

    if (found == NULL)
        test_fail(__FILE__, __LINE__, "no %s in %s", key, path);
    return found;
}

TEST(a_v3_document_has_what_kubectl_looks_for)
{
    json_auto_t *document = v3_of("forklift.konveyor.io", "v1beta1");
    json_t *path = member(document, "paths",
                          "/apis/forklift.konveyor.io/v1beta1/namespaces/{namespace}/plans/{name}");
    json_t *plan = member(document, "components.schemas", "io.konveyor.forklift.v1beta1.Plan");
    json_t *parameter;
    size_t i, found = 0;

    CHECK_STR(obj_str(path, "patch.x-kubernetes-group-version-kind.kind", ""), "Plan");
    json_array_foreach(obj_arr(path, "patch.parameters"), i, parameter) found +=
        str_eq(obj_str(parameter, "name", ""), "fieldValidation");
    CHECK_U64(found, 1);
    CHECK_STR(obj_str(plan, "x-kubernetes-group-version-kind[0].group", ""),
              "forklift.konveyor.io");
    CHECK_STR(obj_str(plan, "properties.metadata.allOf[0].$ref", ""),
              "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    CHECK(obj_str(plan, "properties.spec.properties.archived.description", NULL) != NULL);
    member(document, "components.schemas", "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    CHECK_U64(json_object_size(obj_at(document, "components.schemas")), 15);
}

TEST(core_kinds_have_the_names_that_clients_know)
{
    json_auto_t *document = v3_of("", "v1");

    member(document, "components.schemas", "io.k8s.api.core.v1.Pod");
    member(document, "paths", "/api/v1/namespaces/{namespace}/pods/{name}");
    member(document, "paths", "/api/v1/nodes/{name}");
    CHECK(json_object_get(obj_at(document, "components.schemas"),
                          "io.konveyor.forklift.v1beta1.Plan") == NULL);
}

TEST(kinds_that_can_only_be_created_have_one_operation)
{
    json_auto_t *document = v3_of("authorization.k8s.io", "v1");
    json_t *path =
        member(document, "paths", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");

    CHECK(json_object_get(path, "post") != NULL);
    CHECK(json_object_get(path, "get") == NULL);
}

TEST(the_root_leads_to_each_document)
{
    static const char *const keys[] = {"api/v1", "apis/batch/v1"};
    json_auto_t *root = openapi_v3_root(keys, 2, "77");

    CHECK_STR(obj_str(member(root, "paths", "apis/batch/v1"), "serverRelativeURL", ""),
              "/openapi/v3/apis/batch/v1?hash=77");
}

/* Reads a tag and a length; returns the field number, 0 at the end. */
static unsigned next_field(struct span *in, struct span *value)
{
    uint64_t numbers[2] = {0};

    if (in->len == 0)
        return 0;
    for (int n = 0; n < 2; n++)
        for (unsigned shift = 0;; shift += 7) {
            CHECK(in->len > 0 && shift < 64);

            unsigned char byte = (unsigned char)*in->ptr++;

            in->len--;
            numbers[n] |= (uint64_t)(byte & 0x7f) << shift;
            if (byte < 0x80)
                break;
        }
    CHECK((numbers[0] & 7) == 2 && numbers[1] <= in->len);
    *value = (struct span){in->ptr, (size_t)numbers[1]};
    in->ptr += numbers[1];
    in->len -= (size_t)numbers[1];
    return (unsigned)(numbers[0] >> 3);
}

TEST(the_v2_document_is_well_formed_protobuf_with_every_kind)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(buf) struct buf out = BUF_INIT(OPENAPI_MAX_BYTES);
    struct walk walk = {0};
    struct openapi_source source = {next_definition, &walk};
    size_t models = 0, paths = 0, plans = 0;

    CHECK_OK(openapi_v2(&source, &out, &err), err);

    struct span rest = buf_span(&out), part, named;

    for (unsigned field; (field = next_field(&rest, &part)) != 0;) {
        if (field != 8 && field != 9)
            continue;
        while (next_field(&part, &named) != 0) {
            struct span name, value;

            CHECK(next_field(&named, &name) == 1);
            CHECK(next_field(&named, &value) == 2);
            CHECK(value.len > 0);
            models += field == 9;
            paths += field == 8;
            plans += span_eq_str(name, "io.konveyor.forklift.v1beta1.Plan");
        }
    }
    CHECK(models > 50);
    CHECK(paths > 50);
    CHECK_U64(plans, 1);
}

TEST(refuses_to_write_more_than_the_buffer_may_hold)
{
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(buf) struct buf out = BUF_INIT(1000);
    struct walk walk = {0};
    struct openapi_source source = {next_definition, &walk};

    CHECK_FAILS(openapi_v2(&source, &out, &err), err, ERROR_INVALID, "");
}
