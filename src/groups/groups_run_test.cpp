// Random lives of groups, with a log and a store that answer late, out of order and with failures.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "event/pattern.h"
#include "support/group_node.h"
#include "support/position_literal.h"

namespace eventbus {
namespace {

using namespace std::chrono_literals;

class GroupsRun : public testing::TestWithParam<std::uint64_t> {
 protected:
    std::mt19937_64 dice_{GetParam()};
    std::uint64_t below(std::uint64_t n) { return dice_() % n; }

    struct Seen {
        std::set<std::uint32_t> attempts;
        std::uint32_t acked = 0;  // the attempt whose ack was answered
    };
    struct Client {
        MemberId id{};
        GroupKey key;
        std::size_t reactor = 0;
        std::vector<std::string> has;
    };
    ListLog log_;
    MemoryGroupStore disk_;
    LateGroupStore store_{disk_};
    FakeClock clock_;
    SeededRandom random_{GetParam()};
    Node::Settings settings_;
    std::unique_ptr<Node> node_;
    const std::vector<GroupKey> keys_{{"g", "a.*"}, {"h", "a.x"}, {"g", "**"}};
    std::map<std::pair<GroupKey, Position>, Seen> seen_;
    std::map<GroupKey, Position> began_;
    std::set<Position> durable_;
    std::vector<std::pair<Position, std::string>> published_;  // and the type
    std::uint64_t next_member_ = 1;
    std::vector<Client> clients_;

    // `waiting_max`: so many failed events stop a group.
    void start(std::size_t waiting_max) {
        clients_.clear();
        node_.reset();
        store_.forget();
        settings_.groups.pending_max = 1 + below(10);
        settings_.groups.page_max = 1 + below(6);
        settings_.groups.in_flight_max = 5 + below(40);
        settings_.groups.waiting_max = waiting_max;
        settings_.groups.entries_per_turn = 1 + below(8);
        settings_.reactors = 1 + below(3);
        settings_.tail_entries_max = below(2) == 0 ? 0 : 1000;
        settings_.recent = below(300);
        node_ = std::make_unique<Node>(log_, store_, clock_, random_, settings_);
    }
    void publish() {
        const char* const types[] = {"a.x", "a.y", "b"};
        const bool is_transient = below(3) == 0;
        const std::string type = types[below(3)];
        const Position position = log_.publish(ListLog::Made{
            .type = type, .is_transient = is_transient, .bytes = below(20) == 0 ? 70'000u : 10u});
        if (!is_transient) durable_.insert(position);
        published_.emplace_back(position, type);
    }
    void join(const GroupKey& key) {
        const std::size_t reactor = below(node_->reactors.size());
        const MemberId id{next_member_++};
        clients_.push_back({id, key, reactor, {}});
        Node::Reactor& r = node_->at(reactor);
        node_->directory->post_subscribe(
            {.id = id,
             .group = key,
             .service = key.name,
             .terms = {.max_in_flight = 1 + below(5), .bytes_max = 100'000},
             .way = {&r.executor, &r.inbox}},
            r.executor, [this, key, id](Result<GroupJoined> result) {
                if (result) {
                    began_.emplace(key, result->cursor);
                    return;
                }
                EXPECT_EQ(result.error().code, ErrorCode::kUnavailable);
                std::erase_if(clients_, [&](const Client& client) { return client.id == id; });
            });
    }
    void receive() {
        for (auto& r : node_->reactors) {
            for (const GroupDelivery& d : std::exchange(r->inbox.got, {})) {
                Seen& seen = seen_[{*d.group, d.entry->position}];
                // One that was on its way to a slower reactor may come behind a later one.
                EXPECT_TRUE(seen.acked == 0 || d.attempt < seen.acked)
                    << d.delivery << " came after its ack was answered";
                EXPECT_TRUE(seen.attempts.insert(d.attempt).second) << d.delivery;
                EXPECT_TRUE(began_.contains(*d.group)) << "a delivery before the answer";
                for (Client& client : clients_) {
                    if (client.id == d.member) client.has.push_back(d.delivery);
                }
            }
            EXPECT_TRUE(r->inbox.ended.empty());
        }
    }
    void settle(Client& client, bool ack) {
        if (client.has.empty()) return;
        const std::size_t which = below(client.has.size());
        const std::string delivery = client.has[which];
        client.has.erase(client.has.begin() + static_cast<std::ptrdiff_t>(which));
        Executor& here = node_->at(client.reactor).executor;
        if (!ack) {
            node_->directory->post_nack(client.id, delivery, std::nullopt, here, {});
            return;
        }
        const auto answered = [this, id = client.id, delivery](const Result<>& result) {
            if (result) {
                const DeliveryId done = *parse_delivery_id(delivery);
                seen_[{done.group, done.position}].acked = done.attempt;
            } else if (result.error().code == ErrorCode::kUnavailable) {
                for (Client& other : clients_) {  // it asks again
                    if (other.id == id) other.has.push_back(delivery);
                }
            }
        };
        node_->directory->post_ack(client.id, delivery, here, answered);
    }
    void run_some() {
        for (std::uint64_t n = below(30); n > 0; --n) {
            Node::Reactor& r = node_->at(below(node_->reactors.size()));
            if (r.executor.run_one()) Node::turn(r);
        }
        receive();
    }
    void answer_some(std::uint64_t failures_of_100) {
        for (std::uint64_t n = below(4); n > 0 && store_.waiting() > 0; --n) {
            store_.write_one(below(store_.waiting()), below(100) < failures_of_100);
        }
        for (std::uint64_t n = below(4); n > 0 && log_.held_reads() > 0; --n) {
            log_.answer_read(below(log_.held_reads()));
        }
        for (auto& r : node_->reactors) {
            if (below(2) == 0) r->inbox.see();
        }
    }
    // Time passes in so many steps, and the clients acknowledge all that they get.
    void handle_all(int steps) {
        for (int i = 0; i < steps; ++i) {
            clock_.advance(500ms);
            run_all();
            for (Client& client : clients_) {
                while (!client.has.empty()) settle(client, true);
            }
            run_all();
        }
    }
    // Everything is answered, in order, until there is nothing more to do now.
    void run_all() {
        for (bool any = true; any;) {
            node_->show_and_run();
            any = store_.waiting() > 0 || log_.held_reads() > 0;
            while (store_.waiting() > 0) store_.write_one(0, false);
            while (log_.held_reads() > 0) log_.answer_read(0);
            for (auto& r : node_->reactors) {
                any = any || !r->inbox.held.empty();
                r->inbox.see();
            }
        }
        receive();
    }
    void step() {
        Client* client = clients_.empty() ? nullptr : &clients_[below(clients_.size())];
        switch (below(20)) {
            case 0:
                if (clients_.size() < 8) join(keys_[below(keys_.size())]);
                break;
            case 1:
                if (client == nullptr || below(3) > 0) break;
                node_->directory->post_member_gone(client->id);
                clients_.erase(clients_.begin() + (client - clients_.data()));
                break;
            case 2:
                if (below(20) == 0) start(30 + below(40));  // kill -9
                break;
            case 3:
                clock_.advance(std::chrono::milliseconds(below(below(8) == 0 ? 35'000 : 300)));
                for (auto& r : node_->reactors) Node::turn(*r);
                break;
            case 4:
                log_.fail_reads = below(4) == 0;
                log_.hold_reads = below(4) > 0;
                for (auto& r : node_->reactors) r->inbox.hold_sight = below(2) == 0;
                break;
            case 5:
            case 6:
            case 7:
                for (std::uint64_t n = below(6); n > 0; --n) publish();
                break;
            case 8:
            case 9:
                Node::turn(node_->at(below(node_->reactors.size())));
                break;
            case 10:
            case 11:
                answer_some(5);
                break;
            case 12:
            case 13:
            case 14:
                if (client != nullptr) settle(*client, below(5) > 0);
                break;
            default:
                run_some();
        }
    }
};

TEST_P(GroupsRun, NothingIsLostUnsaidAndNothingComesAfterItsAck) {
    SCOPED_TRACE(testing::Message() << "seed " << GetParam());
    start(30 + below(40));
    for (const GroupKey& key : keys_) join(key);
    run_all();
    ASSERT_EQ(began_.size(), keys_.size());

    for (int i = 0; i < 3000; ++i) step();

    log_.fail_reads = false;
    log_.hold_reads = false;
    start(100'000);
    for (const GroupKey& key : keys_) join(key);
    handle_all(4000);
    for (auto& r : node_->reactors) {
        for (const Groups::Status& status : r->groups->statuses()) {
            EXPECT_EQ(status.lag, 0u) << to_string(status.key);
            EXPECT_EQ(status.in_flight, 0u) << to_string(status.key);
            EXPECT_EQ(status.totals.expired, 0u) << to_string(status.key);
            EXPECT_GE(status.cursor, *durable_.rbegin()) << to_string(status.key);
        }
        for (const auto& group : r->listed) EXPECT_EQ(group->stalls.get(), 0u);
    }
    for (const SharedEntry& entry : log_.entries()) {
        if (!durable_.contains(entry->position)) continue;
        for (const GroupKey& key : keys_) {
            if (!matches(key.topic, entry->event.type) || entry->position <= began_[key]) continue;
            // An ack may have been written by a process that died before it answered.
            const bool came = !seen_[{key, entry->position}].attempts.empty();
            EXPECT_TRUE(came) << to_string(key) << " never saw " << to_string(entry->position);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, GroupsRun, testing::Range<std::uint64_t>(1, 31));

// In one life, each transient event comes or is counted as lost, and so does each durable one.
TEST_P(GroupsRun, InOneLifeEveryEventComesOrIsCounted) {
    SCOPED_TRACE(testing::Message() << "seed " << GetParam());
    start(30 + below(40));
    for (const GroupKey& key : keys_) join(key);
    run_all();
    Position retained;
    for (int i = 0; i < 2000; ++i) {
        switch (below(8)) {
            case 0:
            case 1:
                for (std::uint64_t n = below(12); n > 0; --n) publish();
                break;
            case 2: {
                Client& client = clients_[below(clients_.size())];
                settle(client, below(4) > 0);
                break;
            }
            case 3: {  // away for a while
                const std::size_t which = below(clients_.size());
                const GroupKey key = clients_[which].key;
                if (below(10) > 0) break;
                node_->directory->post_member_gone(clients_[which].id);
                clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(which));
                join(key);
                break;
            }
            case 4:
                clock_.advance(std::chrono::milliseconds(below(2000)));
                break;
            case 5:
                if (below(40) > 0 || log_.entries().empty()) break;
                retained = log_.entries()[log_.entries().size() / 2]->position;
                log_.retain_after(retained);
                break;
            default:
                for (auto& r : node_->reactors) Node::turn(*r);
                node_->run();
                answer_some(0);
        }
        receive();
    }
    handle_all(3000);
    for (auto& r : node_->reactors) {
        for (const Groups::Status& status : r->groups->statuses()) {
            SCOPED_TRACE(to_string(status.key));
            EXPECT_EQ(status.lag, 0u);
            EXPECT_EQ(status.in_flight, 0u);
            std::uint64_t never_came = 0;
            std::uint64_t never_acked = 0;
            for (const auto& [position, type] : published_) {
                if (!matches(status.key.topic, type) || position <= began_[status.key]) continue;
                const Seen& seen = seen_[{status.key, position}];
                if (seen.attempts.empty()) ++never_came;
                if (seen.acked == 0) ++never_acked;
                const bool is_kept = durable_.contains(position) && position > retained;
                EXPECT_TRUE(!is_kept || seen.acked > 0) << to_string(position);
            }
            const std::uint64_t gone = status.totals.expired + status.totals.lost_transient;
            EXPECT_LE(never_came, gone);
            EXPECT_LE(gone, never_acked);
        }
    }
}

}  // namespace
}  // namespace eventbus
