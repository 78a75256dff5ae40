#include "app/secret.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "auth/jose.h"
#include "base/settings_file.h"
#include "base/text.h"

namespace eventbus {
namespace {

constexpr std::size_t kDevSecretLength = 48;

Error unusable(std::string detail) { return Error{ErrorCode::kUnauthorized, std::move(detail)}; }

Result<Secret> checked(Secret secret) {
    const auto key = jose::import_secret(secret.bytes);
    if (!key) return unusable("the JWT secret (" + secret.from + "): " + key.error().detail);
    return secret;
}

// What stands in the file, less the line break at its end.
Result<Secret> read_secret(const std::string& path, const char* fix) {
    constexpr std::size_t kLineEndBytesMax = 2;
    const Result<std::string> text =
        read_settings_file(path, jose::kSecretBytesMax + kLineEndBytesMax);
    if (text) return checked({std::string(without_line_end(*text)), path});
    return unusable("the file of the JWT secret " + path + " " + text.error().detail + "; " + fix);
}

// Written aside and linked into place, so that nobody ever reads half of it; if another process
// was faster, its secret stays.
Result<> make_secret_file(const std::string& path, Random& random) {
    const std::string aside = path + "." + random_token(random, 12);
    const auto failed = [&](const char* what) {
        const std::string reason = std::strerror(errno);
        ::unlink(aside.c_str());
        return unusable("the secret cannot be " + std::string(what) + " at " + path + ": " +
                        reason +
                        "; give the data directory to the user of this process, or set "
                        "EVENTBUS_JWT_SECRET");
    };
    const int file = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) return failed("made");
    const std::string text = random_token(random, kDevSecretLength) + "\n";
    const ssize_t written = ::write(file, text.data(), text.size());
    const bool is_whole = written == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
    if (::close(file) != 0 || !is_whole) return failed("written");
    if (::link(aside.c_str(), path.c_str()) != 0 && errno != EEXIST) return failed("put");
    ::unlink(aside.c_str());
    return {};
}

}  // namespace

std::string oddity_of(const Secret& secret) {
    constexpr std::string_view kBlanks = " \t\r\n";
    const std::string_view text = secret.bytes;
    if (text.starts_with("\xEF\xBB\xBF")) return "begins with a byte order mark";
    if (text.find_first_of("\r\n") != std::string_view::npos) return "holds a line break";
    if (kBlanks.find(text.front()) != std::string_view::npos) return "begins with a blank";
    if (kBlanks.find(text.back()) != std::string_view::npos) return "ends with a blank";
    if ((text.front() == '"' || text.front() == '\'') && text.front() == text.back())
        return "stands in quotes";
    if (text.find('\0') != std::string_view::npos) return "holds zero bytes; is the file UTF-16?";
    return {};
}

std::string dev_secret_path(const Config& config) {
    return (std::filesystem::path(config.data) / "dev-secret").string();
}

Result<Secret> find_secret(const Config& config) {
    if (!config.jwt_secret.empty()) {
        return checked({config.jwt_secret, "EVENTBUS_JWT_SECRET or the config file"});
    }
    if (!config.jwt_secret_file.empty()) {
        return read_secret(
            config.jwt_secret_file,
            "check jwt_secret_file: is it the right file, and may this user read it?");
    }
    const std::string path = dev_secret_path(config);
    std::error_code error;
    if (std::filesystem::exists(path, error))
        return read_secret(path, "is it a file that the user of this process may read?");
    return Error{
        ErrorCode::kNotFound,
        "there is no way to verify tokens; set EVENTBUS_JWT_SECRET or jwt_secret_file (32 bytes or "
        "more, as `openssl rand -base64 48` makes them), or use --dev on your own machine"};
}

Result<Secret> find_or_make_secret(const Config& config, Random& random, bool& made) {
    made = false;
    const bool is_named = !config.jwt_secret.empty() || !config.jwt_secret_file.empty();
    std::error_code error;
    const bool is_there = std::filesystem::exists(dev_secret_path(config), error);
    if (!config.dev && !is_named && is_there) {
        return unusable("there is no way to verify tokens: the secret in " +
                        dev_secret_path(config) +
                        " counts only with --dev; set EVENTBUS_JWT_SECRET or jwt_secret_file");
    }
    if (config.dev && !is_named && !is_there) {
        std::filesystem::create_directories(config.data, error);
        if (error) {
            return unusable("the data directory " + config.data +
                            " cannot be made: " + error.message());
        }
        const auto put = make_secret_file(dev_secret_path(config), random);
        if (!put) return put.error();
        made = true;
    }
    return find_secret(config);
}

}  // namespace eventbus
