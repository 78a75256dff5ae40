#include "base/diagnostics.h"

#include <fmt/format.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <mutex>

#include "base/text.h"
#include "base/write_line.h"

namespace eventbus::diagnostics {
namespace {

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%e%z %l %v";
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})";
constexpr std::size_t kFrameBytesMax = 192;  // what a line has around %v, and lines_dropped_before
constexpr std::size_t kBodyBytesMax = kLogLineBytesMax - kFrameBytesMax;

std::atomic<bool> json_lines{false};

// Standard error. No line waits for a reader: what was dropped is told by the next that fits.
class StandardError final : public spdlog::sinks::base_sink<std::mutex> {
 private:
    void sink_it_(const spdlog::details::log_msg& message) override {
        const std::uint64_t dropped = lines_dropped();
        std::string body(message.payload.data(), message.payload.size());
        if (dropped > told_) {
            body += json_lines ? fmt::format(R"(,"lines_dropped_before":"{}")", dropped - told_)
                               : fmt::format(" lines_dropped_before={}", dropped - told_);
        }
        spdlog::memory_buf_t line;
        formatter_->format({message.time, {}, message.logger_name, message.level, body}, line);
        if (write_line(STDERR_FILENO, without_line_end({line.data(), line.size()})))
            told_ = dropped;
    }
    void flush_() override {}

    std::uint64_t told_ = 0;  // of lines_dropped()
};

spdlog::logger& logger() {
    static const std::shared_ptr<spdlog::logger> instance = [] {
        auto made = std::make_shared<spdlog::logger>("eventbus", std::make_shared<StandardError>());
        made->set_pattern(kTextPattern);
        return made;
    }();
    return *instance;
}

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
            out += c;
        }
    }
    out += '"';
}

std::string shortened(const std::string& value, std::size_t bytes_max) {
    if (value.size() <= bytes_max) return value;
    return std::string(cut(value, bytes_max)) + "… (cut)";
}

// Of each value, `value_max` bytes.
std::string text_line(std::string_view sentence, Fields fields, std::size_t value_max) {
    std::string line(sentence);
    for (const Field& field : fields) {
        line += fmt::format(" {}=", field.name);
        const std::string value = shortened(field.value, value_max);
        const bool plain = !value.empty() && value.find_first_of(" \"=\n\t") == std::string::npos;
        if (plain) {
            line += value;
        } else {
            append_json_string(line, value);
        }
    }
    return line;
}

std::string json_line(std::string_view sentence, Fields fields, std::size_t value_max) {
    std::string line = "\"message\":";
    append_json_string(line, sentence);
    for (const Field& field : fields) {
        line += ',';
        append_json_string(line, field.name);
        line += ':';
        append_json_string(line, shortened(field.value, value_max));
    }
    return line;
}

// With values as long as a line has room for, so that a line of JSON stays JSON.
std::string body_of(std::string_view sentence, Fields fields) {
    std::string body;
    for (std::size_t value_max = kBodyBytesMax; value_max > 0; value_max /= 2) {
        body = json_lines ? json_line(sentence, fields, value_max)
                          : text_line(sentence, fields, value_max);
        if (body.size() <= kBodyBytesMax) break;
    }
    return body;
}

void say(spdlog::level::level_enum level, std::string_view sentence, Fields fields) {
    if (!logger().should_log(level)) return;
    logger().log(level, body_of(sentence, fields));
}

}  // namespace

void set_level(Level level) {
    switch (level) {
        case Level::kDebug:
            return logger().set_level(spdlog::level::debug);
        case Level::kInfo:
            return logger().set_level(spdlog::level::info);
        case Level::kWarn:
            return logger().set_level(spdlog::level::warn);
        case Level::kError:
            return logger().set_level(spdlog::level::err);
        case Level::kOff:
            return logger().set_level(spdlog::level::off);
    }
}

void use_json(bool on) {
    json_lines = on;
    logger().set_pattern(on ? kJsonPattern : kTextPattern);
}

void debug(std::string_view sentence, Fields fields) {
    say(spdlog::level::debug, sentence, fields);
}
void info(std::string_view sentence, Fields fields) { say(spdlog::level::info, sentence, fields); }
void warn(std::string_view sentence, Fields fields) { say(spdlog::level::warn, sentence, fields); }
void error(std::string_view sentence, Fields fields) { say(spdlog::level::err, sentence, fields); }

}  // namespace eventbus::diagnostics
