#include "bus/subject_watches.h"

#include <utility>

#include "log/sequencer.h"

namespace eventbus {

void SubjectWatches::ask(WatchQuestion question, Executor& reply_to,
                         Callback<Result<WatchAnswer>> done) {
    turn_.take_turn([this, question = std::move(question), &reply_to,
                     done = std::move(done)](Sequencer& sequencer) mutable {
        const Result<Position> since = subjects_.may_watch(question);
        if (!since) {
            return sequencer.answer(reply_to,
                                    [error = since.error(), done = std::move(done)]() mutable {
                                        done(std::move(error));
                                    });
        }
        const WatchAnswer answer{.at = sequencer.head(), .right_since = *since};
        sequencer.when_visible(
            answer.right_since, reply_to,
            [answer, done = std::move(done)](Result<> visible) mutable {
                if (!visible) return done(Error{ErrorCode::kUnavailable, visible.error().detail});
                done(answer);
            });
    });
}

}  // namespace eventbus
