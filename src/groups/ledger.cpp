#include "groups/ledger.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/diagnostics.h"

namespace eventbus {
namespace {

constexpr auto kPauseMin = std::chrono::milliseconds(100);
constexpr auto kPauseMax = std::chrono::seconds(5);

}  // namespace

Ledger::Ledger(Context context)
    : context_(std::move(context)), building_(std::make_unique<Write>()) {}

void Ledger::add_answer(Executor& reply_to, Callback<const Result<>&> done) {
    Answer answer{&reply_to, std::move(done)};
    if (!is_open()) return give(answer, refusal());
    building_->out.emplace_back(std::move(answer));
}

// Joins the parcel to the same reactor, unless an answer stands between.
void Ledger::add_delivery(const MemberWay& way, GroupDelivery delivery) {
    auto& out = building_->out;
    for (auto last = out.rbegin(); last != out.rend(); ++last) {  // as many as reactors
        auto* const parcel = std::get_if<Parcel>(&*last);
        if (parcel == nullptr) break;
        if (parcel->way.receiver != way.receiver) continue;
        parcel->deliveries.push_back(std::move(delivery));
        return;
    }
    Parcel& parcel = std::get<Parcel>(out.emplace_back(Parcel{way, {}}));
    parcel.deliveries.push_back(std::move(delivery));
}

void Ledger::flush() {
    while (!writing_ && (!building_->changes.empty() || !building_->out.empty())) {
        auto write = std::exchange(building_, std::make_unique<Write>());
        if (state_ == State::kClosed) continue;  // what was not written is not delivered
        if (write->changes.empty()) {
            give(*write);
        } else {
            write->sent =
                std::make_shared<const std::vector<GroupChange>>(std::move(write->changes));
            writing_ = std::move(write);
            send();
        }
    }
}

void Ledger::send() {
    retries_at_.reset();
    context_.store.write(writing_->sent, context_.reactor,
                         [this](const Result<>& result) { on_written(result); });
}

void Ledger::retry(Clock::Time now) {
    if (retries_at_ && *retries_at_ <= now) send();
}

void Ledger::on_written(const Result<>& result) {
    BUS_ASSERT(writing_ != nullptr);
    if (!result) {
        context_.probe.write_failures.add();
        return result.error().code == ErrorCode::kReadOnly ? close() : hold();
    }
    if (state_ == State::kOnHold) {
        const auto held = context_.clock.now() - held_since_;
        state_ = State::kOpen;
        context_.probe.store_on_hold.set(0);
        diagnostics::info(
            "groups go on: their store takes writes again",
            {{"held_ms",
              std::to_string(
                  std::chrono::duration_cast<std::chrono::milliseconds>(held).count())}});
        context_.on_state(held);
    }
    const auto write = std::exchange(writing_, nullptr);  // until here none may overtake it
    give(*write);
    flush();
}

// What was asked for has happened here, and is written with the next try that succeeds. Nobody
// knows when that is, so whoever waits for an answer is refused now.
void Ledger::hold() {
    const Clock::Time now = context_.clock.now();
    if (state_ == State::kOpen) {
        state_ = State::kOnHold;
        held_since_ = now;
        pause_ = kPauseMin;
        context_.probe.store_on_hold.set(1);
        diagnostics::warn("groups wait: their store cannot be written now, and is tried again", {});
        refuse_waiting();
    }
    retries_at_ = now + pause_;
    pause_ = std::min<Clock::Time::duration>(pause_ * 2, kPauseMax);
    context_.on_state(std::nullopt);
}

// Events in flight stay so until a restart finds what was written.
void Ledger::close() {
    state_ = State::kClosed;
    context_.probe.store_on_hold.set(1);
    diagnostics::error("groups take nothing more: their store failed", {});
    refuse_waiting();
    writing_.reset();
    context_.on_state(std::nullopt);
    flush();
}

Error Ledger::refusal() const {
    BUS_ASSERT(!is_open());
    if (state_ == State::kOnHold) {
        return {ErrorCode::kUnavailable,
                "the store of groups cannot be written now, so nothing is given out or "
                "acknowledged until it can; try again"};
    }
    return {ErrorCode::kReadOnly,
            "the store of groups failed, so nothing is given out or acknowledged: see the server's "
            "log, repair the disk, restart"};
}

// Deliveries stay: they leave once they are written.
void Ledger::refuse_waiting() {
    for (Write* const write : {writing_.get(), building_.get()}) {
        for (auto& item : write->out) {
            if (auto* const answer = std::get_if<Answer>(&item)) give(*answer, refusal());
        }
        std::erase_if(write->out,
                      [](const auto& item) { return std::holds_alternative<Answer>(item); });
    }
}

void Ledger::give(Write& write) {
    for (auto& item : write.out) {
        if (auto* const answer = std::get_if<Answer>(&item)) {
            give(*answer, {});
        } else {
            give(std::get<Parcel>(item));
        }
    }
}

void Ledger::give(Answer& answer, Result<> result) {
    answer.reply_to->post(
        [result = std::move(result), done = std::move(answer.done)]() mutable { done(result); });
}

void Ledger::give(Parcel& parcel) {
    context_.on_sent(parcel.deliveries);
    parcel.way.reactor->post(
        [receiver = parcel.way.receiver, deliveries = std::move(parcel.deliveries)] {
            for (const GroupDelivery& delivery : deliveries) receiver->deliver(delivery);
        });
}

}  // namespace eventbus
