#include "sim/server.h"

#include <string>
#include <utility>

#include "catalog/loader.h"

namespace eventbus::sim {
namespace {

constexpr const char* kEvents = R"(
events:
  photo.uploaded:
    subject: photo:{data.photo}
    owner: user:{data.user}
    audience: [owner, watchers]
  photo.progress:
    subject: photo:{data.photo}
    audience: [owner, watchers]
    durability: transient
    latest: true
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
  system.alert: { audience: ["role:admin"] }
  system.notice: { audience: [everyone] }
)";

std::shared_ptr<const Catalog> load(const std::string& rest) {
    Loaded loaded = parse_catalog(kEvents + rest, "simulation");
    for (const Problem& problem : loaded.problems) {
        if (!problem.warning) fail(problem.text());
    }
    return loaded.catalog;
}

}  // namespace

std::shared_ptr<const Catalog> catalog(bool gives) {
    static const auto kGives = load("rooms: { photo: { watch: [owner, \"role:friend\"] } }\n");
    static const auto kTakes = load(
        "rooms: { photo: { watch: [owner] } }\ndefaults: { consume: [\"service:workers\"] }\n");
    return gives ? kGives : kTakes;
}

Server::Server(Machine& machine, SimClock& clock, Random& random, Coalesce coalesce,
               Witness& witness)
    : machine_(machine), witness_(witness) {
    machine_.begin_life();
    reader_ = std::make_unique<TailReader>(machine_.log().tail(), waker_, 1'000);
    std::vector<StoredGroup> known = *machine_.groups().load(machine_.log().epochs());
    GroupNames names(10);
    for (const StoredGroup& group : known) names.restore(group);
    auto stored = GroupsDirectory::split(std::move(known), kLanes);
    std::vector<GroupsDirectory::Home> homes;
    for (std::size_t i = 0; i < kLanes; ++i) {
        Lane& lane = *lanes_.emplace_back(
            std::make_unique<Lane>(Lane::Context{i, machine, clock, random, coalesce},
                                   catalog(witness.catalog_gives()), std::move(stored[i])));
        homes.push_back({&lane.reactor(), &lane.groups()});
    }
    directory_ = std::make_unique<GroupsDirectory>(std::move(homes), std::move(names));
    for (const auto& lane : lanes_) lane->begin(*directory_);
    witness_.begin_life();
    machine_.start();
    look();
}

// By kill -9.
Server::~Server() {
    machine_.kill();
    for (const auto& lane : lanes_) lane->end_all();
    machine_.stop();
    for (const auto& lane : lanes_) lane->reactor().forget();
    lanes_.clear();
    reader_.reset();
    machine_.end_life();
}

void Server::look() {
    while (const SharedEntry* entry = reader_->next()) witness_.see(*entry);
}

std::uint64_t Server::lost_transient() const {
    std::uint64_t lost = 0;
    for (const auto& lane : lanes_) {
        for (const Groups::Status& status : lane->groups().statuses()) {
            lost += status.totals.lost_transient;
        }
    }
    return lost;
}

bool Server::groups_rest() const {
    for (const auto& lane : lanes_) {
        for (const Groups::Status& status : lane->groups().statuses()) {
            if (status.lag > 0 || status.in_flight > 0) return false;
        }
    }
    return true;
}

}  // namespace eventbus::sim
