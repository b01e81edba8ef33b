/* What both OpenAPI documents are made of; for openapi.c and openapi_v2.c only. */
#pragma once

#include "data/obj.h"

#include <stdbool.h>

#define OPENAPI_META "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

/* "io.konveyor.forklift.v1beta1.Plan"; owned by the caller. */
char *openapi_model_name(const json_t *definition, const char *version);

/* {group, version, kind} of one version of a definition. */
json_t *openapi_gvk(const json_t *definition, const char *version);

/* The path of the object: "/apis/G/V/namespaces/{namespace}/plans/{name}"; owned by the caller. */
char *openapi_object_path(const json_t *definition, const char *version);

/* ObjectMeta's schema. */
json_t *openapi_meta(void);

/* A version's root schema with apiVersion, kind, metadata (a reference to PREFIX and the model of
 * ObjectMeta) and the extension that names its kind; a new reference. */
json_t *openapi_root(const json_t *definition, const json_t *version, const char *prefix);

bool openapi_is_served(const json_t *version);
