#include "net/tls_session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <climits>

#include "base/assert.h"
#include "base/diagnostics.h"

namespace eventbus {
namespace {

constexpr std::size_t kReceiveBytes = 64 * 1024;
constexpr std::size_t kRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;
constexpr std::size_t kBegunBytesMax = 17 * 1024;  // of a record, encrypted, that is not whole yet

constexpr std::string_view kSpeakTls =
    "HTTP/1.1 400 Bad Request\r\n"
    "Content-Type: text/plain; charset=UTF-8\r\n"
    "Content-Length: 50\r\n"
    "Connection: close\r\n"
    "\r\n"
    "this port speaks TLS: use https:// or wss:// here\n";
static_assert(kSpeakTls.size() - kSpeakTls.find("\r\n\r\n") - 4 == 50);

// Takes the next record off `pieces`, of the first of which `at` bytes are taken: a piece that
// fills it or is the last as it lies there, else as many as `room` holds.
std::string_view take_record(std::span<const std::string_view>& pieces, std::size_t& at,
                             std::span<char> room) {
    std::size_t filled = 0;
    std::string_view record;
    do {
        const std::string_view part = pieces.front().substr(at, room.size() - filled);
        at += part.size();
        if (at == pieces.front().size()) {
            pieces = pieces.subspan(1);
            at = 0;
        }
        if (filled == 0 && (part.size() == room.size() || pieces.empty())) return part;
        std::copy_n(part.begin(), part.size(), room.begin() + static_cast<std::ptrdiff_t>(filled));
        filled += part.size();
        record = {room.data(), filled};
    } while (!pieces.empty() && filled < room.size());
    return record;
}

}  // namespace

// OpenSSL's way to a descriptor, in its own terms.
struct TlsBio {
    static BIO_METHOD* method() {
        static BIO_METHOD* const made = make();
        return made;
    }

 private:
    static TlsSession& session_of(BIO* bio) { return *static_cast<TlsSession*>(BIO_get_data(bio)); }

    static int read(BIO* bio, char* buffer, int size) {
        BIO_clear_retry_flags(bio);
        const std::size_t got =
            session_of(bio).give_received({buffer, static_cast<std::size_t>(size)});
        if (got > 0) return static_cast<int>(got);
        BIO_set_retry_read(bio);
        return -1;
    }

    static int write(BIO* bio, const char* bytes, int size) {
        BIO_clear_retry_flags(bio);
        session_of(bio).take_encrypted({bytes, static_cast<std::size_t>(size)});
        return size;
    }

    static long control(BIO*, int command, long, void*) {
        return command == BIO_CTRL_FLUSH ? 1 : 0;  // nothing waits in the BIO itself
    }

    static BIO_METHOD* make() {
        BIO_METHOD* const method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");
        BUS_ASSERT(method != nullptr);
        BIO_meth_set_read(method, read);
        BIO_meth_set_write(method, write);
        BIO_meth_set_ctrl(method, control);
        return method;
    }
};

std::unique_ptr<TlsSession> TlsSession::start(const TlsContext& context, int descriptor,
                                              TlsProbe& probe) {
    ssl_st* const ssl = context.make_session();
    BIO* const bio = BIO_new(TlsBio::method());
    if (ssl == nullptr || bio == nullptr) {
        SSL_free(ssl);
        BIO_free(bio);
        ERR_clear_error();
        return nullptr;
    }
    std::unique_ptr<TlsSession> session(new TlsSession(ssl, descriptor, probe));
    BIO_set_data(bio, session.get());
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    return session;
}

TlsSession::~TlsSession() {
    // A balancer that only looks whether somebody listens has begun none.
    if (is_shaking_hands_ && SSL_in_before(ssl_) == 0) end_handshake(false);
    SSL_free(ssl_);
}

std::size_t TlsSession::give_received(std::span<char> buffer) {
    const std::size_t count = std::min(buffer.size(), received_.size());
    std::copy_n(received_.begin(), count, buffer.begin());
    received_ = received_.subspan(count);
    return count;
}

void TlsSession::take_encrypted(std::string_view bytes) {
    if (is_broken_) return;
    if (pending_.empty()) {
        const Stream::Outcome out = Stream::send(descriptor_, bytes);
        is_broken_ = out.is_over;
        bytes.remove_prefix(out.bytes);
    }
    is_broken_ = is_broken_ || pending_.size() + bytes.size() > kPendingBytesMax;
    if (!is_broken_) pending_.append(bytes);
}

// False: the kernel is full still, or the stream is broken.
bool TlsSession::flush_pending() {
    if (is_broken_ || pending_.empty()) return !is_broken_;
    const Stream::Outcome out = Stream::send(descriptor_, pending_);
    is_broken_ = out.is_over;
    if (is_broken_ || out.bytes == pending_.size()) {
        pending_ = std::string();  // gives the memory back
        return !is_broken_;
    }
    pending_.erase(0, out.bytes);
    return false;
}

void TlsSession::end_handshake(bool is_good) {
    is_shaking_hands_ = false;
    (is_good ? probe_->handshakes : probe_->failures).add();
    probe_ = nullptr;
}

// Something went wrong for good. What OpenSSL has to say about it (an alert) has been written.
void TlsSession::fail(const char* what) {
    const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
    diagnostics::debug(what, {{"why", reason == nullptr ? "the peer has gone" : reason}});
    ERR_clear_error();
    is_broken_ = true;
    if (is_shaking_hands_) end_handshake(false);
}

// True: it is done, and the stream can be used.
bool TlsSession::shake_hands() {
    if (!is_shaking_hands_) return true;
    const int done = SSL_do_handshake(ssl_);
    if (done == 1) {
        end_handshake(true);
        return true;
    }
    const int why = SSL_get_error(ssl_, done);
    if (why != SSL_ERROR_WANT_READ) fail("a TLS handshake failed");
    return false;
}

void TlsSession::refuse_plain_http() {
    Stream::send(descriptor_, kSpeakTls);
    fail("a client speaks no TLS on a port that does");
}

std::size_t TlsSession::decrypt(std::span<char> buffer) {
    if (!shake_hands()) return 0;
    std::size_t count = 0;
    while (count < buffer.size()) {
        const std::span<char> room = buffer.subspan(count);
        std::size_t got = 0;
        const int done = SSL_read_ex(ssl_, room.data(), room.size(), &got);
        if (done == 1) {
            count += got;
            continue;
        }
        const int why = SSL_get_error(ssl_, done);
        if (why == SSL_ERROR_ZERO_RETURN) {
            has_ended_ = true;
        } else if (why != SSL_ERROR_WANT_READ) {
            fail("a TLS connection failed");
        }
        break;
    }
    return count;
}

Stream::Outcome TlsSession::read(std::span<char> buffer) {
    BUS_ASSERT(buffer.size() >= kBufferMin);
    if (is_broken_ || has_ended_) return {.is_over = true};

    // What comes out is never more than what goes in and less than one record that began before.
    std::array<char, kReceiveBytes> bytes;  // not initialized: only the used part is touched
    const std::size_t room = std::min(bytes.size(), buffer.size() - kBegunBytesMax);
    const ssize_t got = ::recv(descriptor_, bytes.data(), room, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return {};
    if (got <= 0) return {.is_over = true};
    received_ = std::span<const char>(bytes).first(static_cast<std::size_t>(got));
    ERR_clear_error();
    const auto first = static_cast<unsigned char>(received_.front());
    if (is_shaking_hands_ && SSL_in_before(ssl_) != 0 && std::isalpha(first) != 0) {
        refuse_plain_http();
        return {.is_over = true};
    }
    const std::size_t count = decrypt(buffer);
    BUS_ASSERT(received_.empty() || is_broken_ || has_ended_);
    received_ = {};
    return {.bytes = count,
            .is_over = is_broken_ || has_ended_,
            .has_more = static_cast<std::size_t>(got) == room};
}

bool TlsSession::encrypt(std::string_view record) {
    std::size_t taken = 0;
    if (SSL_write_ex(ssl_, record.data(), record.size(), &taken) == 1) {
        BUS_ASSERT(taken == record.size());
        return true;
    }
    fail("a TLS connection failed");
    return false;
}

Stream::Outcome TlsSession::write(std::span<const std::string_view> pieces) {
    Stream::Outcome out;
    std::array<char, kRecordBytes> record;  // not initialized: only the used part is touched
    std::size_t at = 0;                     // in the first piece
    ERR_clear_error();
    while (flush_pending() && !is_shaking_hands_ && !pieces.empty()) {
        const std::string_view bytes = take_record(pieces, at, record);
        if (encrypt(bytes)) out.bytes += bytes.size();
    }
    out.is_over = is_broken_;
    out.is_blocked = !is_broken_ && (has_pending() || !pieces.empty());
    return out;
}

Stream::Outcome TlsSession::say_goodbye() {
    if (is_broken_ || is_shaking_hands_) return {.is_over = is_broken_};
    if (!said_goodbye_ && flush_pending()) {
        ERR_clear_error();
        SSL_shutdown(ssl_);
        SSL_free_buffers(ssl_);  // an alert keeps its 16 KiB, and the peer may take its time
        ERR_clear_error();
        said_goodbye_ = true;
    }
    flush_pending();
    return {.is_over = is_broken_, .is_blocked = has_pending()};
}

}  // namespace eventbus
