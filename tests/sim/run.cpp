#include "sim/run.h"

#include <algorithm>
#include <utility>

#include "sim/trace.h"

namespace eventbus::sim {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kRetained = 80;  // positions
constexpr const char* kService = "auditor";
constexpr const char* kPlainUser = "u3";  // never has a role

constexpr Coalesce kCoalesces[] = {{},
                                   {milliseconds(4), milliseconds(0)},
                                   {milliseconds(4), milliseconds(15)},
                                   {milliseconds(15), milliseconds(4)}};

SharedPrincipal user(std::uint64_t number) {
    Principal principal{.id = "u" + std::to_string(number)};
    if (number == 0) principal.roles = {"admin"};
    if (number == 1) principal.roles = {"friend"};
    return std::make_shared<const Principal>(std::move(principal));
}

SharedPrincipal service(const char* name) {
    return std::make_shared<const Principal>(
        Principal{.kind = Principal::Kind::kService, .id = name});
}

}  // namespace

Run::Run(std::uint64_t seed, bool is_embedded, Faults faults)
    : faults_(faults),
      chance_(seed),
      machine_(is_embedded ? embedded_machine(clock_, chance_.random()) : memory_machine(clock_)),
      coalesce_(kCoalesces[chance_.below(std::size(kCoalesces))]) {
    if (is_embedded) clock_.let_looks_be_free();
    for (std::uint64_t i = 0; i < kUsers; ++i) {
        const std::string id = "u" + std::to_string(i);
        devices_.push_back(std::make_unique<Device>(witness_, id + "-phone", user(i), true));
        devices_.push_back(std::make_unique<Device>(witness_, id + "-laptop", user(i), false));
    }
    devices_.push_back(std::make_unique<Device>(witness_, kService, service(kService), false));
    for (int i = 0; i < 3; ++i) {
        workers_.push_back(std::make_unique<Worker>(witness_, group_, service("workers")));
    }
    begin_life();
}

Run::~Run() = default;

void Run::begin_life() {
    ++life_;
    server_ = std::make_unique<Server>(*machine_, clock_, chance_.random(), coalesce_, witness_);
    group_.begin_life(machine_->log().frontier());
}

void Run::kill(bool restores) {
    trace(restores ? "kill, and restore" : "kill");
    server_.reset();
    is_broken_ = false;
    for (const auto& device : devices_) device->server_died();
    for (const auto& worker : workers_) worker->drop(false);
    for (auto& [id, publish] : unanswered_) publish.is_under_way = false;
    if (restores) {
        machine_->restore();
        witness_.forget_after(copied_through_);
        group_.restored();
        witness_.lost_through = copy_lost_through_;
        std::erase_if(acknowledged_, [&](const auto& one) { return one.second > copied_through_; });
        for (const auto& device : devices_) device->restored();
    }
    begin_life();
}

// ---- a step -------------------------------------------------------------------------------------

void Run::step() {
    trouble();
    trouble_with_clients();
    switch (chance_.below(6)) {
        case 0:
            act();
            break;
        case 1:
            clock_.advance(std::chrono::microseconds(chance_.below(3'000)));
            break;
        default:
            move_something();
    }
    server_->look();
}

void Run::trouble() {
    if (chance_.happens(faults_.kill)) return kill(false);
    if (chance_.happens(faults_.copy)) {
        machine_->copy();
        for (const auto& device : devices_) device->account().copied();
        copied_through_ = machine_->log().frontier();
        copy_lost_through_ = witness_.lost_through;
    }
    if (machine_->has_copy() && chance_.happens(faults_.restore)) return kill(true);
    if (is_broken_ ? chance_.one_in(50) : chance_.happens(faults_.failed_sync)) {
        machine_->set_broken(is_broken_ = !is_broken_);
    }
    if (chance_.happens(faults_.full_disk)) machine_->set_full(is_full_ = !is_full_);
    witness_.note_disk(!is_full_ && !is_broken_);
    if (chance_.happens(faults_.slow_disk)) machine_->set_slow(is_slow_ = !is_slow_);
    if (chance_.happens(faults_.retention)) retain(kRetained);
    if (chance_.happens(faults_.reload)) reload();
    if (chance_.happens(faults_.long_time)) let_long_time_pass();
}

// Takes all but so many positions.
void Run::retain(std::uint64_t positions) {
    const Position frontier = machine_->log().frontier();
    if (frontier <= Position(positions)) return;
    trace([&] { return "retention takes all up to " + to_string(frontier - positions); });
    witness_.lost_through =
        std::max(witness_.lost_through, machine_->retain_after(frontier - positions));
}

void Run::reload() {
    const bool gives = !witness_.catalog_gives();
    trace(gives ? "reload: gives" : "reload: takes");
    // What is published at this moment may be judged by the catalog before.
    witness_.reload(gives, machine_->log().frontier() + unanswered_.size());
    for (std::size_t i = 0; i < Server::kLanes; ++i) server_->lane(i).set_catalog(catalog(gives));
}

// Sessions expire by it whose clients are not there, and publishers give up. Or the wall clock is
// set, which ends nothing.
void Run::let_long_time_pass() {
    constexpr auto kLong = std::chrono::hours(25);
    trace("a long time passes, or the wall clock is set");
    if (chance_.one_in(2)) return clock_.step_wall(chance_.one_in(2) ? kLong : -kLong);
    clock_.advance(kLong);
    for (const auto& [id, publish] : std::exchange(unanswered_, {})) given_up_.insert(id);
    for (const auto& worker : workers_) worker->drop(true);  // what they have is taken from them
    for (const auto& device : devices_) {
        if (!device->is_in()) device->may_be_forgotten = true;
    }
}

void Run::trouble_with_clients() {
    if (chance_.happens(faults_.drop)) cut(any_device());
    if (chance_.happens(faults_.drop)) any_device().let_server_notice();
    if (chance_.happens(faults_.drop)) any_worker().drop(true);
    if (chance_.happens(faults_.slow_client)) any_device().is_stuck = true;
}

void Run::cut(Device& device) {
    device.cut();
    // Whoever of the same user is about to begin a session may push it out.
    for (const auto& other : devices_) {
        if (other->user() == device.user() && other->is_new()) device.may_be_forgotten = true;
    }
}

// ---- people -------------------------------------------------------------------------------------

std::vector<std::string> Run::any_topics(const Device& device) {
    std::vector<std::string> topics;
    for (std::uint64_t i = 1 + chance_.below(4); i > 0; --i) {
        const bool is_service = device.user() == kService;
        topics.push_back(is_service ? (chance_.one_in(2) ? "photo.*" : "photo.completed")
                                    : any_photo(device));
    }
    return topics;
}

// Of two, rather the one that it may watch: most others are refused.
std::string Run::any_photo(const Device& device) {
    const std::string photo = chance_.any("photo:p", kPhotos);
    const bool may_watch = witness_.watches_since(photo, device.user()) != kEndOfTime;
    return may_watch ? photo : chance_.any("photo:p", kPhotos);
}

void Run::act() {
    Device& device = any_device();
    if (device.is_away()) return connect(device);
    Worker& worker = any_worker();
    if (worker.is_away()) worker.connect(any_lane());
    const std::uint64_t what = chance_.below(100);
    if (what < 46 || !device.is_in()) return publish_something();
    if (what < 50) return device.may_refresh() ? device.refresh(any_token(device)) : void();
    if (what < 80) return device.subscribe(any_topics(device), chance_.one_in(2));
    if (what < 97) {
        std::vector<std::string> topics = device.topics();
        std::erase_if(topics, [&](const std::string&) { return chance_.one_in(2); });
        device.unsubscribe(topics);
        // At once again, some of them: the last word counts.
        std::erase_if(topics, [&](const std::string&) { return chance_.one_in(2); });
        if (!topics.empty()) device.subscribe(topics, false);
        return;
    }
    if (what < 98) return device.leave();
    device.cut();
    device.forget_session();
}

// Another one for its user, with other roles or the same.
SharedPrincipal Run::any_token(const Device& device) {
    Principal principal = device.principal();
    if (device.user() != kPlainUser && device.user() != kService) {
        principal.roles.clear();
        for (const char* role : {"admin", "friend"}) {
            if (chance_.one_in(2)) principal.roles.emplace_back(role);
        }
    }
    return std::make_shared<const Principal>(std::move(principal));
}

void Run::connect(Device& device) {
    if (chance_.one_in(8) && device.may_change_token()) device.come_as(any_token(device));
    const bool is_twice = !device.pid().empty() && chance_.one_in(4);
    if (!device.pid().empty() && chance_.one_in(6)) device.give_up_connect();
    if (is_twice) {
        device.connect_twice(any_lane(), any_lane(), chance_.one_in(2));
    } else {
        device.connect(any_lane(),
                       chance_.one_in(3) ? any_topics(device) : std::vector<std::string>(),
                       chance_.one_in(2));
    }
    if (!device.is_new()) return;
    for (const auto& other : devices_) {
        if (other->user() == device.user() && !other->is_in()) other->may_be_forgotten = true;
    }
}

// ---- time ---------------------------------------------------------------------------------------

// One step of a thread, the machine or the network.
void Run::move_something() {
    switch (chance_.below(4)) {
        case 0:
            machine_->move(chance_);
            return;
        case 1: {
            Worker& worker = any_worker();
            if (worker.is_closed()) worker.drop(true);
            if (worker.has_messages()) worker.take_message();
            if (worker.has_events() && chance_.one_in(2)) worker.answer_one(chance_, true);
            return;
        }
        case 2: {
            Lane& lane = any_lane();
            if (lane.reactor().has_work()) lane.reactor().turn(chance_.below(4));
            return;
        }
        default: {
            Device& device = any_device();
            if (device.must_drop()) return device.cut();
            if (device.is_stuck && !chance_.one_in(20)) return;
            device.is_stuck = false;
            for (std::uint64_t i = chance_.below(12); i > 0 && device.has_messages(); --i) {
                device.take_message();
            }
            if (device.has_messages() && chance_.one_in(60)) cut(device);
        }
    }
}

}  // namespace eventbus::sim
