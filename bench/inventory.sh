#!/bin/bash
# bench/inventory.sh: the inventory of a vCenter with many machines (MACHINES, 5000): what reading it costs,
# how soon a change is seen, what the REST service answers, and what a restart of the vCenter adds.
#
# The vCenter is the tests' own; VCENTER_URL, VCENTER_USER and VCENTER_PASSWORD name another one (vcsim),
# of which changes and restarts are left out.  govc, where it is installed, reads the same properties.
set -eu
BUILD=${1:-$BUILD}
machines=${MACHINES:-5000}
work=$(mktemp -d "${TMPDIR:-/tmp}/gantry-bench.XXXXXX")
. "$(dirname "$0")/fake_vcenter.sh"
trap clean_up EXIT

if [ -n "${VCENTER_URL:-}" ]; then
    url=$VCENTER_URL user=$VCENTER_USER password=$VCENTER_PASSWORD
else
    start_vcenter "$machines"
fi
start_home
set_validation false
sleep 6 # the knob is looked at every five seconds

before_kib=$(memory_kib) before_ms=$(cpu_ms)
started=$(date +%s%N)
add_provider
wait_for_inventory
wall_ms=$((($(date +%s%N) - started) / 1000000))
uid=$(kubectl get provider vc -n $ns -o 'jsonpath={.metadata.uid}')
vms=/providers/vsphere/$uid/vms
count=$(kubectl get --raw "$vms" | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')
after_kib=$(memory_kib)
echo "read machines=$count wall_ms=$wall_ms cpu_ms=$(($(cpu_ms) - before_ms))" \
    "memory_kib=$((after_kib - before_kib)) per_machine_kib=$(((after_kib - before_kib) / count))"

if command -v govc >/dev/null; then
    started=$(date +%s%N)
    GOVC_URL=$url GOVC_USERNAME=$user GOVC_PASSWORD=$password GOVC_INSECURE=1 \
        govc object.collect -json -type m / name config runtime guest summary >/dev/null
    echo "govc wall_ms=$((($(date +%s%N) - started) / 1000000))"
fi

one=$(kubectl get --raw "$vms" | python3 -c 'import json, sys; print(json.load(sys.stdin)[-1]["id"])')
for threads in 1 8; do
    "$BUILD/tests/bench-apiserver" "$KUBECONFIG" "$vms/$one" $threads $((20000 / threads)) |
        sed "s,$uid,UID,"
done
[ -n "${fake:-}" ] || exit 0

# A change, from the vCenter to the REST service, asked for every few milliseconds.
python3 - "$url" "$KUBECONFIG" "$vms/$one" <<'PY'
import json, ssl, sys, time, urllib.request, yaml, base64, tempfile
url, kubeconfig, path = sys.argv[1:]
config = yaml.safe_load(open(kubeconfig))
cluster, user = config['clusters'][0]['cluster'], config['users'][0]['user']
any_certificate = ssl._create_unverified_context()
if 'client-certificate-data' in user:
    for key, name in (('cert', 'client-certificate-data'), ('key', 'client-key-data')):
        file = tempfile.NamedTemporaryFile(delete=False)
        file.write(base64.b64decode(user[name])); file.close()
        user[key] = file.name
    any_certificate.load_cert_chain(user['cert'], user['key'])
headers = {'Authorization': 'Bearer ' + user['token']} if 'token' in user else {}

def get():
    request = urllib.request.Request(cluster['server'] + path, headers=headers)
    return json.load(urllib.request.urlopen(request, context=any_certificate))

times = []
for i in range(10):
    machine = get()
    on = machine['powerState'] != 'poweredOn'
    control = url.rsplit('/', 1)[0] + '/fake/power?vm=%s&on=%d' % (urllib.request.quote(machine['name']), on)
    start = time.time()
    urllib.request.urlopen(control, context=any_certificate).read()
    while (get()['powerState'] == 'poweredOn') != on:
        time.sleep(0.002)
    times.append((time.time() - start) * 1000)
print('change_ms median=%.0f most=%.0f' % (sorted(times)[5], max(times)))
PY

curl -ks "${url%/sdk}/fake/fault?set=restart@1" >/dev/null
before_kib=$(memory_kib) before_ms=$(cpu_ms)
curl -ks "${url%/sdk}/fake/power?vm=machine%201&on=1" >/dev/null
sleep 15
echo "restart memory_kib=$(($(memory_kib) - before_kib)) cpu_ms=$(($(cpu_ms) - before_ms))"
