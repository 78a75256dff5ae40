#include "app/command.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "app/data_directory.h"
#include "app/http_client.h"
#include "auth/jwt.h"
#include "backplane/embedded/embedded_log.h"
#include "support/fake_clock.h"
#include "support/plain_binder.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

namespace fs = std::filesystem;

const std::string kSecret = "a secret of thirty-two bytes, ok";

// A socket that listens on a free port of this machine; its kernel takes connections.
class LoopbackListener {
 public:
    LoopbackListener() {
        sockaddr_in address{.sin_family = AF_INET};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* any = reinterpret_cast<sockaddr*>(&address);
        EXPECT_EQ(::bind(descriptor_, any, size), 0);
        EXPECT_EQ(::listen(descriptor_, 8), 0);
        EXPECT_EQ(::getsockname(descriptor_, any, &size), 0);
        authority_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    }
    LoopbackListener(const LoopbackListener&) = delete;
    LoopbackListener& operator=(const LoopbackListener&) = delete;
    ~LoopbackListener() { ::close(descriptor_); }

    int descriptor() const { return descriptor_; }
    const std::string& authority() const { return authority_; }  // as in a URL

 private:
    const int descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::string authority_;
};

// A server on a free port that answers one connection after the other with the given bytes, and
// keeps what it was asked. It is done when all answers are given.
class ScriptedServer {
 public:
    explicit ScriptedServer(std::vector<std::string> answers) : answers_(std::move(answers)) {
        thread_ = std::thread([this] { run(); });
    }
    ~ScriptedServer() {
        ::shutdown(listener_.descriptor(), SHUT_RDWR);
        if (thread_.joinable()) thread_.join();
    }

    const std::string& url() const { return url_; }
    // Once clients have asked for all answers.
    const std::vector<std::string>& requests() {
        if (thread_.joinable()) thread_.join();
        return requests_;
    }

 private:
    void run() {
        for (const std::string& answer : answers_) {
            const int socket = ::accept(listener_.descriptor(), nullptr, nullptr);
            if (socket < 0) return;
            requests_.push_back(read_request(socket));
            EXPECT_EQ(::send(socket, answer.data(), answer.size(), MSG_NOSIGNAL),
                      static_cast<ssize_t>(answer.size()));
            ::close(socket);
        }
    }

    static std::string read_request(int socket) {
        std::string request;
        std::size_t wanted = std::string::npos;
        char block[1024];
        while (request.size() < wanted) {
            const ssize_t got = ::recv(socket, block, sizeof block, 0);
            if (got <= 0) break;
            request.append(block, static_cast<std::size_t>(got));
            const std::size_t end = request.find("\r\n\r\n");
            if (end == std::string::npos) continue;
            const std::size_t length = request.find("Content-Length: ");
            wanted = end + 4;
            if (length < end) wanted += std::stoul(request.substr(length + 16));
        }
        return request;
    }

    const std::vector<std::string> answers_;
    const LoopbackListener listener_;
    const std::string url_ = "http://" + listener_.authority();
    std::vector<std::string> requests_;
    std::thread thread_;
};

std::string answer(int status, const std::string& body,
                   const std::string& type = "application/json") {
    return "HTTP/1.1 " + std::to_string(status) + " x\r\nContent-Type: " + type +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// A stream of server-sent events in chunks of the given texts; it breaks off unless it `ends`.
std::string stream(const std::vector<std::string>& chunks, bool ends = false) {
    std::ostringstream text;
    text << "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: "
            "chunked\r\n\r\n";
    for (const std::string& chunk : chunks) {
        text << std::hex << chunk.size() << "\r\n" << chunk << "\r\n";
    }
    if (ends) text << "0\r\n\r\n";
    return text.str();
}

std::string sse(int n) {
    const std::string id = std::to_string(n);
    return "id: e." + id + "\nevent: photo.uploaded\ndata: {\"data\":{\"n\":" + id +
           "},\"meta\":{\"id\":\"" + id +
           "\",\"type\":\"photo.uploaded\",\"subject\":\"photo:1\",\"time\":\"T\",\"offset\":\"e." +
           id + "\"}}\n\n";
}

bool holds(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

class Command : public testing::Test {
 protected:
    Command() {
        std::string name = (fs::temp_directory_path() / "eventbus-command-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
    }
    ~Command() override { fs::remove_all(folder_); }

    std::string file(const char* name, const std::string& text) const {
        std::ofstream(folder_ / name, std::ios::binary) << text;
        return folder_ / name;
    }
    std::string out() const { return out_.str(); }
    std::string err() const { return err_.str(); }

    // The principal of a token that was sent or printed.
    Result<SharedPrincipal> principal_of(const std::string& token) {
        JwtVerifier verifier(std::make_shared<const KeySet>(*keys_of_secret(kSecret)), {}, clock_);
        return verifier.verify(token);
    }
    static std::string token_in(const std::string& request) {
        const std::string before = "Authorization: Bearer ";
        const std::size_t begin = request.find(before) + before.size();
        return request.substr(begin, request.find("\r\n", begin) - begin);
    }

    fs::path folder_;
    FakeClock clock_;
    std::istringstream in_;
    std::ostringstream out_;
    std::ostringstream err_;
    CommandContext context_{.in = in_, .out = out_, .err = err_, .clock = clock_};
};

// ---- token

TEST_F(Command, TokenPrintsWhatAVerifierTakes) {
    context_.environment["EVENTBUS_JWT_SECRET"] = kSecret;

    ASSERT_EQ(run_token({.user = "alice", .roles = {"admin"}, .permissions = {"a:b"}, .ttl = "5m"},
                        context_),
              kExitDone)
        << err();

    ASSERT_TRUE(out().ends_with('\n'));
    const auto who = principal_of(out().substr(0, out().size() - 1));
    ASSERT_TRUE(who) << who.error().detail;
    EXPECT_EQ((**who).key(), "user:alice");
    EXPECT_TRUE((**who).has_role("admin"));
    EXPECT_EQ((**who).permissions, std::vector<std::string>{"a:b"});
    EXPECT_EQ((**who).expires_at, clock_.wall_now() + std::chrono::minutes(5));
}

TEST_F(Command, TokenFindsTheSecretOfDevAndOfAFile) {
    file("dev-secret", kSecret + "\n");
    EXPECT_EQ(run_token({.service = "api", .data = folder_, .json = true}, context_), kExitDone);
    EXPECT_TRUE(holds(out(), "{\"token\":\"ey")) << out();

    const std::string secret = file("other", kSecret);
    EXPECT_EQ(run_token({.service = "api", .secret_file = secret}, context_), kExitDone) << err();
}

TEST_F(Command, TokenSaysWhatIsMissing) {
    EXPECT_EQ(run_token({}, context_), kExitUsage);
    EXPECT_TRUE(holds(err(), "--user ID or --service NAME"));
    EXPECT_EQ(run_token({.user = "a", .service = "b"}, context_), kExitUsage);
    EXPECT_EQ(run_token({.user = "a", .ttl = "soon"}, context_), kExitUsage);
    EXPECT_EQ(run_token({.user = "a", .ttl = "0s"}, context_), kExitUsage);
    EXPECT_EQ(run_token({.user = "a", .data = folder_}, context_), kExitFailed);
    EXPECT_TRUE(holds(err(), "--data-dir (looked for " + folder_.string())) << err();
    EXPECT_EQ(run_token({.service = "Api", .secret_file = file("s", kSecret)}, context_),
              kExitUsage);
    EXPECT_TRUE(holds(err(), "no service name")) << err();
    EXPECT_EQ(out(), "");
}

// ---- publish

TEST_F(Command, PublishIsOnePost) {
    ScriptedServer server({answer(200, R"({"id":"i-1","offset":"e.7","duplicate":false})")});
    file("dev-secret", kSecret);

    const int code =
        run_publish({.access = {.url = server.url(), .data = folder_, .service = "api"},
                     .type = "photo.uploaded",
                     .words = {"photoId=123", "userId=user-456"},
                     .id = "i-1",
                     .subject = "photo:123"},
                    context_);

    ASSERT_EQ(code, kExitDone) << err();
    EXPECT_EQ(out(), "photo.uploaded  id i-1  offset e.7\n");
    const std::string request = server.requests().at(0);
    EXPECT_TRUE(request.starts_with("POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1:")) << request;
    EXPECT_TRUE(request.ends_with(R"({"type":"photo.uploaded","id":"i-1","subject":"photo:123",)"
                                  R"("data":{"photoId":123,"userId":"user-456"}})"))
        << request;
    const auto who = principal_of(token_in(request));
    ASSERT_TRUE(who) << who.error().detail;
    EXPECT_EQ((**who).key(), "service:api");
}

TEST_F(Command, PublishTakesServerAndTokenFromTheEnvironment) {
    ScriptedServer server({answer(200, R"({"id":"i","offset":"e.7","duplicate":true})")});
    context_.environment = {{"EVENT_BUS_URL", server.url() + "/bus/"},
                            {"EVENT_BUS_TOKEN", "t.o.k"}};
    in_.str(R"( {"from": "stdin"} )");

    ASSERT_EQ(run_publish({.type = "a", .data = "-", .json = true}, context_), kExitDone) << err();

    EXPECT_EQ(out(), "{\"id\":\"i\",\"offset\":\"e.7\",\"duplicate\":true}\n");
    EXPECT_TRUE(server.requests().at(0).starts_with("POST /bus/v1/events "));
    EXPECT_EQ(token_in(server.requests().at(0)), "t.o.k");
    EXPECT_TRUE(server.requests().at(0).ends_with(R"("data": {"from": "stdin"} })"));
}

TEST_F(Command, PublishSaysWhyItWasRefusedAndWhatToDo) {
    const std::string problem =
        R"({"title":"x","status":403,"code":"forbidden","detail":"service:eventbus-cli may not"})";
    ScriptedServer server({answer(403, problem, "application/problem+json"),
                           answer(403, problem, "application/problem+json"),
                           answer(502, "<html>")});
    PublishOptions options{.access = {.url = server.url(), .token = "t"}, .type = "a"};

    EXPECT_EQ(run_publish(options, context_), kExitFailed);
    EXPECT_TRUE(holds(err(), "service:eventbus-cli may not; use a token that may, or --as NAME"))
        << err();
    options.json = true;
    EXPECT_EQ(run_publish(options, context_), kExitFailed);
    EXPECT_TRUE(holds(err(), R"({"error":{"code":"forbidden","message":)")) << err();
    EXPECT_EQ(run_publish(options, context_), kExitFailed);
    EXPECT_TRUE(holds(err(), "(it answered 502 with application/json)")) << err();
}

TEST_F(Command, PublishRefusesDataThatIsNone) {
    struct Case {
        const char* data;
        const char* message;
    };
    const Case cases[] = {{"[1]", "must be a JSON object"},
                          {"{", "not acceptable"},
                          {"{\"a\":1,\"a\":2}", "not acceptable"},
                          {"@/none/at/all", "cannot be read"}};
    for (const Case& c : cases) {
        EXPECT_EQ(run_publish({.access = {.token = "t"}, .type = "a", .data = c.data}, context_),
                  kExitUsage);
        EXPECT_TRUE(holds(err(), c.message)) << err();
    }
    EXPECT_EQ(run_publish({.type = "a", .words = {"x"}}, context_), kExitUsage);
    EXPECT_EQ(run_publish({.type = "a", .words = {"x=1"}, .data = "{}"}, context_), kExitUsage);
}

TEST_F(Command, PublishSaysHowToStartAServerAndMakeAToken) {
    std::string url;
    {
        const ScriptedServer gone({});
        url = gone.url();
    }
    EXPECT_EQ(run_publish({.access = {.url = url, .token = "t"}, .type = "a"}, context_),
              kExitFailed);
    EXPECT_TRUE(holds(err(), "Connection refused); start one with `eventbus serve --dev`"))
        << err();
    EXPECT_EQ(run_publish({.access = {.url = url, .data = folder_}, .type = "a"}, context_),
              kExitFailed);
    EXPECT_TRUE(holds(err(), "make one with `eventbus token --service NAME`")) << err();
}

TEST_F(Command, WhatIsWrongBeforeAnythingIsAskedIsAWrongCommandLine) {
    const std::string config = file("eventbus.yaml", "listn: a:1\n");
    for (const AccessOptions& access :
         {AccessOptions{.url = "localhost:8080", .token = "t"}, AccessOptions{.token = "a\nb"},
          AccessOptions{.config = config}}) {
        EXPECT_EQ(run_publish({.access = access, .type = "a"}, context_), kExitUsage) << err();
        EXPECT_EQ(run_tail({.access = access}, context_), kExitUsage) << err();
    }
    EXPECT_EQ(run_token({.user = "a", .config = config}, context_), kExitUsage);
}

TEST_F(Command, PublishWhoseAnswerIsLostFailsAndSaysThatTheEventIsPublished) {
    ScriptedServer server({answer(200, R"({"id":"i","offset":"e.7"})")});
    std::ofstream full("/dev/full");
    const CommandContext context{{}, in_, full, err_, clock_};

    EXPECT_EQ(run_publish({.access = {.url = server.url(), .token = "t"}, .type = "a"}, context),
              kExitFailed);

    EXPECT_EQ(err(),
              "eventbus: the event is published, but standard output cannot be written: No space "
              "left on device\n");
}

// ---- what answers is another server

std::string not_a_bus(const std::string& url, const std::string& answer,
                      const std::string& remedy = "") {
    return "eventbus: what answers at " + url + " is not an event bus (it answered " + answer +
           "): check --url or EVENT_BUS_URL" + remedy + "\n";
}

TEST_F(Command, AnAnswerWithoutTheFieldsOfAnEventBusIsNoSuccess) {
    struct Case {
        std::string answer;
        std::string says;
    };
    const Case cases[] = {
        {answer(200, "<h1>Hi</h1>", "Text/HTML; charset=utf-8"), "200 with text/html"},
        {answer(200, "{}"), "200 with application/json"},
        {answer(200, R"({"id":1,"offset":2,"deleted":"yes","wasHeld":null})"),
         "200 with application/json"},
        {answer(200, R"([{"id":"a","offset":"e.1","deleted":true,"wasHeld":true}])"),
         "200 with application/json"},
        {answer(200, R"({"code":"forbidden","detail":"no"})"), "200 with application/json"},
        {answer(202, "true", "text/plain"), "202 with text/plain"},
        {answer(200, "", "text/" + std::string(500, 'x')), "200 with text/" + std::string(59, 'x')},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200 without a content type"},
        {"HTTP/1.1 204 No Content\r\n\r\n", "204 without a content type"},
    };
    for (const auto& [bytes, says] : cases) {
        SCOPED_TRACE(says);
        ScriptedServer server({bytes, bytes, bytes, bytes});
        const AccessOptions access{.url = server.url(), .token = "t"};
        const std::string sentence = not_a_bus(server.url(), says);
        err_.str("");
        EXPECT_EQ(run_publish({.access = access, .type = "a"}, context_), kExitFailed);
        EXPECT_EQ(run_groups_delete({.access = access, .name = "a", .topic = "t.a"}, context_),
                  kExitFailed);
        EXPECT_EQ(run_retention_resume({.access = access}, context_), kExitFailed);
        EXPECT_EQ(err(), sentence + sentence + sentence);
        EXPECT_EQ(run_publish({.access = access, .type = "a", .json = true}, context_),
                  kExitFailed);
        EXPECT_TRUE(holds(err(), R"({"error":{"code":"internal","message":"what answers at )"))
            << err();
    }
    EXPECT_EQ(out(), "");
}

TEST_F(Command, OperatorsAreToldWhatWasDone) {
    ScriptedServer server({answer(200, R"({"deleted":true})"), answer(200, R"({"wasHeld":true})"),
                           answer(200, R"({"wasHeld":false})")});
    const AccessOptions access{.url = server.url(), .token = "t"};

    EXPECT_EQ(run_groups_delete({.access = access, .name = "a", .topic = "t.a"}, context_),
              kExitDone);
    EXPECT_EQ(run_retention_resume({.access = access}, context_), kExitDone);
    EXPECT_EQ(run_retention_resume({.access = access, .json = true}, context_), kExitDone);

    EXPECT_EQ(out(), "deleted a:t.a\nretention deletes by age again\n{\"wasHeld\":false}\n")
        << err();
}

TEST_F(Command, ARefusalByAnotherServerNamesTheUrlAndWhatToDo) {
    struct Case {
        int status;
        std::string body;
        std::string remedy;
    };
    const Case cases[] = {
        {404, R"({"detail":"Not Found"})", ""},
        {403, R"({"code":"forbidden"})", ""},
        {301, "", "; redirects are not followed"},
        {502, "<html>", ", and that the server behind the proxy runs"},
    };
    for (const auto& [status, body, remedy] : cases) {
        const std::string bytes = answer(status, body, "text/html");
        ScriptedServer server({bytes, bytes});
        const AccessOptions access{.url = server.url(), .token = "t"};
        const std::string sentence =
            not_a_bus(server.url(), std::to_string(status) + " with text/html", remedy);
        err_.str("");
        EXPECT_EQ(run_publish({.access = access, .type = "a"}, context_), kExitFailed);
        EXPECT_EQ(run_tail({.access = access}, context_), kExitFailed);
        EXPECT_EQ(err(), sentence + sentence);
    }
}

TEST_F(Command, NoMoreThanABoundedPartOfAnAnswerIsRead) {
    const std::string endless =
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
        "Content-Length: 1000000000\r\n\r\n" +
        std::string(kResponseBytesMax + 1, 'x');
    ScriptedServer server({endless});

    EXPECT_EQ(run_publish({.access = {.url = server.url(), .token = "t"}, .type = "a"}, context_),
              kExitFailed);

    EXPECT_EQ(err(), not_a_bus(server.url(), "200 with text/html"));
}

TEST_F(Command, TailOfWhatIsNoStreamEnds) {
    // It does not wait for the rest of such a body.
    const std::string page =
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
        "Content-Length: 1000\r\n\r\n<h1>Hi</h1>\n";
    ScriptedServer server({page, stream({sse(1)}), page});
    const TailOptions options{.access = {.url = server.url(), .token = "t"}};
    const std::string sentence = not_a_bus(server.url(), "200 with text/html");

    EXPECT_EQ(run_tail(options, context_), kExitFailed);
    EXPECT_EQ(err(), sentence);
    EXPECT_EQ(run_tail(options, context_), kExitFailed);  // also later
    EXPECT_TRUE(holds(out(), "{\"n\":1}"));
    EXPECT_TRUE(err().ends_with(sentence)) << err();
}

TEST_F(Command, TailOutlastsAProxyWhoseServerIsAwayButNoRedirect) {
    ScriptedServer server({stream({sse(1)}), answer(502, "<html>", "text/html"), stream({sse(2)}),
                           answer(301, "", "text/html")});

    EXPECT_EQ(run_tail({.access = {.url = server.url(), .token = "t"}}, context_), kExitFailed);

    EXPECT_TRUE(holds(out(), "{\"n\":2}")) << out();
    EXPECT_TRUE(err().ends_with(
        not_a_bus(server.url(), "301 with text/html", "; redirects are not followed")))
        << err();
}

// ---- restore

TEST_F(Command, RestoreEndsTheEpochOfACopyAtItsNewestEventHoweverOften) {
    const std::string directory = folder_;
    {
        SeededRandom random(1);
        PlainBinder binder;
        auto log = EmbeddedLog::open({.data_dir = directory}, binder, clock_, random);
        ASSERT_TRUE(log) << log.error().detail;
    }
    for (int i = 0; i < 2; ++i) {
        out_.str("");
        ASSERT_EQ(run_restore({.data = directory, .json = true}, context_), kExitDone) << err();
        EXPECT_EQ(out(), "{\"end\":0}\n");
    }
    EXPECT_EQ(run_restore({.data = directory}, context_), kExitDone);
    EXPECT_TRUE(holds(out(), "at position 0")) << out();
}

TEST_F(Command, RestoreRemovesTheSessionsOfTheCopyAndNoOtherStore) {
    const std::string directory = folder_;
    {
        SeededRandom random(1);
        PlainBinder binder;
        ASSERT_TRUE(EmbeddedLog::open({.data_dir = directory}, binder, clock_, random));
    }
    for (const char* store : {"sessions", "groups"}) {
        fs::create_directories(folder_ / store);
        std::ofstream(folder_ / store / "CURRENT") << "MANIFEST-000001\n";
        std::ofstream(folder_ / store / "EXPECTED") << "of another moment";
    }
    EXPECT_EQ(run_restore({.data = directory}, context_), kExitDone) << err();
    EXPECT_TRUE(holds(out(), "The sessions of the copy were removed")) << out();
    EXPECT_FALSE(fs::exists(folder_ / "sessions"));
    EXPECT_TRUE(fs::exists(folder_ / "groups" / "CURRENT"));
    EXPECT_FALSE(fs::exists(folder_ / "groups" / "EXPECTED"));
}

TEST_F(Command, RestoreOfADirectoryThatAServerHasIsRefusedThoughTheLogsLockIsGone) {
    const std::string directory = folder_;
    fs::create_directories(folder_ / "log");
    const auto server = DataDirectory::take(directory);
    ASSERT_TRUE(server.has_value());
    EXPECT_EQ(run_restore({.data = directory}, context_), kExitFailed);
    EXPECT_TRUE(holds(err(), "another server uses this data directory, " + directory)) << err();
    EXPECT_TRUE(fs::is_empty(folder_ / "log"));
}

TEST_F(Command, RestoreOfWhatIsNoDataDirectorySaysSoAndMakesNone) {
    const std::string nothing = folder_ / "nothing";
    EXPECT_EQ(run_restore({.data = nothing}, context_), kExitFailed);
    EXPECT_TRUE(holds(err(), "the data directory " + nothing + " cannot be opened")) << err();
    EXPECT_FALSE(fs::exists(nothing));
    fs::create_directories(nothing);
    EXPECT_EQ(run_restore({.data = nothing}, context_), kExitFailed);
    EXPECT_TRUE(holds(err(), "there is nothing of the log in " + nothing + "/log")) << err();
    EXPECT_TRUE(fs::is_empty(nothing));
}

// A copy that was cut off would become a log that is empty and good, and nobody would be told.
TEST_F(Command, RestoreOfALogWithoutAStoreIsRefusedAndTouchesNothing) {
    const std::string directory = folder_;
    fs::create_directories(folder_ / "log");
    fs::create_directories(folder_ / "sessions");
    for (const bool has_lock : {false, true}) {
        SCOPED_TRACE(has_lock);
        if (has_lock) std::ofstream(folder_ / "log" / "LOCK").flush();
        EXPECT_EQ(run_restore({.data = directory}, context_), kExitFailed);
        EXPECT_TRUE(holds(err(), "there is nothing of the log in " + directory +
                                     "/log: put the "
                                     "whole backup there"))
            << err();
        EXPECT_EQ(fs::is_empty(folder_ / "log"), !has_lock);
        EXPECT_TRUE(fs::exists(folder_ / "sessions"));
    }
}

// ---- tail

TEST_F(Command, TailGoesOnWhereTheStreamBroke) {
    ScriptedServer server({stream({": hello\n\n", sse(1), sse(2).substr(0, 20)}),
                           stream({sse(2) + sse(3)}, true), stream({sse(4)})});

    const int code = run_tail({.access = {.url = server.url(), .token = "t"},
                               .topics = {"photo.*", "photo:a b"},
                               .since = "e.0",
                               .count = 4},
                              context_);

    ASSERT_EQ(code, kExitDone) << err();
    EXPECT_EQ(out(),
              "T  photo.uploaded  photo:1  {\"n\":1}\nT  photo.uploaded  photo:1  {\"n\":2}\n"
              "T  photo.uploaded  photo:1  {\"n\":3}\nT  photo.uploaded  photo:1  {\"n\":4}\n");
    EXPECT_TRUE(server.requests().at(0).starts_with(
        "GET /v1/stream?topic=photo.*&topic=photo:a%20b&since=e.0 HTTP/1.1\r\n"));
    EXPECT_TRUE(holds(server.requests().at(1), "\r\nLast-Event-ID: e.1\r\n"));
    EXPECT_TRUE(
        holds(server.requests().at(1), "GET /v1/stream?topic=photo.*&topic=photo:a%20b HTTP"));
    EXPECT_TRUE(holds(server.requests().at(2), "\r\nLast-Event-ID: e.3\r\n"));
    EXPECT_TRUE(holds(err(), "going on from e.1"));
}

TEST_F(Command, TailThatHasSeenNoEventGoesOnFromWhereTheStreamBegan) {
    ScriptedServer server({stream({": hello\nretry: 1\nid: e.4\n\n"}),
                           stream({"id: e.4\n\n", "id: e.9\n\n", "id: e.11\n"}, true),
                           stream({sse(1)})});

    EXPECT_EQ(run_tail({.access = {.url = server.url(), .token = "t"}, .count = 1}, context_),
              kExitDone)
        << err();
    EXPECT_TRUE(holds(server.requests().at(1), "\r\nLast-Event-ID: e.4\r\n"));
    EXPECT_TRUE(holds(server.requests().at(2), "\r\nLast-Event-ID: e.9\r\n"));
    EXPECT_TRUE(holds(err(), "going on from e.4")) << err();
}

TEST_F(Command, TailPrintsJsonForScripts) {
    ScriptedServer server({stream({"event: resume.gap\ndata: {\"from\":\"e.1\"}\n\n", sse(1)})});

    ASSERT_EQ(run_tail({.access = {.url = server.url(), .token = "t"}, .count = 1, .json = true},
                       context_),
              kExitDone);

    EXPECT_EQ(out(),
              "{\"id\":\"1\",\"type\":\"photo.uploaded\",\"subject\":\"photo:1\","
              "\"time\":\"T\",\"offset\":\"e.1\",\"data\":{\"n\":1}}\n");
    EXPECT_TRUE(holds(err(), "resume.gap {\"from\":\"e.1\"}")) << err();
    EXPECT_TRUE(server.requests().at(0).starts_with("GET /v1/stream?topic=** HTTP/1.1"));
}

TEST_F(Command, TailAsksForNoTopicToSeeWhatAUserGets) {
    ScriptedServer server({stream({sse(1)}), stream({sse(1)})});
    TailOptions options{
        .access = {.url = server.url(), .token = "t"}, .mine = true, .since = "e.0", .count = 1};

    ASSERT_EQ(run_tail(options, context_), kExitDone) << err();
    options.since.clear();
    ASSERT_EQ(run_tail(options, context_), kExitDone) << err();

    EXPECT_TRUE(server.requests().at(0).starts_with("GET /v1/stream?since=e.0 HTTP/1.1"));
    EXPECT_TRUE(server.requests().at(1).starts_with("GET /v1/stream HTTP/1.1"));
}

TEST_F(Command, TailEndsWithTheReasonWhenItsOutputIsLost) {
    ScriptedServer server({stream({sse(1), sse(2)}), stream({sse(1)})});
    std::ofstream full("/dev/full");
    const CommandContext context{{}, in_, full, err_, clock_};
    TailOptions options{.access = {.url = server.url(), .token = "t"}, .since = "e.0"};

    EXPECT_EQ(run_tail(options, context), kExitFailed);
    EXPECT_TRUE(
        holds(err(), "cannot be written: No space left on device; go on with --since e.0\n"))
        << err();
    full.clear();
    options.since.clear();
    EXPECT_EQ(run_tail(options, context), kExitFailed);
    EXPECT_TRUE(holds(err(), "; nothing was printed\n")) << err();
}

TEST_F(Command, TailOfTopicsAndMineIsRefused) {
    EXPECT_EQ(run_tail({.access = {.token = "t"}, .topics = {"photo:1"}, .mine = true}, context_),
              kExitUsage);
    EXPECT_TRUE(holds(err(),
                      "--mine follows what comes without a topic; leave out --mine, or "
                      "photo:1"))
        << err();
}

TEST_F(Command, TailRefusesAnOffsetThatIsNone) {
    for (const char* since : {"42", "k3f9", "k3f9.x", "K3F9.1", "k3f9.1 "}) {
        EXPECT_EQ(run_tail({.access = {.token = "t"}, .since = since}, context_), kExitUsage);
    }
    EXPECT_TRUE(holds(err(), "eventbus: --since: ")) << err();
}

TEST_F(Command, TailEndsWhenItIsRefused) {
    const std::string problem = R"({"code":"token_expired","detail":"the token expired 5 s ago"})";
    ScriptedServer server({answer(401, problem), stream({sse(1)}), answer(401, problem)});
    const TailOptions options{.access = {.url = server.url(), .token = "t"}};

    EXPECT_EQ(run_tail(options, context_), kExitFailed);
    EXPECT_TRUE(holds(err(), "5 s ago; make a token with `eventbus token")) << err();
    EXPECT_EQ(run_tail(options, context_), kExitFailed);  // also later
    EXPECT_TRUE(holds(out(), "{\"n\":1}"));
}

// ---- http client

TEST_F(Command, ServersThatAreNoneAreErrors) {
    ScriptedServer server({"SSH-2.0-OpenSSH\r\n", "",
                           "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
                           "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"});
    for (int i = 0; i < 4; ++i) {
        const auto response =
            send_request(*parse_server_url(server.url()), {.method = "GET", .target = "/"},
                         std::chrono::seconds(5));
        ASSERT_FALSE(response);
        EXPECT_EQ(response.error().code, ErrorCode::kInternal) << response.error().detail;
    }
}

TEST(HttpClient, AServerThatIsSilentIsGivenUpInTime) {
    const LoopbackListener listener;

    for (const std::string scheme : {"http", "https"}) {
        const auto response =
            send_request(*parse_server_url(scheme + "://" + listener.authority()),
                         {.method = "GET", .target = "/"}, std::chrono::milliseconds(50));
        ASSERT_FALSE(response) << scheme;
        EXPECT_EQ(response.error().code, ErrorCode::kTimeout) << response.error().detail;
        EXPECT_TRUE(holds(
            response.error().detail,
            "the server at " + scheme + "://" + listener.authority() + " has not answered within "))
            << response.error().detail;
    }
}

TEST(ServerUrl, IsTakenApart) {
    const auto url = parse_server_url("http://[::1]:8080/bus/");
    ASSERT_TRUE(url) << url.error().detail;
    EXPECT_EQ(url->host, "::1");
    EXPECT_EQ(url->port, "8080");
    EXPECT_EQ(url->path, "/bus");
    EXPECT_EQ(parse_server_url("http://example.com")->port, "80");
    EXPECT_FALSE(parse_server_url("http://example.com")->is_tls);
    EXPECT_EQ(parse_server_url("https://example.com")->port, "443");
    EXPECT_TRUE(parse_server_url("https://example.com")->is_tls);
    for (const char* wrong : {"", "localhost:8080", "ftp://a", "http://", "http://a b",
                              "http://u:p@a", "http://a?x=1", "http://a:65536", "http://a:0"}) {
        EXPECT_FALSE(parse_server_url(wrong)) << wrong;
    }
}

// ---- check-config

TEST_F(Command, CheckConfigTakesAGoodCatalog) {
    const std::string catalog =
        file("catalog.yaml", "events:\n  system.announcement:\n    audience: [everyone]\n");

    EXPECT_EQ(run_check_config({.catalog = catalog}, context_), kExitDone) << out();
    EXPECT_EQ(out(), catalog + ": good, 1 event types\n");
}

TEST_F(Command, CheckConfigNamesFileLineAndMend) {
    const std::string catalog = file("catalog.yaml", "events:\n  a.b:\n    audiense: [everyone]\n");
    const std::string config = file("eventbus.yaml", "dev: true\nlistn: a:1\n");

    EXPECT_EQ(run_check_config({.config = config, .catalog = catalog}, context_), kExitFailed);
    EXPECT_TRUE(holds(out(), config + ":2: `listn` is no setting; did you mean `listen`?\n"))
        << out();
    EXPECT_TRUE(holds(out(), catalog + ":3: ")) << out();

    EXPECT_EQ(run_check_config({.catalog = catalog, .json = true}, context_), kExitFailed);
    EXPECT_TRUE(holds(out(), "{\"problems\":[{\"where\":\"" + catalog + ":3\",")) << out();
}

TEST_F(Command, CheckConfigReadsTheCertificateOfAServer) {
    const std::string catalog = file("catalog.yaml", "events: {}\n");
    const std::string certificate = file("certificate.pem", "none");
    const std::string config = file("eventbus.yaml", "jwt_secret: " + std::string(40, 's') +
                                                         "\ntls_certificate_file: " + certificate +
                                                         "\ntls_key_file: " + certificate + "\n");

    EXPECT_EQ(run_check_config({.config = config, .catalog = catalog}, context_), kExitFailed);

    EXPECT_NE(out().find("tls_certificate_file: TLS cannot be spoken; the certificate " +
                         certificate + " holds no certificate"),
              std::string::npos)
        << out();
}

TEST_F(Command, CheckConfigAsksForASecretWhenItChecksAServer) {
    const std::string catalog = file("catalog.yaml", "events:\n  a.b:\n    audience: [everyone]\n");
    const auto check = [&](const std::string& text) {
        return run_check_config({.config = file("eventbus.yaml", text), .catalog = catalog},
                                context_);
    };

    EXPECT_EQ(check("listen: 0.0.0.0:80\n"), kExitFailed);
    EXPECT_TRUE(holds(out(), "jwt_secret: there is no way to verify tokens; set")) << out();
    EXPECT_EQ(check("jwt_secret: short\n"), kExitFailed);
    EXPECT_EQ(check("jwt_secret: " + kSecret + "\n"), kExitDone);
    EXPECT_EQ(check("dev: true\n"), kExitDone);
}

// The settings of a container stand in its environment.
TEST_F(Command, CheckConfigLooksAtWhatTheEnvironmentNames) {
    const std::string catalog = file("catalog.yaml", "events:\n  a.b:\n    audience: [everyone]\n");
    const auto check = [&] { return run_check_config({.catalog = catalog}, context_); };

    context_.environment = {{"EVENTBUS_TLS_CERTIFICATE_FILE", "/none.pem"},
                            {"EVENTBUS_TLS_KEY_FILE", "/none.key"}};
    EXPECT_EQ(check(), kExitFailed);
    EXPECT_TRUE(holds(out(), "/none.pem")) << out();
    context_.environment = {{"EVENTBUS_JWT_SECRET", "short"}};
    EXPECT_EQ(check(), kExitFailed);
    EXPECT_TRUE(holds(out(), "jwt_secret: it cannot be used")) << out();
    context_.environment = {{"EVENTBUS_JWT_SECRET", '"' + kSecret + '"'}};
    EXPECT_EQ(check(), kExitDone);
    EXPECT_TRUE(holds(out(), ": warning: the secret stands in quotes; ")) << out();
    context_.environment = {{"EVENTBUS_JWT_SECRET", kSecret + "\n"}};
    EXPECT_EQ(check(), kExitDone);
    EXPECT_TRUE(holds(out(), "EVENTBUS_JWT_SECRET: warning: the secret ends with a line break"))
        << out();
}

TEST_F(Command, CheckConfigWhoseOutputIsLostFails) {
    const std::string catalog = file("catalog.yaml", "events:\n  a.b:\n    audience: [everyone]\n");
    std::ofstream full("/dev/full");
    const CommandContext context{{}, in_, full, err_, clock_};

    EXPECT_EQ(run_check_config({.catalog = catalog}, context), kExitFailed);
    EXPECT_TRUE(holds(err(), "No space left on device")) << err();
}

}  // namespace
}  // namespace eventbus
