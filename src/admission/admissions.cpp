#include "admission/admissions.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace eventbus {

Admissions::Admissions(Context context, Settings settings, std::shared_ptr<const Catalog> catalog)
    : context_(std::move(context)), settings_(settings), catalog_(std::move(catalog)) {}

void Admissions::sign_in(Arrival arrival, Arriving::Done done) {
    Arriving::begin({.reactor = context_.reactor,
                     .clock = context_.clock,
                     .random = context_.random,
                     .log = context_.log,
                     .watches = context_.watches,
                     .sessions = context_.sessions,
                     .owner = *this,
                     .post_at = context_.post_at,
                     .rooms_max = settings_.rooms_max,
                     .sid_bytes = settings_.sid_bytes},
                    catalog_, std::move(arrival), context_.log.frontier(),
                    [coming = coming_, done = std::move(done)](Result<Admitted> admitted) mutable {
                        if (admitted) admitted->coming = std::move(coming);
                        done(std::move(admitted));
                    });
}

void Admissions::forget(const Admitted& admitted) {
    if (!admitted.claim) return;
    const SessionRecord& record = admitted.record;
    if (admitted.is_resumed) {
        context_.sessions.release(record.pid, *admitted.claim, {});
    } else {
        context_.sessions.end(record.pid, *admitted.claim);  // nobody has heard of it
    }
}

// ---- who is in ----------------------------------------------------------------------------------

void Admissions::add(Guest& member) {
    members_.push_back(member);
    ++member_count_;
    if (member.pid().empty()) return;
    // The store's word that the one before was taken over may still be on its way.
    if (const auto* const before = by_pid_.find(member.pid())) {
        Guest& old = *before->second;
        old.take_over();
        BUS_ASSERT(by_pid_.find(member.pid()) == nullptr);
    }
    by_pid_[member.pid()] = &member;
    if (!std::exchange(writes_places_, true)) write_some_places();
}

void Admissions::remove(Guest& member) {
    members_.erase(members_.iterator_to(member));
    --member_count_;
    const auto* const found = by_pid_.find(member.pid());
    if (found != nullptr && found->second == &member) by_pid_.erase(member.pid());
}

void Admissions::on_taken_over(std::string_view pid, Claim claim) {
    const auto* const found = by_pid_.find(pid);
    if (found == nullptr || found->second->claim() != claim) return;
    probe_.take_overs.add();
    found->second->take_over();
}

// ---- a part at a time ---------------------------------------------------------------------------

void Admissions::set_catalog(std::shared_ptr<const Catalog> catalog, const Completion& completion) {
    catalog_ = std::move(catalog);
    // Whoever is on the way in asks again at its end (Guest::begin).
    coming_->reload = completion;
    coming_->next = std::make_shared<Coming>();
    coming_ = std::shared_ptr(coming_->next);
    const bool is_under_way = to_recheck_ > 0;
    to_recheck_ = member_count_;
    if (to_recheck_ == 0) return;
    if (is_under_way) {
        using Both = std::pair<Completion, Completion>;
        rechecking_ = std::make_shared<const Both>(std::move(rechecking_), completion);
        return;
    }
    rechecking_ = completion;
    context_.reactor.post([this] { recheck_some(); });
}

void Admissions::recheck_some() {
    // Those that came meanwhile stand at the back, and those that have gone were counted: at the
    // end a few may be asked twice.
    for (std::size_t i = 0; i < kRechecksPerTurn && to_recheck_ > 0; ++i, --to_recheck_) {
        if (members_.empty()) {
            to_recheck_ = 0;
            break;
        }
        Guest& member = members_.front();
        members_.splice(members_.end(), members_, members_.begin());
        member.recheck_rooms(rechecking_);
    }
    if (to_recheck_ == 0) return rechecking_.reset();
    context_.reactor.post([this] { recheck_some(); });
}

void Admissions::write_some_places() {
    const auto rounds = std::max<std::size_t>(
        1, static_cast<std::size_t>(settings_.write_places_every / kRoundEvery));
    std::size_t count = to_recheck_ > 0 ? 0 : (member_count_ + rounds - 1) / rounds;
    for (; count > 0 && !members_.empty(); --count) {
        Guest& member = members_.front();
        members_.splice(members_.end(), members_, members_.begin());
        member.write_place();
    }
    context_.post_at(context_.clock.now() + kRoundEvery, [this] { write_some_places(); });
}

}  // namespace eventbus
