#include "base/diagnostics.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

namespace eventbus::diagnostics {
namespace {

std::atomic<bool> json_lines{false};

spdlog::logger& logger() {
    static const std::shared_ptr<spdlog::logger> instance = [] {
        auto made = std::make_shared<spdlog::logger>(
            "eventbus", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
        made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
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

std::string text_line(std::string_view sentence, Fields fields) {
    std::string line(sentence);
    for (const Field& field : fields) {
        line += fmt::format(" {}=", field.name);
        const bool plain =
            !field.value.empty() && field.value.find_first_of(" \"=\n\t") == std::string::npos;
        if (plain) {
            line += field.value;
        } else {
            append_json_string(line, field.value);
        }
    }
    return line;
}

std::string json_line(std::string_view sentence, Fields fields) {
    std::string line = "\"message\":";
    append_json_string(line, sentence);
    for (const Field& field : fields) {
        line += ',';
        append_json_string(line, field.name);
        line += ':';
        append_json_string(line, field.value);
    }
    return line;
}

void say(spdlog::level::level_enum level, std::string_view sentence, Fields fields) {
    if (!logger().should_log(level)) return;
    logger().log(level, json_lines ? json_line(sentence, fields) : text_line(sentence, fields));
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
    logger().set_pattern(on ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})"
                            : "%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
}

void debug(std::string_view sentence, Fields fields) {
    say(spdlog::level::debug, sentence, fields);
}
void info(std::string_view sentence, Fields fields) { say(spdlog::level::info, sentence, fields); }
void warn(std::string_view sentence, Fields fields) { say(spdlog::level::warn, sentence, fields); }
void error(std::string_view sentence, Fields fields) { say(spdlog::level::err, sentence, fields); }

}  // namespace eventbus::diagnostics
