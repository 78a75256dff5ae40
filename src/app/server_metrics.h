#pragma once

#include <memory>
#include <vector>

#include "admission/probe.h"
#include "app/certificate.h"
#include "app/lane.h"
#include "backplane/embedded/database.h"
#include "bus/probe.h"
#include "log/probe.h"
#include "ops/metrics.h"

namespace eventbus {

// Puts what all lanes and the log count onto the page. `lanes` and the probes outlive it.
void add_server_metrics(Metrics& metrics, const std::vector<std::unique_ptr<Lane>>& lanes,
                        const LogProbe& log, Log& log_state);

// The same of what is on disk: each store by its name.
void add_store_metrics(Metrics& metrics,
                       std::vector<std::pair<std::string, const Database*>> stores);

// The same of owners and grants.
void add_subject_metrics(Metrics& metrics, const BindProbe& subjects);

// The same of the sessions of clients.
void add_session_metrics(Metrics& metrics, const SessionProbe& sessions);

// The same of TLS, where it is spoken.
void add_tls_metrics(Metrics& metrics, const std::vector<std::unique_ptr<Lane>>& lanes,
                     const Certificate& certificate);

}  // namespace eventbus
