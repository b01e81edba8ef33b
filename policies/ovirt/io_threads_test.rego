package io.konveyor.forklift.ovirt_test

import rego.v1

test_io_threads_fires if "ovirt.iothreads.configured" in ids({"name": "web", "ioThreads": 2})

test_io_threads_is_quiet if not "ovirt.iothreads.configured" in ids({"name": "web", "ioThreads": 1})
