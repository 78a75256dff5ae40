#pragma once

#include <string>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "catalog/event_rule.h"
#include "log/offset.h"

namespace eventbus {

// May somebody watch a subject?
struct WatchQuestion {
    std::string subject;
    WatchRule rule;                  // the catalog's, of the subject's kind
    std::string user;                // empty: a service
    std::vector<std::string> roles;  // of the user
    bool holds_permission = false;   // the token holds watch:SUBJECT
    bool may_consume_all = false;    // a service that may consume every type watches every subject
};

struct WatchAnswer {
    Position at;           // the end of the log when it was asked, in log order
    Position right_since;  // the entry that gave the right (ownership, a grant); 0: the token
};

// Seam: who may watch what, in log order: what the asker has published before, answered or not,
// holds already. Any thread.
class Watches {
 public:
    virtual ~Watches() = default;

    // `done` runs on `reply_to`: before ask() returns if the caller is there and the turn was free,
    // else posted.
    // Errors: kForbidden, the same for a subject that nobody owns and one that the asker may not
    // watch; kUnavailable.
    virtual void ask(WatchQuestion question, Executor& reply_to,
                     Callback<Result<WatchAnswer>> done) = 0;
};

}  // namespace eventbus
