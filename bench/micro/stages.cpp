#include "micro/stages.h"

#include <array>
#include <cstdlib>
#include <memory>
#include <span>
#include <utility>

#include "auth/jwt.h"
#include "base/assert.h"
#include "bus/subjects.h"
#include "catalog/loader.h"
#include "catalog/planner.h"
#include "delivery/hub.h"
#include "event/event_reader.h"
#include "gateway/encode.h"
#include "log/log_reader.h"
#include "log/memory_log.h"
#include "support/fake_clock.h"
#include "support/fake_executor.h"
#include "wire/socketio.h"
#include "wire/websocket.h"

namespace eventbus::bench {
namespace {

constexpr unsigned kMembers = 1000;
constexpr std::string_view kSecret = "a secret of the bench, 32 bytes or more";
constexpr std::string_view kCatalog = R"(
events:
  photo.processing.progress:
    subject: photo:{data.photoId}
    audience: [watchers]
    emit: photo:processing.update
    durability: transient
rooms: { photo: { watch: [owner, permission] } }
)";
constexpr std::string_view kEvent =
    R"({"type":"photo.processing.progress","data":{"photoId":"123","progress":50,)"
    R"("stage":"thumbnails","message":"Creating thumbnails","seq":1234,"t":123456789012345}})";

Event make_event() {
    EventReader reader;
    Event event = std::move(*reader.read_event(kEvent));
    event.id = "01J0000000000000000000000A";
    event.source = "service:worker";
    event.time = "2025-01-01T00:00:00.000Z";
    return event;
}

std::shared_ptr<Planner> make_planner() {
    return std::make_shared<Planner>(parse_catalog(kCatalog, "bench.yaml").catalog);
}

Plan make_plan(Planner& planner) {
    return std::move(*planner.plan(make_event(), {"service:worker", false, "worker"}, {}));
}

Stage websocket_read() {
    const std::string packet = R"(42["publish",)" + std::string(kEvent) + "]";
    auto frame = std::make_shared<const std::string>(websocket::encode_masked_frame(
        websocket::Opcode::kText, packet, {'\x37', '\x11', '\x21', '\x3d'}));
    auto settings = std::make_shared<websocket::DecoderSettings>();
    auto decoder = std::make_shared<websocket::Decoder>(*settings);
    auto bytes = std::make_shared<std::string>();
    return {"websocket frame, masked", [=] {
                *bytes = *frame;  // it is unmasked in place
                std::span<char> rest(*bytes);
                BUS_ASSERT(decoder->next(rest).kind == websocket::Item::Kind::kText);
                (void)settings;
            }};
}

Stage socketio_parse() {
    auto parser = std::make_shared<socketio::Parser>();
    auto text = std::make_shared<const std::string>(R"(2["publish",)" + std::string(kEvent) + "]");
    return {"socket.io packet", [=] { BUS_ASSERT(parser->parse(*text)); }};
}

Stage event_read() {
    auto reader = std::make_shared<EventReader>();
    return {"event read", [=] { BUS_ASSERT(reader->read_event(kEvent)); }};
}

Stage plan() {
    auto planner = make_planner();
    auto event = std::make_shared<const Event>(make_event());
    return {"plan, with a copy of the event", [=] {
                BUS_ASSERT(planner->plan(Event(*event), {"service:worker", false, "worker"}, {}));
            }};
}

class NoWaker final : public Tail::Waker {
    void wake_if_asleep() override {}
};

// The log in memory with the real sequencer and the real binder.
struct LogWorld {
    LogWorld() { log.start(); }

    void append() {
        std::vector<Plan> plans;
        plans.push_back(one);
        log.append(std::move(plans), here, [](const auto& receipts) { BUS_ASSERT(receipts); });
    }

    std::shared_ptr<Planner> planner = make_planner();
    const Plan one = make_plan(*planner);
    MemoryDisk disk;
    FakeClock clock;
    FakeExecutor here;
    Subjects subjects{{}};
    MemoryLog log{disk, subjects, clock, {.reserve = 1'000'000'000}};
    NoWaker waker;
};

Stage encode() {
    auto entry = std::make_shared<Entry>();
    entry->position = Position(123'456);
    entry->event = make_event();
    entry->event.subject = "photo:123";
    entry->name = "photo:processing.update";
    auto world = std::make_shared<LogWorld>();
    auto encoder = std::make_shared<SocketEncoder>(world->log, "/");
    return {"encode", [world, encoder, entry] {
                BUS_ASSERT(encoder->encode(*entry, 0, Encoder::As::in_order()));
            }};
}

Stage join_and_leave() {
    auto rooms = std::make_shared<Rooms>();
    auto room = std::make_shared<const Room>(Room::subject("photo:123"));
    for (unsigned i = 0; i < kMembers; ++i) rooms->join(ReceiverId{i}, *room, Position());
    return {"room index, join and leave", [=] {
                BUS_ASSERT(rooms->join(ReceiverId{kMembers}, *room, Position(7)));
                BUS_ASSERT(rooms->leave(ReceiverId{kMembers}, rooms->find(*room)));
            }};
}

Stage tail_push_and_read() {
    struct World {
        Tail tail;
        NoWaker waker;
        TailReader reader{tail, waker, 512};
        Position last;
    };
    auto world = std::make_shared<World>();
    world->reader.want_all(true);
    return {"tail, push and read", [world] {
                auto entry = std::make_shared<Entry>();
                entry->position = ++world->last;
                world->tail.push(std::move(entry));
                BUS_ASSERT(world->reader.next());
            }};
}

Stage append() {
    struct World : LogWorld {
        TailReader reader{log.tail(), waker, 512};
    };
    auto world = std::make_shared<World>();
    return {"append, transient, with a copy of the plan", [world] {
                world->append();
                while (world->reader.next() != nullptr) {
                }
            }};
}

class Counter final : public Receiver {
 public:
    bool push(const SharedFrame& frame) override {
        bytes += frame->bytes.size();
        return true;
    }
    bool has_room() override { return true; }
    void on_caught_up(std::uint64_t) override {}
    void on_gap(Position, Position) override {}
    void on_history_given(const Room&) override {}
    void on_evicted(std::string_view, Position) override {}
    std::size_t bytes = 0;
};

Stage deliver() {
    struct World : LogWorld {
        World() {
            for (Counter& receiver : receivers) {
                const ReceiverId member = hub.add(receiver, encoder);
                hub.join(member, Room::subject("photo:123"), hub.cursor());
            }
        }
        LogReader reader{{log, here, clock, waker}, 512};
        SocketEncoder encoder{log, "/"};
        std::array<Counter, kMembers> receivers;
        Hub hub{here, clock, log, reader};
    };
    auto world = std::make_shared<World>();
    return {"append, encode and deliver, per member of 1,000",
            [world] {
                world->append();
                while (world->hub.deliver().more != Hub::More::kNo) {
                }
                BUS_ASSERT(world->receivers.back().bytes > 0);
            },
            kMembers};
}

// A token that was never seen: its signature and its claims.
Stage token() {
    struct World {
        FakeClock clock;
        ClaimRules rules;
        JwtVerifier verifier{std::make_shared<const KeySet>(*keys_of_secret(kSecret)), rules, clock,
                             1};
        std::array<std::string, 2> tokens;
        unsigned next = 0;
    };
    auto world = std::make_shared<World>();
    for (std::string& token : world->tokens) {
        Principal who;
        who.kind = Principal::Kind::kUser;
        who.id = "u" + std::to_string(&token - world->tokens.data());
        token =
            *mint_token(who, std::chrono::hours(1), kSecret, world->rules, world->clock.wall_now());
    }
    return {"token, HS256, not in the cache",
            [world] { BUS_ASSERT(world->verifier.verify(world->tokens[world->next++ % 2])); }};
}

}  // namespace

std::vector<Stage> make_stages() {
    std::vector<Stage> stages;
    for (auto* make : {websocket_read, socketio_parse, event_read, plan, append, tail_push_and_read,
                       encode, deliver, join_and_leave, token}) {
        stages.push_back(make());
        for (int i = 0; i < 100; ++i) stages.back().run();
    }
    return stages;
}

}  // namespace eventbus::bench
