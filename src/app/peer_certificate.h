#pragma once

#include <string>

#include "app/server_url.h"
#include "base/error.h"

struct x509_store_ctx_st;

namespace eventbus {

// Why the certificate that `server` has shown is not taken, and the fix. `verification` is
// OpenSSL's, at the error.
Error refused_certificate(const ServerUrl& server, x509_store_ctx_st* verification);

}  // namespace eventbus
