#pragma once

#include "bus/subjects.h"
#include "bus/watch.h"
#include "log/turn.h"

namespace eventbus {

// Watches over a table of subjects that lives in a sequencer's turn.
//
// A yes that an entry gave waits until this entry is visible: nobody watches by a right that a
// crash could take back.
class SubjectWatches final : public Watches {
 public:
    SubjectWatches(Turn& turn, const Subjects& subjects) : turn_(turn), subjects_(subjects) {}

    void ask(WatchQuestion question, Executor& reply_to,
             Callback<Result<WatchAnswer>> done) override;

 private:
    Turn& turn_;
    const Subjects& subjects_;
};

}  // namespace eventbus
