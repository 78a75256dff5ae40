#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "delivery/hub.h"
#include "event/pattern.h"
#include "log/memory_log.h"
#include "support/fake_clock.h"
#include "support/fake_executor.h"
#include "support/late_log.h"
#include "support/plain_binder.h"
#include "support/plans.h"
#include "support/position_literal.h"

// The whole hub against the obvious slow model: members come, go, join, leave, lose rights, keep
// them, resume, ask for histories and take what they get slowly, on two reactors, while the log
// answers late, out of order or not now. Each must get exactly what the list of all entries has for
// the rooms that it was in, once and in order.
namespace eventbus {
namespace {

using Random = std::mt19937;

class NoWaker final : public Tail::Waker {
    void wake_if_asleep() override {}
};

struct Shown {
    Position position;
    std::uint16_t variant = 0;
    bool is_history = false;
    friend bool operator==(const Shown&, const Shown&) = default;
};

class ShownEncoder final : public Encoder {
 public:
    SharedFrame encode(const Entry& entry, std::uint16_t variant, const As& as) override {
        return std::make_shared<const Frame>(Frame{to_string(entry.position) + " " +
                                                   std::to_string(variant) +
                                                   (as.is_history() ? " h" : "")});
    }
    static Shown read(const std::string& frame) {
        const std::size_t blank = frame.find(' ');
        return {Position(std::stoull(frame)),
                static_cast<std::uint16_t>(std::stoul(frame.substr(blank))), frame.ends_with('h')};
    }
};

struct Lane {
    Lane(LateLog& log, const Clock& clock, Coalesce coalesce)
        : reader({log, reactor, clock, waker}, 256), hub(reactor, clock, log, reader, coalesce) {}
    FakeExecutor reactor;
    NoWaker waker;
    LogReader reader;
    Hub hub;
};

// One membership of a client, with what it must have got.
class Life final : public Receiver {
 public:
    struct Membership {
        Position joined_at;
        Position read_at_join;  // what the reactor had read
    };
    using Rooms = std::map<Room, Membership>;
    // Rooms, as they are for entries after `after`.
    struct Change {
        Position after;
        Rooms rooms;
    };
    struct History {
        Room room;
        Position after;
        Position until;
        Rooms rooms;
        std::vector<Shown> got;
        bool is_disturbed = false;  // the rooms have changed before it was given
        bool is_given = false;
    };

    Life(Lane& on, Encoder& encoder, std::size_t room) : lane(on), room_(room) {
        id = lane.hub.add(*this, encoder);
        start = lane.hub.place(id).clear;
    }

    bool push(const SharedFrame& frame) override {
        ++queued;
        const Shown shown = ShownEncoder::read(frame->bytes);
        if (!shown.is_history) {
            in_order.push_back(shown);
            check_was_asked(shown.position);
            return true;
        }
        const auto history = std::ranges::find(histories, false, &History::is_given);
        if (history == histories.end()) {
            ADD_FAILURE() << "a history that nobody asked for, or that was given";
        } else {
            history->got.push_back(shown);
        }
        return true;
    }
    bool has_room() override { return queued < room_; }
    void on_caught_up(std::uint64_t) override { ++caught_up; }
    void on_gap(Position from, Position to) override { gaps.emplace_back(from, to); }
    void on_history_given(const Room& room) override {
        const auto history = std::ranges::find(histories, false, &History::is_given);
        ASSERT_NE(history, histories.end());
        EXPECT_EQ(history->room, room);
        history->is_given = true;
    }
    void on_evicted(std::string_view subject, Position at) override {
        ASSERT_FALSE(held) << "held twice";
        EXPECT_GE(lane.hub.place(id).clear, at - 1) << "held before it has come to the entry";
        held = Room::subject(subject);
        asked[*held] = lane.hub.cursor();
    }

    // ---- what the test does with it -------------------------------------------------------------

    void join(const Room& room, Position at) {
        if (lane.hub.join(id, room, at)) rooms[room] = {at, lane.hub.cursor()};
        changed();
    }
    void join_earlier(const Room& room, Position at) {
        lane.hub.join_earlier(id, room, at);
        if (rooms.contains(room)) rooms[room].joined_at = std::min(rooms[room].joined_at, at);
        changed();
    }
    void leave(const Room& room) {
        EXPECT_EQ(lane.hub.leave(id, room), rooms.erase(room) > 0);
        std::erase_if(histories, [&](const History& one) {
            return one.room == room && !one.is_given && one.got.empty();
        });
        for (History& one : histories) {
            if (one.room == room) one.is_given = one.is_disturbed = true;  // it ends with its room
        }
        changed();
    }
    void keep(Position since) {
        EXPECT_EQ(lane.hub.keep(id, *held, since), rooms.contains(*held));
        if (rooms.contains(*held)) {
            rooms[*held].joined_at = std::max(rooms[*held].joined_at, since);
        }
        changed();
    }
    void release() {
        held.reset();
        lane.hub.release(id);
    }
    void send_history(const Room& room, Position after) {
        const std::optional<Position> stands = lane.hub.history_at(id, room);
        ASSERT_EQ(lane.hub.send_history(id, room, after), !stands);
        if (!stands) return histories.push_back({room, after, lane.hub.place(id).clear, rooms, {}});
        if (after >= *stands) return;
        const auto again = std::ranges::find_if(
            histories, [&](const History& one) { return one.room == room && !one.is_given; });
        again->after = after;
        again->got.clear();
    }
    void changed() {
        for (History& one : histories) one.is_disturbed = one.is_disturbed || !one.is_given;
        changes.push_back({lane.hub.place(id).clear, rooms});
    }
    const Rooms& rooms_for(Position position) const {
        const Rooms* found = nullptr;
        for (const Change& change : changes) {
            if (change.after < position) found = &change.rooms;
        }
        static const Rooms kNone;
        return found == nullptr ? kNone : *found;
    }
    void check_was_asked(Position position);

    Lane& lane;
    ReceiverId id{};
    Position start;
    Rooms rooms;
    std::vector<Change> changes;
    std::vector<Shown> in_order;
    std::vector<History> histories;
    std::vector<std::pair<Position, Position>> gaps;
    std::optional<Room> held;
    std::map<Room, Position> asked;                      // about a subject, when this had been read
    const std::vector<SharedEntry>* evicting = nullptr;  // all entries that evict
    std::size_t queued = 0;
    std::size_t room_;
    int caught_up = 0;
    bool resumes = false;
};

// Nothing is given by a right that an entry before it, or itself, may have taken.
void Life::check_was_asked(Position position) {
    const Rooms& mine = rooms_for(position);
    for (const SharedEntry& entry : *evicting) {
        const Position at = entry->position;
        if (at <= start || at > position) continue;
        for (const Eviction& eviction : entry->evictions) {
            const auto watched = mine.find(Room::subject(eviction.subject));
            const auto who = mine.find(eviction.who);
            if (watched == mine.end() || who == mine.end()) continue;
            if (watched->second.joined_at >= at || watched->second.read_at_join >= at) continue;
            if (who->second.read_at_join >= at) continue;
            EXPECT_GE(asked[watched->first], at)
                << to_string(position) << " was given, and the right that " << to_string(at)
                << " took was not asked about";
        }
    }
}

class World {
 public:
    explicit World(unsigned seed)
        : random_(seed),
          lanes_{{late_, clock_, {}},
                 {late_, clock_,
                  Coalesce{std::chrono::milliseconds(2), std::chrono::milliseconds(5)}}} {
        log_.start();
        for (std::size_t i = 0; i < clients_.size(); ++i) begin(clients_[i], i);
    }

    void step() {
        Client& client = clients_[pick(clients_.size())];
        Life* const life = client.life.get();
        Lane& lane = lanes_[pick(2)];
        switch (pick(22)) {
            case 0:
                return drop_or_come_back(client);
            case 1:
            case 2:
            case 3:
                lane.hub.deliver();
                return;
            case 4:
            case 5:
                lane.reactor.run_one();
                return;
            case 6:
            case 7:
                if (late_.has_waiting()) late_.answer(random_(), pick(4) == 0);
                return;
            case 8:
            case 9:
                if (life == nullptr) return;
                life->queued = 0;
                return life->lane.hub.drained(life->id);
            case 10:
                if (life != nullptr) life->join(any_room(), any_place());
                return;
            case 11:
                if (life != nullptr && pick(2) == 0) life->leave(any_room());
                return;
            case 12:
                if (life != nullptr) life->join_earlier(any_room(), any_place());
                return;
            case 13: {
                const Room room = any_room();
                if (life == nullptr || !life->rooms.contains(room)) return;
                return life->send_history(room, any_place());
            }
            case 14:
            case 15:
                if (life != nullptr && life->held) answer(*life);
                return;
            case 16:
                clock_.advance(std::chrono::milliseconds(pick(20)));
                return;
            case 17:
                if (pick(20) == 0) fill();
                return;
            case 18:
                if (pick(30) == 0) retain();
                return;
            default:
                return publish();
        }
    }

    // Everything that waits comes, and then all that must have come is compared.
    void finish() {
        for (Client& client : clients_) {
            if (!client.life) drop_or_come_back(client);
        }
        for (int quiet = 0; quiet < 3;) {
            clock_.advance(std::chrono::seconds(2));
            bool did = false;
            while (late_.has_waiting()) {
                late_.answer(random_(), false);
                did = true;
            }
            for (Lane& lane : lanes_) {
                while (lane.reactor.run_one()) {
                }
                did = lane.hub.deliver().more != Hub::More::kNo || did;
            }
            for (Client& client : clients_) {
                client.life->queued = 0;
                client.life->lane.hub.drained(client.life->id);
                if (client.life->held) answer(*client.life);
            }
            for (Lane& lane : lanes_) did = lane.reactor.waiting() > 0 || did;
            quiet = did ? 0 : quiet + 1;
        }
        for (Client& client : clients_) {
            EXPECT_EQ(client.life->lane.hub.place(client.life->id).clear, log_.frontier());
            EXPECT_EQ(client.life->caught_up, client.life->resumes ? 1 : 0);
            check(*client.life, log_.frontier());
        }
        for (Lane& lane : lanes_) EXPECT_EQ(lane.hub.probe().behind.get(), 0u);
    }

    std::size_t reads() const { return late_.reads; }
    std::uint64_t evictions() const {
        return lanes_[0].hub.probe().evictions.get() + lanes_[1].hub.probe().evictions.get();
    }

 private:
    struct Client {
        std::unique_ptr<Life> life;
        // Its session while it is away.
        Life::Rooms rooms;
        Place place;
        Position seen;  // by the client itself
    };

    std::size_t pick(std::size_t below) { return random_() % below; }
    Room any_room() { return rooms_[pick(rooms_.size())]; }
    Position any_place() { return Position(pick(log_.frontier().number() + 1)); }

    void begin(Client& client, std::size_t which) {
        client.life = std::make_unique<Life>(lanes_[which % 2], encoder_, which % 3 == 0 ? 3 : 40);
        client.life->evicting = &evicting_;
        client.life->join(which % 2 == 0 ? Room::user("alice") : Room::user("bob"), 0_pos);
        client.life->join(Room::everyone(), 0_pos);
    }

    void drop_or_come_back(Client& client) {
        if (client.life) {
            Life& life = *client.life;
            client.place = life.lane.hub.place(life.id);
            client.rooms = life.rooms;
            check(life, client.place.clear);
            // The last frames may have been lost on the way.
            const std::size_t lost = pick(3) == 0 ? std::min(pick(4), life.in_order.size()) : 0;
            client.seen = life.start;
            if (life.in_order.size() > lost) {
                client.seen = life.in_order[life.in_order.size() - 1 - lost].position;
            }
            if (lost == 0) client.seen = std::max(client.seen, client.place.given);
            life.lane.hub.remove(life.id);
            client.life.reset();
            return;
        }
        const auto which = static_cast<std::size_t>(&client - clients_.data());
        Lane& lane = lanes_[pick(2)];
        client.life = std::make_unique<Life>(lane, encoder_, which % 3 == 0 ? 3 : 40);
        Life& life = *client.life;
        life.evicting = &evicting_;
        life.start = client.seen >= client.place.given ? std::max(client.seen, client.place.clear)
                                                       : client.seen;
        lane.hub.resume(life.id, life.start);
        life.resumes = true;
        for (const auto& [room, membership] : client.rooms) life.join(room, membership.joined_at);
        for (const auto& [room, membership] : client.rooms) {
            if (room.is_subject()) lane.hub.evict_if_late(life.id, room.name(), lane.hub.cursor());
        }
    }

    void answer(Life& life) {
        if (pick(2) == 0) {
            life.leave(*life.held);
        } else {
            life.keep(pick(2) == 0 ? 0_pos : any_place());
        }
        life.release();
    }

    void publish() {
        Plan plan =
            make_plan("e" + std::to_string(++published_), pick(2) == 0 ? "photo:1" : "photo:2",
                      pick(2) == 0 ? "photo.uploaded" : "photo.processing.done");
        plan.variants = {"{\"v\":1}", "{\"v\":2}"};
        if (pick(4) == 0) plan.durability = Durability::kTransient;
        plan.latest = pick(3) == 0;
        std::vector<Room> to = rooms_;
        std::ranges::shuffle(to, random_);
        to.erase(to.begin() + static_cast<std::ptrdiff_t>(pick(3)), to.end());
        for (const Room& room : to) {
            if (room.is_pattern()) continue;
            plan.audience.push_back({.room = room, .variant = static_cast<std::uint16_t>(pick(3))});
        }
        if (pick(12) == 0) {
            plan.durability = Durability::kDurable;
            plan.grants = {
                {.who = pick(2) == 0 ? Room::user("alice") : Room::user("bob"), .revoke = true}};
        }
        // Some go to the same rooms as the one before: a run.
        if (pick(2) == 0) {
            plan.audience = last_audience_;
        } else {
            last_audience_ = plan.audience;
        }
        append(std::move(plan));
    }
    // So much that the memory of the tail begins behind it.
    void fill() {
        for (int i = 0; i < 600; ++i) {
            Plan plan = make_plan("f" + std::to_string(++published_));
            plan.audience = {{.room = Room::user("nobody")}};
            append(std::move(plan));
        }
        for (Lane& lane : lanes_) {
            if (pick(2) == 0) continue;
            while (lane.hub.cursor() < log_.frontier()) {
                lane.hub.deliver();
                clock_.advance(std::chrono::milliseconds(6));
            }
        }
    }
    void retain() {
        const Position through = any_place();
        if (through <= retained_) return;
        retained_ = through;
        log_.retain_after(through);
    }
    void append(Plan plan) {
        std::vector<Plan> plans;
        plans.push_back(std::move(plan));
        log_.append(std::move(plans), publisher_, [](const auto&) {});
        while (const SharedEntry* const entry = witness_.next()) {
            entries_[(*entry)->position] = *entry;
            if (!(*entry)->evictions.empty()) evicting_.push_back(*entry);
        }
    }

    // What an entry is shown as to who is in `rooms`: the slow way.
    static std::optional<std::uint16_t> shown_as(const Entry& entry, const Life::Rooms& rooms,
                                                 const Room* only) {
        bool is_wanted = only == nullptr || *only == Room::subject(entry.event.subject);
        std::optional<std::uint16_t> variant;
        const auto look = [&](const Room& room, std::uint16_t as) {
            const auto in = rooms.find(room);
            if (in == rooms.end()) return;
            const bool from_ever = only != nullptr && room.is_of_people();
            if (!from_ever && in->second.joined_at >= entry.position) return;
            if (!variant) variant = as;
            if (only != nullptr && room == *only) is_wanted = true;
        };
        for (const auto& [room, membership] : rooms) {
            if (room.is_pattern() && matches(room.name(), entry.event.type)) look(room, 0);
        }
        for (const Delivery& delivery : entry.deliveries) look(delivery.room, delivery.variant);
        return is_wanted ? variant : std::nullopt;
    }

    void check(const Life& life, Position through) const {
        const auto is_excused = [&](const Entry& entry) {
            if (entry.durability == Durability::kTransient) return true;  // if it was behind
            return std::ranges::any_of(life.gaps, [&](const auto& gap) {
                return entry.position > gap.first && entry.position <= gap.second;
            });
        };
        std::size_t at = 0;
        for (auto entry = entries_.upper_bound(life.start);
             entry != entries_.end() && entry->first <= through; ++entry) {
            const auto variant = shown_as(*entry->second, life.rooms_for(entry->first), nullptr);
            const bool came =
                at < life.in_order.size() && life.in_order[at].position == entry->first;
            if (came) {
                ASSERT_TRUE(variant) << to_string(entry->first) << " is not for it";
                ASSERT_EQ(life.in_order[at].variant, *variant) << to_string(entry->first);
                ++at;
            } else if (variant) {
                ASSERT_TRUE(is_excused(*entry->second)) << to_string(entry->first) << " is missing";
            }
        }
        ASSERT_EQ(at, life.in_order.size())
            << "twice, out of order or too much: " << to_string(life.in_order[at].position)
            << " after " << to_string(life.start) << " through " << to_string(through);
        for (const Life::History& history : life.histories) check(life, history);
    }

    void check(const Life& life, const Life::History& history) const {
        Position last = history.after;
        for (const Shown& shown : history.got) {
            ASSERT_GT(shown.position, last) << "a history out of order";
            ASSERT_LE(shown.position, history.until) << "a history too long";
            last = shown.position;
        }
        if (history.is_disturbed || !history.is_given || !life.gaps.empty()) return;
        std::size_t at = 0;
        for (auto entry = entries_.upper_bound(history.after);
             entry != entries_.end() && entry->first <= history.until; ++entry) {
            const auto variant = shown_as(*entry->second, history.rooms, &history.room);
            const bool came = at < history.got.size() && history.got[at].position == entry->first;
            if (came) {
                ASSERT_EQ(variant, history.got[at].variant) << to_string(entry->first);
                ++at;
            } else if (variant && entry->second->durability == Durability::kDurable) {
                FAIL() << to_string(entry->first) << " is missing in a history";
            }
        }
        ASSERT_EQ(at, history.got.size()) << "not of the room";
    }
    Random random_;
    FakeClock clock_;
    FakeExecutor publisher_;
    PlainBinder binder_;
    MemoryDisk disk_;
    MemoryLog log_{disk_, binder_, clock_, {}};
    LateLog late_{log_};
    ShownEncoder encoder_;
    NoWaker waker_;
    TailReader witness_{log_.tail(), waker_, 256};
    Lane lanes_[2];
    const std::vector<Room> rooms_ = {Room::subject("photo:1"), Room::subject("photo:2"),
                                      Room::user("alice"),      Room::user("bob"),
                                      Room::everyone(),         Room::pattern("photo.*")};
    std::vector<Client> clients_ = std::vector<Client>(6);
    std::map<Position, SharedEntry> entries_;
    std::vector<SharedEntry> evicting_;
    std::vector<Target> last_audience_;
    Position retained_;
    int published_ = 0;
};

TEST(HubRandom, EachGetsWhatTheListOfAllEntriesHasForItOnceAndInOrder) {
    const char* const only = std::getenv("HUB_SEED");
    const unsigned first = only == nullptr ? 1 : static_cast<unsigned>(std::atoi(only));
    const char* const count = std::getenv("HUB_SEEDS");
    const unsigned seeds = count == nullptr ? 60 : static_cast<unsigned>(std::atoi(count));
    std::uint64_t reads = 0;
    std::uint64_t evictions = 0;
    for (unsigned seed = first; seed < first + (only == nullptr ? seeds : 1); ++seed) {
        SCOPED_TRACE(testing::Message() << "HUB_SEED=" << seed);
        World world(seed);
        for (int step = 0; step < 2'000; ++step) world.step();
        world.finish();
        if (testing::Test::HasFailure()) return;
        reads += world.reads();
        evictions += world.evictions();
    }
    if (only != nullptr) return;
    EXPECT_GT(reads, seeds) << "these steps hardly read the log";
    EXPECT_GT(evictions, seeds) << "these steps hardly take rights";
}

}  // namespace
}  // namespace eventbus
