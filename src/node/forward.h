/* Brings one local port of the machine into a container that has no other network: the API server's.
 *
 * A socket belongs to the network namespace it was made in, whoever accepts on it: so we listen
 * inside the container's namespace and connect from the machine's.
 *
 * May use: base.  Threads: one for accepting and one per connection; they end with the process.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct error;

/* Connections to 127.0.0.1:PORT in the network namespace of process PID go to 127.0.0.1:PORT of
 * our own. */
int forward_start(pid_t pid, uint16_t port, struct error **err);
