#include "net/due_list.h"

#include "base/assert.h"

namespace eventbus {

void Due::disarm() {
    if (list_ != nullptr) list_->unlink(*this);
}

DueList::~DueList() {
    while (first_ != nullptr) unlink(*first_);
    if (run_with_ != nullptr) std::erase(*run_with_, this);
}

void DueList::arm(Due& due, Clock::Time now) {
    due.disarm();
    due.list_ = this;
    due.at_ = now + delay_;
    due.previous_ = last_;
    (last_ == nullptr ? first_ : last_->next_) = &due;
    last_ = &due;
}

void DueList::run(Clock::Time now) {
    while (first_ != nullptr && first_->at_ <= now) {
        Due& due = *first_;
        unlink(due);
        due.on_due();  // may delete it
    }
}

void DueList::unlink(Due& due) {
    BUS_ASSERT(due.list_ == this);
    (due.previous_ == nullptr ? first_ : due.previous_->next_) = due.next_;
    (due.next_ == nullptr ? last_ : due.next_->previous_) = due.previous_;
    due.previous_ = due.next_ = nullptr;
    due.list_ = nullptr;
}

}  // namespace eventbus
