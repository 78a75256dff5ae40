#include "net/http_reader.h"

#include <optional>
#include <utility>
#include <variant>

#include "base/assert.h"
#include "net/http_chunks.h"
#include "net/http_head.h"

namespace eventbus {
struct HttpRequestReader::Progress {
    enum class Phase : std::uint8_t { kHead, kDecision, kBody, kComplete, kFailed };

    Phase phase = Phase::kHead;
    bool has_head = false;
    std::string head_bytes;  // of a head that did not come in one piece
    HttpHead head;
    std::size_t body_bytes_max = 0;
    std::optional<HttpChunks> chunks;
    HttpFailure failure;
};

HttpRequestReader::HttpRequestReader(const HttpLimits& limits) : limits_(&limits) {}
HttpRequestReader::HttpRequestReader(HttpRequestReader&&) noexcept = default;
HttpRequestReader& HttpRequestReader::operator=(HttpRequestReader&&) noexcept = default;
HttpRequestReader::~HttpRequestReader() = default;

HttpRequestReader::Step HttpRequestReader::feed(std::string_view bytes) {
    using Phase = Progress::Phase;
    switch (progress_ ? progress_->phase : Phase::kHead) {
        case Phase::kHead:
            return read_head(bytes);
        case Phase::kBody:
            return read_body(bytes);
        case Phase::kDecision:
            return {State::kHead, 0};
        case Phase::kComplete:
            return {State::kComplete, 0};
        case Phase::kFailed:
            return {State::kFailed, 0};
    }
    BUS_ASSERT(!"a phase that is not in the list");
}

HttpRequestReader::Step HttpRequestReader::read_head(std::string_view bytes) {
    if (bytes.empty()) return {State::kNeedMore, 0};
    if (!progress_) progress_ = std::make_unique<Progress>();
    std::string& kept = progress_->head_bytes;
    const std::size_t before = kept.size();
    const std::size_t room = limits_->head_bytes_max - before;
    std::string_view head = bytes.substr(0, room);
    if (before > 0) {
        kept += head;
        head = kept;
    }

    const auto end = find_head_end(head, before);
    if (!end) return fail(400, "this is not an HTTP request");
    if (*end == 0) {
        if (bytes.size() >= room) {
            const bool is_in_target = head.find('\n') == std::string_view::npos;
            return is_in_target ? fail(414, "the target is too long")
                                : fail(431, "the head is too large");
        }
        if (before == 0) kept = head;
        return {State::kNeedMore, bytes.size()};
    }
    auto parsed = parse_http_head(head.substr(0, *end), *limits_);
    if (auto* failure = std::get_if<HttpFailure>(&parsed)) {
        return fail(failure->status, std::move(failure->detail));
    }
    progress_->head = std::get<HttpHead>(std::move(parsed));
    progress_->has_head = true;
    progress_->phase = Progress::Phase::kDecision;
    kept = std::string();
    return {State::kHead, *end - before};
}

void HttpRequestReader::accept_body(std::size_t body_bytes_max) {
    BUS_ASSERT(progress_ && progress_->phase == Progress::Phase::kDecision);
    progress_->phase = Progress::Phase::kBody;
    progress_->body_bytes_max = body_bytes_max;
    if (progress_->head.is_chunked) progress_->chunks.emplace(body_bytes_max);
}

HttpRequestReader::Step HttpRequestReader::read_body(std::string_view bytes) {
    Progress& p = *progress_;
    std::string& body = p.head.request.body;
    std::string_view rest = bytes;
    if (p.chunks) {
        if (auto failure = p.chunks->feed(rest, body))
            return fail(failure->status, std::move(failure->detail));
        if (!p.chunks->is_done()) return {State::kNeedMore, bytes.size()};
    } else {
        if (p.head.content_length > p.body_bytes_max)
            return fail(413, "the body is larger than the limit");
        const std::string_view part = rest.substr(0, p.head.content_length - body.size());
        body += part;
        rest.remove_prefix(part.size());
        if (body.size() < p.head.content_length) return {State::kNeedMore, bytes.size()};
    }
    p.phase = Progress::Phase::kComplete;
    return {State::kComplete, bytes.size() - rest.size()};
}

HttpRequestReader::Step HttpRequestReader::fail(int status, std::string detail) {
    auto failed = std::make_unique<Progress>();  // what was read of a body is of no use
    failed->phase = Progress::Phase::kFailed;
    failed->failure = {status, std::move(detail)};
    failed->has_head = progress_->has_head;
    failed->head.request = std::move(progress_->head.request);
    failed->head.request.body = std::string();
    progress_ = std::move(failed);
    return {State::kFailed, 0};
}

bool HttpRequestReader::wants_continue() const {
    if (!progress_ || progress_->phase != Progress::Phase::kBody ||
        !progress_->head.expects_continue)
        return false;
    return progress_->head.is_chunked ||
           progress_->head.content_length <= progress_->body_bytes_max;
}

const HttpRequest& HttpRequestReader::request() const {
    BUS_ASSERT(progress_ && progress_->phase != Progress::Phase::kFailed);
    return progress_->head.request;
}

const HttpRequest* HttpRequestReader::head() const {
    return progress_ && progress_->has_head ? &progress_->head.request : nullptr;
}

HttpRequest HttpRequestReader::take() {
    using Phase = Progress::Phase;
    BUS_ASSERT(progress_ &&
               (progress_->phase == Phase::kDecision || progress_->phase == Phase::kComplete));
    HttpRequest request = std::move(progress_->head.request);
    progress_.reset();
    return request;
}

const HttpFailure& HttpRequestReader::failure() const {
    BUS_ASSERT(progress_ && progress_->phase == Progress::Phase::kFailed);
    return progress_->failure;
}

}  // namespace eventbus
