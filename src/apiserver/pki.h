/* The server's certificates in DIR/pki: ca, server, admin.  May use: base, net.  Threads: start-up. */
#pragma once

struct error;

/* Makes what is missing.  LISTEN is the address ("127.0.0.1:0"), whose host the certificate gets. */
int pki_prepare(const char *dir, const char *listen, struct error **err);
