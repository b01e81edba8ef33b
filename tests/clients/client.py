"""What users do with Debian's python3-kubernetes, one function a test.

    client.py FUNCTION      with KUBECONFIG set

Every function works in a namespace of its own name and ends with an AssertionError or quietly.
"""
import base64
import json
import sys
import threading
import time

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException
from kubernetes.dynamic import exceptions as dynamic_exceptions

FORKLIFT = "forklift.konveyor.io"


def same(got, want):
    assert got == want, "got %r, not %r" % (got, want)


def refused(status, reason, function, *args, **kwargs):
    """The call fails with a Status of that code and reason, which is returned."""
    try:
        function(*args, **kwargs)
    except ApiException as e:
        same(e.status, status)
        body = client.ApiClient().deserialize(
            type("R", (), {"data": e.body if isinstance(e.body, str) else e.body.decode()})(),
            "object")
        same((body["kind"], body["code"], body["reason"]), ("Status", status, reason))
        return body
    raise AssertionError("%s succeeded" % function.__name__)


def network_map(name, **labels):
    pair = {"name": "p", "namespace": "d"}
    return {
        "apiVersion": FORKLIFT + "/v1beta1", "kind": "NetworkMap",
        "metadata": {"name": name, "labels": labels},
        "spec": {"map": [{"source": {"id": "x"}, "destination": {"type": "pod"}}],
                 "provider": {"source": pair, "destination": pair}},
    }


def config_map(name, data, **labels):
    return client.V1ConfigMap(
        metadata=client.V1ObjectMeta(name=name, labels=labels), data=data)


def typed_objects(ns, v1):
    made = v1.create_namespaced_config_map(ns, config_map("a", {"k": "v"}, app="x"))
    same(made.metadata.name, "a")
    assert made.metadata.creation_timestamp is not None and made.metadata.uid
    read = v1.read_namespaced_config_map("a", ns)
    same(read.to_dict(), made.to_dict())
    refused(409, "AlreadyExists", v1.create_namespaced_config_map, ns, config_map("a", {}))
    read.data = {"k": "w"}
    replaced = v1.replace_namespaced_config_map("a", ns, read)
    assert replaced.metadata.resource_version != made.metadata.resource_version
    refused(409, "Conflict", v1.replace_namespaced_config_map, "a", ns, read)
    same(v1.delete_namespaced_config_map("a", ns).status, "Success")
    refused(404, "NotFound", v1.read_namespaced_config_map, "a", ns)


def typed_lists(ns, v1):
    for i in range(7):
        v1.create_namespaced_config_map(ns, config_map("l%d" % i, {}, odd=str(i % 2)))
    names = lambda l: [o.metadata.name for o in l.items]
    same(names(v1.list_namespaced_config_map(ns, label_selector="odd=1")), ["l1", "l3", "l5"])
    same(names(v1.list_namespaced_config_map(ns, field_selector="metadata.name=l2")), ["l2"])
    seen, token, pages = [], None, 0
    while True:
        page = v1.list_namespaced_config_map(ns, limit=3, _continue=token, label_selector="odd")
        seen += names(page)
        pages += 1
        token = page.metadata._continue
        if not token:
            break
    same((seen, pages), (["l%d" % i for i in range(7)], 3))
    assert len(v1.list_config_map_for_all_namespaces(label_selector="odd").items) == 7
    refused(400, "BadRequest", v1.list_namespaced_config_map, ns, label_selector="a in (")
    v1.delete_collection_namespaced_config_map(ns, label_selector="odd=0")
    same(names(v1.list_namespaced_config_map(ns, label_selector="odd")), ["l1", "l3", "l5"])


def typed_patches(ns, v1):
    v1.create_namespaced_config_map(ns, config_map("a", {"k": "v"}))
    # this client says strategic merge for a dict and JSON patch for a list
    same(v1.patch_namespaced_config_map("a", ns, {"data": {"z": "1"}}).data, {"k": "v", "z": "1"})
    patch = [{"op": "test", "path": "/data/z", "value": "1"},
             {"op": "remove", "path": "/data/k"}]
    same(v1.patch_namespaced_config_map("a", ns, patch).data, {"z": "1"})
    refused(422, "Invalid", v1.patch_namespaced_config_map, "a", ns, patch)
    pod = client.V1Pod(metadata=client.V1ObjectMeta(name="p"), spec=client.V1PodSpec(
        containers=[client.V1Container(name="c", image="x"),
                    client.V1Container(name="d", image="y")]))
    v1.create_namespaced_pod(ns, pod)
    got = v1.patch_namespaced_pod(
        "p", ns, {"spec": {"containers": [{"name": "d", "image": "z"}]}})
    same([(c.name, c.image) for c in got.spec.containers], [("c", "x"), ("d", "z")])
    v1.patch_namespaced_pod_status("p", ns, {"status": {"phase": "Failed", "reason": "Tried"}})
    same(v1.read_namespaced_pod("p", ns).status.phase, "Failed")


def typed_watch(ns, v1):
    seen = []

    def follow():
        stream = watch.Watch()
        for event in stream.stream(v1.list_namespaced_config_map, ns, timeout_seconds=20,
                                   label_selector="seen"):
            seen.append((event["type"], event["object"].metadata.name))
            if event["type"] == "DELETED":
                stream.stop()

    follower = threading.Thread(target=follow)
    v1.create_namespaced_config_map(ns, config_map("before", {}, seen="1"))
    follower.start()
    deadline = time.time() + 10
    while not seen and time.time() < deadline:
        time.sleep(0.05)
    v1.create_namespaced_config_map(ns, config_map("unseen", {}))
    v1.create_namespaced_config_map(ns, config_map("later", {}, seen="1"))
    v1.patch_namespaced_config_map("later", ns, {"data": {"a": "b"}})
    v1.delete_namespaced_config_map("later", ns)
    follower.join(15)
    same(seen, [("ADDED", "before"), ("ADDED", "later"), ("MODIFIED", "later"),
                ("DELETED", "later")])


def watch_ends_and_says_when_it_is_too_old(ns, v1):
    stream, start = watch.Watch(), time.time()
    same([e["type"] for e in stream.stream(v1.list_namespaced_secret, ns, timeout_seconds=1)], [])
    assert 0.5 < time.time() - start < 10
    try:
        for _ in watch.Watch().stream(v1.list_namespaced_config_map, ns, resource_version="1",
                                      timeout_seconds=5):
            pass
    except ApiException as e:
        same(e.status, 410)


def jobs_secrets_and_accounts(ns, v1):
    batch = client.BatchV1Api()
    template = client.V1PodTemplateSpec(spec=client.V1PodSpec(
        restart_policy="Never", containers=[client.V1Container(name="c", image="x")]))
    job = batch.create_namespaced_job(ns, client.V1Job(
        metadata=client.V1ObjectMeta(generate_name="j-"), spec=client.V1JobSpec(template=template)))
    assert job.metadata.name.startswith("j-") and len(job.metadata.name) == 7
    same((job.spec.backoff_limit, job.spec.completions, job.spec.parallelism), (6, 1, 1))
    secret = v1.create_namespaced_secret(ns, client.V1Secret(
        metadata=client.V1ObjectMeta(name="s"), string_data={"a": "b"}))
    same((secret.type, base64.b64decode(secret.data["a"]), secret.string_data),
         ("Opaque", b"b", None))
    deadline = time.time() + 10
    while time.time() < deadline:
        accounts = [a.metadata.name for a in v1.list_namespaced_service_account(ns).items]
        if accounts:
            break
    same(accounts, ["default"])
    batch.delete_namespaced_job(job.metadata.name, ns, propagation_policy="Foreground")
    deadline = time.time() + 10
    while batch.list_namespaced_job(ns).items and time.time() < deadline:
        time.sleep(0.05)
    same(batch.list_namespaced_job(ns).items, [])


def rights(ns, v1):
    review = client.AuthorizationV1Api().create_self_subject_access_review(
        client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec(
            resource_attributes=client.V1ResourceAttributes(
                verb="create", resource="configmaps", namespace=ns))))
    assert review.status.allowed
    rbac = client.RbacAuthorizationV1Api()
    rbac.create_namespaced_role(ns, client.V1Role(
        metadata=client.V1ObjectMeta(name="r"),
        rules=[client.V1PolicyRule(api_groups=[""], resources=["pods"], verbs=["list"])]))
    rbac.create_namespaced_role_binding(ns, client.V1RoleBinding(
        metadata=client.V1ObjectMeta(name="b"),
        role_ref=client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name="r"),
        subjects=[client.V1Subject(kind="ServiceAccount", name="default", namespace=ns)]))
    token = client.CoreV1Api().api_client.call_api(
        "/api/v1/namespaces/%s/serviceaccounts/default/token" % ns, "POST",
        body={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
        auth_settings=["BearerToken"], response_type="object")[0]["status"]["token"]
    limited = client.Configuration.get_default_copy()
    limited.api_key = {"authorization": "Bearer " + token}
    own = client.CoreV1Api(client.ApiClient(limited))
    same(own.list_namespaced_pod(ns).items, [])
    body = refused(403, "Forbidden", own.list_namespaced_secret, ns)
    assert "system:serviceaccount:%s:default" % ns in body["message"]


def custom_objects(ns, v1):
    api = client.CustomObjectsApi()
    args = (FORKLIFT, "v1beta1", ns, "networkmaps")
    api.create_namespaced_custom_object(*args, network_map("n", a="b"))
    same(api.get_namespaced_custom_object(*args, "n")["metadata"]["labels"], {"a": "b"})
    got = api.patch_namespaced_custom_object(*args, "n", {"metadata": {"labels": {"a": None}}})
    same(got["metadata"].get("labels", {}), {})
    same(len(api.list_namespaced_custom_object(*args)["items"]), 1)
    got = api.patch_namespaced_custom_object_status(
        *args, "n", {"status": {"observedGeneration": 1}})
    same(got["status"]["observedGeneration"], 1)
    bad = network_map("bad")
    bad["spec"]["map"][0]["destination"]["type"] = "bogus"
    body = refused(422, "Invalid", api.create_namespaced_custom_object, *args, bad)
    same([c["field"] for c in body["details"]["causes"]], ["spec.map[0].destination.type"])
    api.delete_namespaced_custom_object(*args, "n")


def dynamic_client(ns, v1):
    dyn = dynamic.DynamicClient(client.ApiClient())
    maps = dyn.resources.get(api_version=FORKLIFT + "/v1beta1", kind="NetworkMap")
    made = maps.create(namespace=ns, body=network_map("n"))
    same(maps.get(namespace=ns, name="n").metadata.uid, made.metadata.uid)
    same([o.metadata.name for o in maps.get(namespace=ns).items], ["n"])
    merge = maps.patch(namespace=ns, name="n", body={"metadata": {"labels": {"a": "b"}}},
                       content_type="application/merge-patch+json")
    same(dict(merge.metadata.labels), {"a": "b"})
    json_patch = maps.patch(namespace=ns, name="n", content_type="application/json-patch+json",
                            body=[{"op": "add", "path": "/metadata/labels/c", "value": "d"}])
    same(dict(json_patch.metadata.labels), {"a": "b", "c": "d"})
    # this release of the client cannot send a dict as YAML: its server_side_apply takes text only
    applied = dyn.request("patch", maps.path(name="n", namespace=ns), field_manager="me",
                          force_conflicts=True, body=json.dumps(network_map("n", e="f")),
                          content_type="application/apply-patch+yaml")
    same(applied.metadata.labels["e"], "f")
    try:
        maps.patch(namespace=ns, name="n", body={},
                   content_type="application/strategic-merge-patch+json")
        raise AssertionError("a custom resource took a strategic merge patch")
    except dynamic_exceptions.DynamicApiError as e:
        same(e.status, 415)
    same([(e["type"], e["object"].metadata.name) for e in maps.watch(namespace=ns, timeout=1)],
         [("ADDED", "n")])
    by_short_name = dyn.resources.get(api_version="v1", short_names=["cm"])
    same(by_short_name.kind, "ConfigMap")
    maps.delete(namespace=ns, name="n")
    try:
        maps.get(namespace=ns, name="n")
        raise AssertionError("still there")
    except dynamic_exceptions.NotFoundError:
        pass


def logs_and_documents(ns, v1):
    v1.create_namespaced_pod(ns, client.V1Pod(
        metadata=client.V1ObjectMeta(name="p"),
        spec=client.V1PodSpec(containers=[client.V1Container(name="c", image="x")])))
    same(v1.read_namespaced_pod_log("p", ns), "first line\nsecond line\n")
    same(client.VersionApi().get_code().minor, "32")
    groups = [g.name for g in client.ApisApi().get_api_versions().groups]
    assert FORKLIFT in groups and "batch" in groups
    crds = client.ApiextensionsV1Api().list_custom_resource_definition().items
    assert "plans." + FORKLIFT in [c.metadata.name for c in crds]


def command_in_a_pod(ns, v1):
    from kubernetes.stream import stream
    v1.create_namespaced_pod(ns, client.V1Pod(
        metadata=client.V1ObjectMeta(name="p"),
        spec=client.V1PodSpec(containers=[client.V1Container(name="c", image="x")])))
    out = stream(client.CoreV1Api(client.ApiClient()).connect_get_namespaced_pod_exec, "p", ns,
                 command=["echo", "hello"], stdout=True, stderr=True, stdin=False, tty=False)
    same(out, "hello\n")


def main():
    function = globals()[sys.argv[1]]
    config.load_kube_config()
    v1 = client.CoreV1Api()
    ns = "py-" + sys.argv[1].replace("_", "-")
    v1.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=ns)))
    function(ns, v1)
    v1.delete_namespace(ns)


main()
