#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

// What a client says on its way in. Socket.IO packets are written with Engine.IO's `4` in front.
struct Script {
    std::string auth;       // CONNECT's payload: {"token":"…"}, or empty
    std::string subscribe;  // sent once connected, 420["subscribe",…], or empty
    std::string answer;     // with what the answer to it begins, 430[…
};

// One Socket.IO client over WebSocket, as cheap as can be: a thousand of them must cost less than
// the server that they measure. Knows unfragmented text frames only, as servers send them without
// compression; anything else ends it with a reason.
//
// Thread: one. The descriptor is the caller's to wait for; it does not block once connected.
class Client {
 public:
    // Connects to 127.0.0.1 and begins the handshake.
    Client(std::uint16_t port, Script script);
    ~Client();

    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Reads once and returns the events (42…) that came, until the next call. Heartbeats are
    // answered.
    const std::vector<std::string_view>& read();

    // Sends one packet now. Waits if the server takes no more: a load that it can not follow is no
    // load.
    void send(std::string_view packet);

    int descriptor() const { return descriptor_; }
    bool is_ready() const { return state_ == State::kReady; }  // connected and subscribed
    const std::string& failure() const { return failure_; }    // empty while all is well

 private:
    enum class State : std::uint8_t { kUpgrading, kOpening, kConnecting, kSubscribing, kReady };

    void take_response(std::string_view& bytes);
    void take_frames(std::string_view& bytes);
    void take_packet(std::string_view packet);
    void write_all(std::string_view bytes);
    void fail(std::string reason);

    const Script script_;
    int descriptor_ = -1;
    State state_ = State::kUpgrading;
    std::string input_;     // read, from the start of what read() returned last
    std::size_t used_ = 0;  // of input_
    std::vector<std::string_view> events_;
    std::string failure_;
};

// A masked text frame, as a client has to send it (RFC 6455, 5.2).
std::string text_frame(std::string_view text);

// Takes the next whole text frame off the front of `bytes`. Returns false if it has not come whole;
// throws std::runtime_error on anything that is not an unfragmented text frame.
bool take_frame(std::string_view& bytes, std::string_view& text);

}  // namespace bench
