#!/bin/bash
# The commands that the documents of Forklift and MTC tell their readers to type, as they stand there,
# against gantryd with pods that run.  ("oc" is kubectl here; names in angle brackets have one.)
. "$(dirname "$0")/functions.sh"
requires_root
requires kubectl "the documents use it"
requires bwrap "pods run in its sandboxes"
requires python3 "it plays the terminal"
[ -x "$bin/gantryd" ] || skip_all "gantryd is not built"
export KUBECONFIG=$work/home/kubeconfig HOME=$work

start_gantryd() {
    mkdir -p "$work/home"
    "$bin/gantryd" --dir "$work/home" -v >"$work/gantryd.log" 2>&1 &
    gantryd=$!
    cleanup_fn "kill -USR1 $gantryd; for i in \$(seq 100); do kill -0 $gantryd 2>/dev/null || break; sleep 0.1; done; kill -9 $gantryd"
    wait_until 30 node_is_ready
}

node_is_ready() { kubectl get nodes 2>/dev/null | grep -q ' Ready'; }

# says TEXT COMMAND: the command, as one types it, succeeds and prints the text
says() {
    local out
    out=$(timeout 60 bash -c "$2" 2>&1 </dev/null) || { echo "$2 failed: $out"; return 1; }
    grep -qF -- "$1" <<<"$out" || { echo "$2 printed: $out"; return 1; }
}

# fails TEXT COMMAND
fails() {
    local out
    out=$(timeout 60 bash -c "$2" 2>&1 </dev/null) && { echo "$2 succeeded: $out"; return 1; }
    grep -qF -- "$1" <<<"$out" || { echo "$2 printed: $out"; return 1; }
}

# What is there when a hook has been written and its job runs.
set_up() {
    kubectl create namespace migration
    kubectl apply -f - <<'X'
apiVersion: v1
kind: ServiceAccount
metadata: {name: hook-service-account, namespace: konveyor-forklift}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: hook-context, namespace: konveyor-forklift}
data: {plan.yml: "targetNamespace: moved\n", workload.yml: "vm: {name: web}\n"}
---
apiVersion: batch/v1
kind: Job
metadata: {name: hook-job-name, namespace: konveyor-forklift}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: hook, image: busybox, command: [sh, -c, "echo step one; sleep 1; echo step two; sleep 600"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: hook-pod-name, namespace: konveyor-forklift, labels: {job-name: hook-job-name}}
spec:
  restartPolicy: Never
  serviceAccountName: hook-service-account
  containers:
  - name: hook
    image: busybox
    command: [sh, -c, "echo in the sandbox; sleep 600"]
    volumeMounts: [{name: context, mountPath: /tmp/hook}]
  volumes: [{name: context, configMap: {name: hook-context}}]
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Hook
metadata: {name: hook-name}
spec: {image: quay.io/kubev2v/hook-runner, playbook: LQo=}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Hook
metadata: {name: playbook, namespace: konveyor-forklift}
spec: {image: quay.io/kubev2v/hook-runner, playbook: LSBob3N0czogYWxsCg==}
---
apiVersion: forklift.konveyor.io/v1beta1
kind: Plan
metadata: {name: existing-plan}
spec:
  targetNamespace: t
  provider: {source: {name: a, namespace: b}, destination: {name: a, namespace: b}}
  map: {network: {name: a, namespace: b}, storage: {name: a, namespace: b}}
  vms: [{name: v}]
X
    wait_until 30 pod_runs
    wait_until 30 job_speaks
}

pod_runs() {
    [ "$(kubectl get pod hook-pod-name -n konveyor-forklift -o 'jsonpath={.status.phase}')" = Running ]
}

job_speaks() { kubectl logs -n konveyor-forklift job/hook-job-name 2>&1 | grep -q 'step two'; }

makes_secrets() {
    says created 'kubectl create secret generic db-credentials \
  --from-literal=username=backup_user \
  --from-literal=password=secure_backup_password \
  -n migration'
    says created 'kubectl create secret generic notification-config \
  --from-literal=webhook_url=https://hooks.slack.com/services/YOUR/WEBHOOK/URL \
  -n migration'
    says created 'kubectl create secret generic monitoring-token \
  --from-literal=token=your-monitoring-api-token \
  -n migration'
    says backup_user "kubectl get secret db-credentials -n migration -o go-template='{{ .data.username | base64decode }}'"
}

changes_a_plan() {
    says patched "kubectl patch plan existing-plan --type='merge' -p='
spec:
  vms:
  - name: additional-vm
    hooks:
    - step: PreHook
      hook:
        name: new-preparation-hook
        namespace: default
'"
    says additional-vm 'kubectl get plan existing-plan -o yaml'
    says annotated 'kubectl annotate plan existing-plan forklift.konveyor.io/copy-offload=yes'
    says patched "kubectl -n konveyor-forklift patch hook playbook -p '{\"spec\":{\"serviceAccount\":\"hook-service-account\"}}' --type merge"
    says 'hosts: all' "kubectl get -n konveyor-forklift hook playbook -o \
    go-template='{{ .spec.playbook }}' | base64 -d"
}

follows_a_job() {
    says hook-job-name 'kubectl get jobs -n konveyor-forklift | grep hook'
    says 'step one' 'kubectl logs -n konveyor-forklift job/hook-job-name'
    timeout 60 kubectl get jobs -n konveyor-forklift -w >"$work/jobs" 2>&1 &
    watcher=$!
    wait_until 20 grep -q hook-job-name "$work/jobs"
    kill $watcher
    timeout 60 kubectl logs -f job/hook-job-name -n konveyor-forklift >"$work/log" 2>&1 &
    follower=$!
    wait_until 20 grep -q 'step two' "$work/log"
    kill $follower
    says 'Pods Statuses' 'kubectl describe job hook-job-name -n konveyor-forklift'
    says SuccessfulCreate 'kubectl describe job hook-job-name -n konveyor-forklift'
    says hook-pod-name 'kubectl get pods -n konveyor-forklift -l job-name=hook-job-name'
    says hook-runner 'kubectl describe hook hook-name'
    says hook-service-account 'kubectl describe serviceaccount hook-service-account -n konveyor-forklift'
    says 'in the sandbox' 'kubectl logs hook-pod-name -n konveyor-forklift --since=1h --tail=1 --timestamps'
}

looks_into_a_sandbox() {
    says 'targetNamespace: moved' 'kubectl exec hook-pod-name -n konveyor-forklift -- cat /tmp/hook/plan.yml'
    says 'vm: {name: web}' 'kubectl exec hook-pod-name -n konveyor-forklift -- cat /tmp/hook/workload.yml'
    says '12345' 'echo 12345 | kubectl exec -i hook-pod-name -n konveyor-forklift -- cat'
    code=0
    kubectl exec hook-pod-name -n konveyor-forklift -- sh -c 'exit 9' || code=$?
    same "$code" 9
    # with a terminal, which changes its size
    says 'resized to 44 132, exit 5' "'$source_root/tests/kubectl/terminal' \
        kubectl exec -it hook-pod-name -n konveyor-forklift -- /bin/bash"
}

asks_what_an_account_may() {
    ask='kubectl auth can-i create configmaps --as=system:serviceaccount:konveyor-forklift:hook-service-account'
    fails no "$ask"
    kubectl create rolebinding hooks --clusterrole=edit --serviceaccount=konveyor-forklift:hook-service-account
    says yes "$ask"
}

changes_the_validation() {
    says created 'kubectl create cm validation-rules --from-literal=rules.rego=x -n konveyor-forklift'
    says scaled 'kubectl scale -n konveyor-forklift --replicas=0 deployment/forklift-validation'
    says scaled 'kubectl scale -n konveyor-forklift --replicas=1 deployment/forklift-validation'
}

# A home that MTC's kinds were added to; the last command takes all of Forklift's away.
changes_mtc_and_takes_kinds_away() {
    [ -d "$shared_dir/crds/mtc" ] || skip "no shared reference data beside the project"
    kubectl create -f "$shared_dir/crds/mtc"
    kubectl create -f - <<'X'
apiVersion: migration.openshift.io/v1alpha1
kind: MigrationController
metadata: {name: migration-controller, namespace: openshift-migration}
spec: {azure_resource_group: "", cluster_name: host}
X
    # the documents leave --type out here, which is strategic: for such kinds it must be said
    says patched "kubectl -n openshift-migration patch migrationcontroller migration-controller --type=merge -p '{\"spec\":{\"enable_dvm_pv_resizing\":true}}'"
    says patched "kubectl -n openshift-migration patch migrationcontroller migration-controller --type=json --patch '[{ \"op\": \"add\", \"path\": \"/spec/pv_resizing_threshold\", \"value\": 41 }]'"
    says 41 'kubectl get migrationcontroller migration-controller -n openshift-migration -o yaml'
    kubectl get migrationcontroller migration-controller -n openshift-migration -o yaml >"$work/migration-controller.yaml"
    sed -i 's/threshold: 41/threshold: 42/' "$work/migration-controller.yaml"
    says replaced "cd $work; kubectl replace -f migration-controller.yaml -n openshift-migration"
    printf '#!/bin/sh\nsed -i "s/threshold: 42/threshold: 43/" "$1"\n' >"$work/editor"
    chmod +x "$work/editor"
    says edited "KUBE_EDITOR=$work/editor kubectl edit migrationcontroller migration-controller -n openshift-migration"
    says 43 'kubectl get migrationcontroller -n openshift-migration -o yaml'
    fails "doesn't have a resource type" 'kubectl get route -n openshift-mtv'
    says deleted "kubectl delete pods --all -n konveyor-forklift --grace-period=0 --force"
    says deleted "kubectl get crd -o name | grep 'migration.openshift.io' | xargs kubectl delete"
    says deleted "kubectl get crd -o name | grep 'forklift.konveyor.io' | xargs kubectl delete"
    fails "doesn't have a resource type" 'kubectl get migplans'
}

plan 8
start_gantryd || { cat "$work/gantryd.log"; exit 1; }
it "a hook, its job and its pod" set_up
it "makes secrets" makes_secrets
it "changes a plan and a hook" changes_a_plan
it "follows a job: get -w, logs, logs -f, describe, get -l" follows_a_job
it "looks into a sandbox: exec, exec -i, exec -it" looks_into_a_sandbox
it "asks what an account may do" asks_what_an_account_may
it "changes the validation service, which does no harm" changes_the_validation
it "changes MTC's settings, and takes kinds away" changes_mtc_and_takes_kinds_away
finish
