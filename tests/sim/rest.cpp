// What is judged: once everything has come to rest.

#include <algorithm>
#include <set>
#include <string_view>

#include "sim/run.h"
#include "sim/trace.h"

namespace eventbus::sim {
namespace {

constexpr int kRounds = 8;  // of coming and going
constexpr int kActs = 10;   // in one
constexpr int kCuts = 12;   // in one
constexpr std::string_view kPhoto = "photo:";
constexpr std::uint64_t kRetained = 10;  // positions, at most
constexpr int kMoments = 20;             // for what works in threads of its own, before time passes
constexpr int kTimesMax = 40'000;        // that the clock is moved until all is settled
// No rest waits for anything longer. What is due later must not be: in ten minutes the log forgets
// the ids of publishes that are under way.
constexpr auto kPauseMax = std::chrono::minutes(1);
// Nothing waits longer for company than kCoalesces say, but for what looking at the clock takes.
constexpr auto kCompanyMax = std::chrono::milliseconds(25);

}  // namespace

// Everything is fast, and clients come back all the time: what they missed is on its way when they
// are cut again, and some of it is on no disk any more.
void Run::come_and_go() {
    for (int round = 0; round < kRounds; ++round) {
        for (const auto& device : devices_) {
            if (chance_.one_in(3)) cut(*device);
        }
        for (int i = 0; i < kActs; ++i) act();
        if (chance_.one_in(2)) take_and_give_again();
        if (chance_.one_in(4)) reload();
        while (move_server()) {
        }
        if (chance_.one_in(16)) {
            lose_what_came();
        } else if (!chance_.one_in(3)) {
            retain(chance_.one_in(2) ? 0 : chance_.below(kRetained));
        }
        cuts_left_ = kCuts;
        cut_one_in_ = chance_.one_in(2) ? 2 : 20;
        move_all();
        cuts_left_ = 0;
    }
}

// What comes while some are away is lost, and what comes behind it is for nobody: a gap is all that
// they are told, who had seen all.
void Run::lose_what_came() {
    move_all();
    for (const auto& device : devices_) {
        if (!chance_.one_in(2)) continue;
        cut(*device);
        device->let_server_notice();
    }
    for (int i = 0; i < kActs; ++i) publish_something();
    for (int i = 0; i < 2; ++i) {
        while (move_server()) {
        }
        fill_the_tail();
    }
    while (move_server()) {
    }
    retain(0);
}

// A right ends and begins again, and its client asks for the topic once more before it has read any
// of that: to a client that is cut then, it is one room that it never left. Or a CONNECT that it
// gave up hears of that in its place.
void Run::take_and_give_again() {
    Device& device = any_device();
    if (!device.is_in()) return;
    std::vector<std::string> photos = device.topics();
    std::erase_if(photos, [](const std::string& topic) { return !topic.starts_with(kPhoto); });
    if (photos.empty()) return;
    const std::string& topic = photos[chance_.below(photos.size())];
    const Values values{.photo = topic.substr(kPhoto.size()),
                        .user = chance_.any("u", kUsers),
                        .with = device.user()};
    const bool is_late = device.has_connect_on_its_way();
    if (is_late) cut(device);
    for (const char* type : {"photo.unshared", "photo.shared", "photo.completed"}) {
        publish(any_lane(), type, values);
        if (!chance_.one_in(4)) move_server();
    }
    if (is_late) {
        device.late_connect_comes(any_lane());
        move_server();
        return;
    }
    device.subscribe({topic}, chance_.one_in(4));
    move_server();
    if (!chance_.one_in(4)) return;
    while (device.has_messages()) device.take_message();
    cut(device);
}

// All that the server does by itself. False: nothing.
bool Run::move_server() {
    bool has_moved = false;
    while (machine_->move(chance_)) has_moved = true;
    for (std::size_t i = 0; i < Server::kLanes; ++i) {
        Reactor& reactor = server_->lane(i).reactor();
        for (; reactor.has_work(); has_moved = true) reactor.turn(100);
    }
    server_->look();
    return has_moved;
}

// All that happens without the clock. False: nothing did.
bool Run::move_all() {
    bool has_moved = false;
    for (const auto& worker : workers_) {
        if (worker->is_refused()) worker->connect(any_lane());
    }
    for (bool moves = true; moves; has_moved = has_moved || moves) {
        moves = move_server();
        for (const auto& device : devices_) {
            for (; device->has_messages(); moves = true) {
                if (cuts_left_ == 0 || !chance_.one_in(cut_one_in_)) {
                    device->take_message();
                    continue;
                }
                --cuts_left_;
                cut(*device);
                if (chance_.one_in(4)) continue;
                device->let_server_notice();
                move_server();
            }
            if (device->has_connect_on_its_way() && cuts_left_ > 0 && chance_.one_in(4)) {
                device->late_connect_comes(any_lane());
                moves = true;
            }
            if (device->must_drop()) device->cut();
            if (!device->is_away()) continue;
            connect(*device);
            moves = true;
        }
        for (const auto& worker : workers_) {
            for (; worker->has_messages(); moves = true) worker->take_message();
            for (; worker->has_events(); moves = true) worker->answer_one(chance_, false);
            if (worker->is_closed()) worker->drop(true);
            if (!worker->is_away() || worker->is_refused()) continue;
            worker->connect(any_lane());
            moves = true;
        }
        bool tries_again = false;
        for (auto at = unanswered_.begin(); at != unanswered_.end();) {
            const auto& [id, publish] = *at++;
            if (publish.is_under_way) continue;
            send(std::string(id), any_lane());
            tries_again = true;
        }
        if (tries_again) machine_->wait_a_moment();  // not at once: its disk may still be broken
        moves = moves || tries_again;
    }
    return has_moved;
}

// What is not settled yet; empty: all is.
std::string Run::unsettled() {
    // Those that nobody reads from stay behind.
    const bool all_are_read =
        std::none_of(devices_.begin(), devices_.end(),
                     [](const auto& device) { return device->has_cut_connections(); });
    for (std::size_t i = 0; all_are_read && i < Server::kLanes; ++i) {
        if (server_->lane(i).is_behind()) return "a member is behind";
    }
    if (machine_->is_asked()) return "a right is asked for";
    if (!unanswered_.empty()) return unanswered_.begin()->first + " is not answered";
    for (const auto& device : devices_) {
        if (!device->is_settled()) return "a client waits for an answer";
    }
    for (const auto& worker : workers_) {
        if (!worker->is_settled()) return "a member of the group waits for an answer";
    }
    if (!group_.is_done(witness_.lost_through)) return "the group has not handled all";
    return server_->groups_rest() ? "" : "the group has events in hand";
}

// What sleeps is woken by its own times only: who forgot to ask for one, or asked for too late a
// one, has missed something.
void Run::come_to_rest() {
    for (int times = 0;; ++times) {
        move_all();
        const std::string what = unsettled();
        if (what.empty()) break;
        if (times == kTimesMax) fail("it does not come to rest: " + what);
        const bool waits = machine_->wait_a_moment();
        if (waits && times % kMoments != 0) continue;
        if (pass_time_to(clock_.peek() + kPauseMax) || waits) continue;
        fail("nothing waits for a time, and " + what);
    }
    const Clock::Time until = clock_.peek() + kCompanyMax;
    while (pass_time_to(until)) move_all();
}

// To the next time that a reactor waits for. False: none comes by then.
bool Run::pass_time_to(Clock::Time until) {
    Clock::Time next = Clock::Time::max();
    for (std::size_t i = 0; i < Server::kLanes; ++i) {
        next = std::min(next, server_->lane(i).reactor().next_time().value_or(next));
    }
    if (next == Clock::Time::max() || next > until) return false;
    trace([&] {
        return "time passes: " + std::to_string((next - clock_.peek()).count() / 1000) + " us";
    });
    if (next > clock_.peek()) clock_.advance(next - clock_.peek());
    return true;
}

void Run::rest() {
    trace("rest");
    machine_->set_full(is_full_ = false);
    machine_->set_slow(is_slow_ = false);
    if (is_broken_) machine_->set_broken(is_broken_ = false);
    witness_.note_disk(true);
    judge();
    come_and_go();
    judge();
}

void Run::judge() {
    come_to_rest();
    check_sockets();
    for (const auto& device : devices_) device->let_server_notice();
    come_to_rest();
    // All lanes have the catalog by now, and every right was asked for again.
    witness_.reload_has_ended(machine_->log().frontier());
    for (const auto& device : devices_) {
        device->account().check();
        device->may_be_forgotten = false;
    }
    group_.check(witness_.lost_through, server_->lost_transient());
    check_log();
}

// Of the sockets that showed one pid, one is in.
void Run::check_sockets() {
    std::set<std::string> pids;
    for (std::size_t i = 0; i < Server::kLanes; ++i) {
        for (const std::string& pid : server_->lane(i).pids()) {
            if (!pids.insert(pid).second) fail("two sockets are in with one session");
        }
    }
}

// What was acknowledged is there, once.
void Run::check_log() {
    std::set<std::string_view> ids;
    for (const auto& [position, entry] : witness_.entries()) {
        if (entry->durability != Durability::kDurable) continue;
        const std::string& id = entry->event.id;
        if (!ids.insert(id).second && !given_up_.contains(id)) fail(id + " was stored twice");
    }
    for (const auto& [id, position] : acknowledged_) {
        const auto entry = witness_.entries().find(position);
        if (entry == witness_.entries().end() || entry->second->event.id != id) {
            fail(id + " was acknowledged at " + to_string(position) + " and is not there");
        }
    }
}

std::string Run::summary() const {
    std::size_t seen = 0;
    for (const auto& device : devices_) seen += device->account().seen();
    return std::to_string(life_) + " lives, " + std::to_string(witness_.entries().size()) +
           " entries, " + std::to_string(acknowledged_.size()) + " acknowledged, " +
           std::to_string(seen) + " deliveries";
}

}  // namespace eventbus::sim
