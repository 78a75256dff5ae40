#include "sim/run.h"

#include <utility>

#include "base/assert.h"
#include "catalog/loader.h"
#include "support/position_literal.h"

namespace eventbus::sim {
namespace {

constexpr std::uint64_t kUsers = 4;
constexpr std::uint64_t kPhotos = 12;

constexpr const char* kCatalog = R"(
events:
  photo.uploaded:
    subject: photo:{data.photo}
    owner: user:{data.user}
    audience: [owner, watchers]
  photo.progress:
    subject: photo:{data.photo}
    audience: [owner, watchers]
    durability: transient
  photo.completed:
    subject: photo:{data.photo}
    audience: [owner, watchers]
  photo.shared:
    subject: photo:{data.photo}
    audience: [watchers]
    grant: { watch: "user:{data.with}" }
  photo.unshared:
    subject: photo:{data.photo}
    audience: [watchers]
    revoke: { watch: "user:{data.with}" }
  photo.given:
    subject: photo:{data.photo}
    owner: user:{data.user}
    transfer: true
    audience: [owner, watchers]
  system.health: { audience: ["role:admin"], durability: transient }
  system.notice: { audience: [everyone] }
rooms:
  photo: { watch: [owner] }
)";

std::shared_ptr<const Catalog> catalog() {
    Loaded loaded = parse_catalog(kCatalog, "simulation");
    for (const Problem& problem : loaded.problems) {
        if (!problem.warning) fail(problem.text());
    }
    return loaded.catalog;
}

Principal service() { return {.kind = Principal::Kind::kService, .id = "api"}; }

}  // namespace

Server::Server(MemoryDisk& disk, const Clock& clock, Random& random, Witness& witness)
    : witness_(witness),
      log_(disk, subjects_, clock, {.tail_entries_max = 200, .reserve = 64}),
      reader_(log_.tail(), waker_, 1'000) {
    static const std::shared_ptr<const Catalog> kRules = catalog();
    for (std::size_t i = 0; i < kReactors; ++i) {
        reactors_.push_back(std::make_unique<Reactor>(log_, subjects_, clock, random, kRules));
    }
    witness_.begin_life();
    log_.start();
    look();
}

void Server::look() {
    while (const SharedEntry* entry = reader_.next()) witness_.see(*entry);
}

Run::Run(std::uint64_t seed, Faults faults) : faults_(faults), chance_(seed) {
    for (std::uint64_t i = 0; i < 2 * kUsers; ++i) {
        const std::string user = "u" + std::to_string(i % kUsers);
        devices_.push_back(std::make_unique<Device>(user + (i < kUsers ? "-phone" : "-laptop"),
                                                    user, i % kUsers == 0));
    }
    start_server();
}

void Run::start_server() {
    ++life_;
    has_failed_ = false;
    server_ = std::make_unique<Server>(disk_, clock_, chance_.random(), witness_);
    server_->log().hold_syncs(holds_syncs_);
}

void Run::crash() {
    for (const auto& device : devices_) device->drop(false);
    for (auto& [id, publish] : unanswered_) publish.is_under_way = false;
    server_->look();
    server_.reset();
    start_server();
}

void Run::step() {
    clock_.advance(std::chrono::milliseconds(1));
    fault();
    const std::uint64_t what = chance_.below(100);
    if (what < 35) {
        act();
    } else {
        move_something();
    }
    server_->look();
}

void Run::fault() {
    const auto happens = [&](std::uint64_t in_a_thousand) {
        return chance_.below(1'000) < in_a_thousand;
    };
    MemoryLog& log = server_->log();
    if (happens(faults_.crash)) return crash();
    if (has_failed_ && chance_.one_in(50)) {
        has_failed_ = false;
        if (chance_.one_in(2)) return crash();
        log.recover();
    }
    if (happens(faults_.failed_sync) && log.unsynced() > 0) {
        log.fail_sync();
        has_failed_ = true;
    }
    if (happens(faults_.full_disk)) log.set_full(log.is_writable());
    if (happens(faults_.held_syncs)) {
        holds_syncs_ = !holds_syncs_;
        log.hold_syncs(holds_syncs_);
    }
    if (happens(faults_.drop)) {
        Device& device = any_device();
        if (device.is_connected()) device.drop(true);
    }
    if (happens(faults_.retention) && log.frontier() > 150_pos) {
        log.retain_after(log.frontier() - 150);
    }
}

// ---- people and services
// ----------------------------------------------------------------------------

std::string Run::any_user() { return "u" + std::to_string(chance_.below(kUsers)); }
std::string Run::any_photo() { return "p" + std::to_string(chance_.below(kPhotos)); }

void Run::act() {
    Device& device = any_device();
    if (!device.is_connected()) return device.connect(any_reactor());
    const std::uint64_t what = chance_.below(10);
    if (what < 7) return publish_something();
    if (what < 9) return device.watch("photo:" + any_photo());
    const std::vector<std::string> watched = device.watched();
    if (!watched.empty()) device.unwatch(watched[chance_.below(watched.size())]);
}

void Run::publish_something() {
    if (unanswered_.size() > 50) {
        auto at = unanswered_.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(chance_.below(unanswered_.size())));
        return at->second.is_under_way ? void() : send(std::string(at->first));
    }
    constexpr const char* kTypes[] = {"photo.uploaded", "photo.progress", "photo.completed",
                                      "photo.progress", "photo.shared",   "photo.unshared",
                                      "photo.given",    "system.health",  "system.notice"};
    const std::string type = kTypes[chance_.below(std::size(kTypes))];
    const std::string id = "e" + std::to_string(++next_event_);
    Event event{.id = id, .type = type};
    event.data = R"({"n":")" + id + R"(","photo":")" + any_photo() + R"(","user":")" + any_user() +
                 R"(","with":")" + any_user() + "\"}";
    unanswered_[id] = {service(), std::move(event),
                       type != "photo.progress" && type != "system.health"};
    send(id);
}

void Run::send(const std::string& id) {
    Publish& publish = unanswered_[id];
    publish.is_under_way = true;
    Reactor& reactor = any_reactor();
    reactor.run([&] {
        reactor.publisher().publish(
            publish.principal, {publish.event},
            [this, id, life = life_](Result<std::vector<Receipt>> receipts) {
                BUS_ASSERT(life == life_);
                answered(id, receipts);
            });
    });
}

void Run::answered(const std::string& id, const Result<std::vector<Receipt>>& receipts) {
    const auto found = unanswered_.find(id);
    if (found == unanswered_.end()) return;
    if (!receipts) {
        const ErrorCode code = receipts.error().code;
        if (code != ErrorCode::kReadOnly && code != ErrorCode::kUnavailable) {
            fail(id + " was refused: " + receipts.error().detail);
        }
        found->second.is_under_way = false;
        return;
    }
    if (found->second.is_durable) acknowledged_[id] = receipts->front().position;
    unanswered_.erase(found);
}

// ---- time
// -----------------------------------------------------------------------------------------

// One step of a thread, the disk or the network.
void Run::move_something() {
    if (holds_syncs_ && chance_.one_in(6)) return server_->log().sync(1 + chance_.below(5));
    if (chance_.one_in(2)) {
        Reactor& reactor = any_reactor();
        if (reactor.has_task() && chance_.one_in(2)) return reactor.run_task();
        if (reactor.is_awake()) reactor.deliver();
        return;
    }
    Device& device = any_device();
    if (device.must_drop()) return device.drop(true);
    for (std::uint64_t i = chance_.below(12); i > 0 && device.has_frames(); --i) {
        device.take_frame();
    }
}

void Run::come_to_rest() {
    if (has_failed_) crash();
    server_->log().set_full(false);
    holds_syncs_ = false;
    server_->log().hold_syncs(false);
    const auto run_all = [&] {
        bool is_moving = false;
        for (std::size_t i = 0; i < Server::kReactors; ++i) {
            Reactor& reactor = server_->reactor(i);
            for (; reactor.has_task(); is_moving = true) reactor.run_task();
            // What sleeps is left asleep: who forgot to wake it has missed something.
            for (; reactor.is_awake(); is_moving = true) reactor.deliver();
        }
        for (const auto& device : devices_) {
            if (device->must_drop()) device->drop(true);
            if (!device->is_connected()) device->connect(any_reactor());
            for (; device->has_frames(); is_moving = true) device->take_frame();
            is_moving = is_moving || !device->is_settled();
        }
        return is_moving;
    };
    for (int round = 0; run_all(); ++round) {
        if (round > 10'000) fail("it does not come to rest");
    }
    for (auto at = unanswered_.begin(); at != unanswered_.end();) {
        const std::string id = (at++)->first;
        if (unanswered_[id].is_under_way) fail(id + " was never answered");
        send(id);
    }
    for (int round = 0; run_all(); ++round) {
        if (round > 10'000) fail("it does not come to rest");
    }
    server_->look();
    if (!unanswered_.empty()) fail(unanswered_.begin()->first + " could not be published");
}

void Run::check(bool all_is_quiet) const {
    std::map<std::string, int> times;
    for (const auto& [position, entry] : witness_.entries()) {
        if (entry->durability == Durability::kDurable) ++times[entry->event.id];
    }
    for (const auto& [id, count] : times) {
        if (count > 1) fail(id + " was stored " + std::to_string(count) + " times");
    }
    for (const auto& [id, position] : acknowledged_) {
        const auto entry = witness_.entries().find(position);
        if (entry == witness_.entries().end() || entry->second->event.id != id) {
            fail(id + " was acknowledged at " + to_string(position) + " and is not there");
        }
    }
    for (const auto& [position, entry] : witness_.entries()) {
        const bool is_kept = disk_.entries.contains(position) || position <= disk_.lost_through;
        if (entry->durability == Durability::kDurable && !is_kept) {
            fail(entry->event.id + " was visible and is not on disk");
        }
    }
    for (const auto& device : devices_) device->check(witness_, all_is_quiet);
}

std::string Run::summary() const {
    std::size_t seen = 0;
    for (const auto& device : devices_) seen += device->seen();
    return std::to_string(life_) + " lives, " + std::to_string(witness_.entries().size()) +
           " entries, " + std::to_string(acknowledged_.size()) + " acknowledged, " +
           std::to_string(seen) + " deliveries";
}

}  // namespace eventbus::sim
