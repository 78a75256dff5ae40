#include "app/sse_reader.h"

namespace eventbus {

bool SseReader::feed(std::string_view bytes, const std::function<void(const SseEvent&)>& visit) {
    while (!bytes.empty()) {
        const bool is_second_half = after_return_ && bytes.front() == '\n';  // of CR LF
        after_return_ = false;
        if (is_second_half) {
            bytes.remove_prefix(1);
            continue;
        }
        const std::size_t end = bytes.find_first_of("\r\n");
        line_ += bytes.substr(0, end);
        if (line_.size() > bytes_max_ || event_.data.size() > bytes_max_) return false;
        if (end == std::string_view::npos) return true;
        after_return_ = bytes[end] == '\r';
        bytes.remove_prefix(end + 1);
        take_line(line_, visit);
        line_.clear();
    }
    return true;
}

void SseReader::take_line(std::string_view line,
                          const std::function<void(const SseEvent&)>& visit) {
    if (line.empty()) {
        if (has_data_) {
            event_.data.pop_back();  // the last line feed
            if (event_.name.empty()) event_.name = "message";
            visit(event_);
        }
        place_ = event_.id;
        event_.name.clear();
        event_.data.clear();
        has_data_ = false;
        return;
    }
    const std::size_t colon = line.find(':');
    const std::string_view field = line.substr(0, colon);
    std::string_view value =
        colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "data") {
        event_.data.append(value).append("\n");
        has_data_ = true;
    } else if (field == "event") {
        event_.name = value;
    } else if (field == "id" && value.find('\0') == std::string_view::npos) {
        event_.id = value;
    }  // a line that begins with a colon is a comment: a heartbeat
}

}  // namespace eventbus
